"""Deformable convolution under the names and calling conventions of ``mmcv._ext``.

The computation is in ``deformable_convolution.py``; these functions unpack mmcv's
arguments and write into the tensors that mmcv allocated.
"""

from torch import Tensor

from .deformable_convolution import (
    DeformConvGeometry,
    deform_conv_gradients,
    deform_convolve,
)


def deform_conv_forward(
    input: Tensor,
    weight: Tensor,
    offset: Tensor,
    output: Tensor,
    columns: Tensor,
    ones: Tensor,
    kW: int,
    kH: int,
    dW: int,
    dH: int,
    padW: int,
    padH: int,
    dilationW: int,
    dilationH: int,
    group: int,
    deformable_group: int,
    im2col_step: int,
) -> None:
    """Deformable convolution v1.

    Args:
        input: (N, C, H, W), on any device; half precision is computed in float32.
        weight: (C_out, C / group, kH, kW).
        offset: (N, deformable_group * kH * kW * 2, H_out, W_out): y, then x, in input
            pixels, of each tap.
        output: (N, C_out, H_out, W_out), overwritten.
        columns: A buffer of the compiled kernel, not used.
        ones: A buffer of the compiled kernel, not used.
        kW: Kernel width, as in ``weight``.
        kH: Kernel height, as in ``weight``.
        dW: Stride along x.
        dH: Stride along y.
        padW: Zero padding left and right.
        padH: Zero padding above and below.
        dilationW: Distance of the taps along x.
        dilationH: Distance of the taps along y.
        group: Groups of the convolution.
        deformable_group: Groups of channels with offsets of their own.
        im2col_step: Images per step of the compiled kernel, not used.
    """
    geometry = DeformConvGeometry(
        dH, dW, padH, padW, dilationH, dilationW, group, deformable_group
    )
    output.copy_(deform_convolve(input, weight, offset, None, None, geometry))


def deform_conv_backward_input(
    input: Tensor,
    offset: Tensor,
    gradOutput: Tensor,
    gradInput: Tensor,
    gradOffset: Tensor,
    weight: Tensor,
    columns: Tensor,
    kW: int,
    kH: int,
    dW: int,
    dH: int,
    padW: int,
    padH: int,
    dilationW: int,
    dilationH: int,
    group: int,
    deformable_group: int,
    im2col_step: int,
) -> None:
    """Add to ``gradInput`` and overwrite ``gradOffset`` with their gradients.

    Both have the shapes of ``input`` and ``offset``; the other arguments are those of
    `deform_conv_forward`.
    """
    geometry = DeformConvGeometry(
        dH, dW, padH, padW, dilationH, dilationW, group, deformable_group
    )
    gradients = deform_conv_gradients(gradOutput, input, weight, offset, None, geometry)
    gradInput += gradients.input
    gradOffset.copy_(gradients.offset)


def deform_conv_backward_parameters(
    input: Tensor,
    offset: Tensor,
    gradOutput: Tensor,
    gradWeight: Tensor,
    columns: Tensor,
    ones: Tensor,
    kW: int,
    kH: int,
    dW: int,
    dH: int,
    padW: int,
    padH: int,
    dilationW: int,
    dilationH: int,
    group: int,
    deformable_group: int,
    scale: float,
    im2col_step: int,
) -> None:
    """Add ``scale`` times the gradient by the weight to ``gradWeight``.

    The other arguments are those of `deform_conv_forward`.
    """
    geometry = DeformConvGeometry(
        dH, dW, padH, padW, dilationH, dilationW, group, deformable_group
    )
    # mmcv does not pass the weight, on which its gradient does not depend.
    gradients = deform_conv_gradients(
        gradOutput,
        input,
        gradWeight.new_zeros(gradWeight.shape),
        offset,
        None,
        geometry,
    )
    gradWeight += scale * gradients.weight


def modulated_deform_conv_forward(
    input: Tensor,
    weight: Tensor,
    bias: Tensor,
    ones: Tensor,
    offset: Tensor,
    mask: Tensor,
    output: Tensor,
    columns: Tensor,
    kernel_h: int,
    kernel_w: int,
    stride_h: int,
    stride_w: int,
    pad_h: int,
    pad_w: int,
    dilation_h: int,
    dilation_w: int,
    group: int,
    deformable_group: int,
    with_bias: bool,
) -> None:
    """Deformable convolution v2: every tap also has a factor, its mask.

    Args:
        input: (N, C, H, W), on any device; half precision is computed in float32.
        weight: (C_out, C / group, kernel_h, kernel_w).
        bias: (C_out,), read only with ``with_bias``.
        ones: A buffer of the compiled kernel, not used.
        offset: (N, deformable_group * kernel_h * kernel_w * 2, H_out, W_out): y, then
            x, in input pixels, of each tap.
        mask: (N, deformable_group * kernel_h * kernel_w, H_out, W_out).
        output: (N, C_out, H_out, W_out), overwritten.
        columns: A buffer of the compiled kernel, not used.
        kernel_h: Kernel height, as in ``weight``.
        kernel_w: Kernel width, as in ``weight``.
        stride_h: Stride along y.
        stride_w: Stride along x.
        pad_h: Zero padding above and below.
        pad_w: Zero padding left and right.
        dilation_h: Distance of the taps along y.
        dilation_w: Distance of the taps along x.
        group: Groups of the convolution.
        deformable_group: Groups of channels with offsets and masks of their own.
        with_bias: Whether to add ``bias``.
    """
    geometry = DeformConvGeometry(
        stride_h,
        stride_w,
        pad_h,
        pad_w,
        dilation_h,
        dilation_w,
        group,
        deformable_group,
    )
    used_bias = bias if with_bias else None
    output.copy_(deform_convolve(input, weight, offset, mask, used_bias, geometry))


def modulated_deform_conv_backward(
    input: Tensor,
    weight: Tensor,
    bias: Tensor,
    ones: Tensor,
    offset: Tensor,
    mask: Tensor,
    columns: Tensor,
    grad_input: Tensor,
    grad_weight: Tensor,
    grad_bias: Tensor,
    grad_offset: Tensor,
    grad_mask: Tensor,
    grad_output: Tensor,
    kernel_h: int,
    kernel_w: int,
    stride_h: int,
    stride_w: int,
    pad_h: int,
    pad_w: int,
    dilation_h: int,
    dilation_w: int,
    group: int,
    deformable_group: int,
    with_bias: bool,
) -> None:
    """Write the gradients by every input.

    ``grad_input``, ``grad_weight`` and, with ``with_bias``, ``grad_bias`` are added to;
    ``grad_offset`` and ``grad_mask`` are overwritten. The other arguments are those of
    `modulated_deform_conv_forward`.
    """
    geometry = DeformConvGeometry(
        stride_h,
        stride_w,
        pad_h,
        pad_w,
        dilation_h,
        dilation_w,
        group,
        deformable_group,
    )
    gradients = deform_conv_gradients(
        grad_output, input, weight, offset, mask, geometry
    )
    grad_input += gradients.input
    grad_weight += gradients.weight
    if with_bias:
        grad_bias += gradients.bias
    grad_offset.copy_(gradients.offset)
    grad_mask.copy_(gradients.mask)
