"""Deformable convolution, both versions: values and gradients as mmcv computes them.

torchvision's operator computes both. It differs in one point, which is put right here:
at a sampling point exactly on the border of the zero padding (every zero offset of a
padded 3x3 convolution has such points) it takes the one-sided derivative by the offset,
and mmcv takes zero.

The papers: Dai et al., Deformable Convolutional Networks
(https://arxiv.org/abs/1703.06211), and Zhu et al., Deformable ConvNets v2
(https://arxiv.org/abs/1811.11168).
"""

from typing import NamedTuple

import torch
import torchvision  # noqa: F401  (registers torch.ops.torchvision)
from torch import Tensor


class DeformConvGeometry(NamedTuple):
    """The convolution's numbers, in the order torchvision's operator takes them."""

    stride_h: int
    stride_w: int
    pad_h: int
    pad_w: int
    dilation_h: int
    dilation_w: int
    groups: int
    deform_groups: int


class DeformConvGradients(NamedTuple):
    """Gradients by each input, in the order torchvision's operator returns them."""

    input: Tensor
    weight: Tensor
    offset: Tensor
    mask: Tensor
    bias: Tensor


def deform_convolve(
    input: Tensor,
    weight: Tensor,
    offset: Tensor,
    mask: Tensor | None,
    bias: Tensor | None,
    geometry: DeformConvGeometry,
) -> Tensor:
    """Convolve at the offset sampling points.

    Args:
        input: (N, C, H, W); half precision is computed in float32.
        weight: (C_out, C / groups, kernel_h, kernel_w).
        offset: (N, deform_groups * kernel_h * kernel_w * 2, H_out, W_out), y then x.
        mask: (N, deform_groups * kernel_h * kernel_w, H_out, W_out) factors of the
            taps (version 2), or None (version 1).
        bias: (C_out,), or None.
        geometry: The remaining numbers.

    Returns:
        (N, C_out, H_out, W_out), in float64 where ``input`` is, else float32.
    """
    dtype = _computing_dtype(input)
    factors = _mask_or_placeholder(mask, input)
    summand = input.new_zeros(weight.size(0)) if bias is None else bias
    output: Tensor = torch.ops.torchvision.deform_conv2d(
        *(tensor.to(dtype) for tensor in (input, weight, offset, factors, summand)),
        *geometry,
        mask is not None,
    )
    return output


def deform_conv_gradients(
    grad_output: Tensor,
    input: Tensor,
    weight: Tensor,
    offset: Tensor,
    mask: Tensor | None,
    geometry: DeformConvGeometry,
) -> DeformConvGradients:
    """Return the gradients by every input, each of its input's shape.

    The dtype is float64 where ``input`` is, else float32. ``grad_output`` has the shape
    that `deformdeform_convolve` returns, whose arguments the others are.
    """
    dtype = _computing_dtype(input)
    factors = _mask_or_placeholder(mask, input)
    bias = input.new_zeros(weight.size(0))
    tensors = (grad_output, input, weight, offset, factors, bias)
    gradients = DeformConvGradients(
        *torch.ops.torchvision._deform_conv2d_backward(
            *(tensor.to(dtype) for tensor in tensors), *geometry, mask is not None
        )
    )
    reaches_input = _taps_that_reach_the_input(
        offset.to(dtype), weight.shape[-2:], input.shape[-2:], geometry
    )
    by_tap = torch.unflatten(gradients.offset, 1, (-1, 2))
    by_tap = torch.where(reaches_input.unsqueeze(2), by_tap, 0)
    return gradients._replace(offset=by_tap.flatten(1, 2))


def _taps_that_reach_the_input(
    offset: Tensor, kernel: torch.Size, size: torch.Size, geometry: DeformConvGeometry
) -> Tensor:
    """Return whether each tap lies less than one pixel from the input.

    Returns:
        (N, deform_groups * kernel_h * kernel_w, H_out, W_out) booleans.
    """
    height, width = offset.shape[-2:]

    def positions(taps: int, dilation: int) -> Tensor:
        return torch.arange(taps, device=offset.device) * dilation

    tap_y = positions(kernel[0], geometry.dilation_h).repeat_interleave(kernel[1])
    tap_x = positions(kernel[1], geometry.dilation_w).repeat(kernel[0])
    start_y = positions(height, geometry.stride_h) - geometry.pad_h
    start_x = positions(width, geometry.stride_w) - geometry.pad_w
    by_group = torch.unflatten(offset, 1, (geometry.deform_groups, len(tap_y), 2))
    y = (tap_y.view(-1, 1, 1) + start_y.view(-1, 1)) + by_group[:, :, :, 0]
    x = (tap_x.view(-1, 1, 1) + start_x) + by_group[:, :, :, 1]
    return ((y > -1) & (x > -1) & (y < size[0]) & (x < size[1])).flatten(1, 2)


def _mask_or_placeholder(mask: Tensor | None, input: Tensor) -> Tensor:
    """Return the mask, or the unread tensor that torchvision wants in its place."""
    return input.new_zeros(input.size(0), 1) if mask is None else mask


def _computing_dtype(input: Tensor) -> torch.dtype:
    return torch.float64 if input.dtype == torch.float64 else torch.float32
