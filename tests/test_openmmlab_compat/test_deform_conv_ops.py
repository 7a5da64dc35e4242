"""Deformable convolution against grid_sample, against conv2d, and by differences."""

import pytest
import torch
import torch.nn.functional as F
from mmcv.ops import deform_conv2d, modulated_deform_conv2d
from support.deform_geometries import GEOMETRIES
from torch.testing import assert_close

pytestmark = pytest.mark.usefixtures("provided_ops")

KERNEL = (3, 2)


def convolution_inputs(geometry, dtype=torch.float64, batch=2, size=(7, 6)):
    """Return input, offset, mask, weight and bias of one deformable convolution."""
    stride, padding, dilation, groups, deform_groups = geometry
    generator = torch.Generator().manual_seed(0)

    def random(*shape):
        return torch.randn(*shape, generator=generator, dtype=torch.float64)

    plain = torch.zeros(batch, 1, *size)
    kernel = torch.zeros(1, 1, *KERNEL)
    height, width = F.conv2d(plain, kernel, None, stride, padding, dilation).shape[2:]
    taps = deform_groups * KERNEL[0] * KERNEL[1]
    # Never at a whole pixel, where the derivative jumps.
    offset = (random(batch, 2 * taps, height, width) * 2).floor()
    offset += 0.2 + 0.6 * torch.rand(offset.shape, generator=generator)
    tensors = (
        random(batch, 4, *size),
        offset,
        random(batch, taps, height, width),
        random(6, 4 // groups, *KERNEL),
        random(6),
    )
    return [tensor.to(dtype).requires_grad_() for tensor in tensors]


def deform_conv_by_grid_sample(input, offset, mask, weight, bias, geometry):
    """Sample every tap with grid_sample, then sum the taps up."""
    stride, padding, dilation, groups, deform_groups = geometry
    (stride_y, stride_x), (pad_y, pad_x), (dilation_y, dilation_x) = (
        value if isinstance(value, tuple) else (value, value)
        for value in (stride, padding, dilation)
    )
    batch, _, height, width = input.shape
    rows, columns = offset.shape[-2:]
    taps = KERNEL[0] * KERNEL[1]
    offset = offset.view(batch, deform_groups, taps, 2, rows, columns)
    mask = mask.view(batch, deform_groups, taps, 1, rows, columns)
    start_y = torch.arange(rows).view(-1, 1) * stride_y - pad_y
    start_x = torch.arange(columns) * stride_x - pad_x
    sampled = []
    for tap in range(taps):
        by_group = []
        for group, part in enumerate(input.chunk(deform_groups, dim=1)):
            y = start_y + tap // KERNEL[1] * dilation_y + offset[:, group, tap, 0]
            x = start_x + tap % KERNEL[1] * dilation_x + offset[:, group, tap, 1]
            grid = torch.stack(
                [(2 * x + 1) / width - 1, (2 * y + 1) / height - 1], dim=-1
            )
            values = F.grid_sample(part, grid, align_corners=False)
            by_group.append(values * mask[:, group, tap])
        sampled.append(torch.cat(by_group, dim=1))
    columns_of_taps = torch.stack(sampled, dim=2)  # (N, C, taps, rows, columns)
    outputs = [
        torch.einsum("nctyx,oct->noyx", part, kernel.flatten(2))
        for part, kernel in zip(
            columns_of_taps.chunk(groups, dim=1), weight.chunk(groups), strict=True
        )
    ]
    output = torch.cat(outputs, dim=1)
    return output if bias is None else output + bias.view(1, -1, 1, 1)


def gradients(output, inputs):
    generator = torch.Generator().manual_seed(1)
    factors = torch.randn(output.shape, generator=generator, dtype=torch.float64)
    return torch.autograd.grad((output * factors).sum(), inputs)


@pytest.mark.parametrize("geometry", GEOMETRIES)
def test_version_1_equals_grid_sample(geometry):
    x, offset, _, weight, _ = inputs = convolution_inputs(geometry)
    inputs = (x, offset, weight)
    ones = torch.ones_like(offset[:, ::2])

    output = deform_conv2d(x, offset, weight, *geometry)
    expected = deform_conv_by_grid_sample(x, offset, ones, weight, None, geometry)

    assert_close(output, expected)
    assert_close(gradients(output, inputs), gradients(expected, inputs))


@pytest.mark.parametrize("with_bias", [True, False])
@pytest.mark.parametrize("geometry", GEOMETRIES)
def test_version_2_equals_grid_sample(geometry, with_bias):
    x, offset, mask, weight, bias = convolution_inputs(geometry)
    inputs = [x, offset, mask, weight] + [bias] * with_bias
    bias = bias if with_bias else None

    output = modulated_deform_conv2d(x, offset, mask, weight, bias, *geometry)
    expected = deform_conv_by_grid_sample(x, offset, mask, weight, bias, geometry)

    assert_close(output, expected)
    assert_close(gradients(output, inputs), gradients(expected, inputs))


@pytest.mark.parametrize("geometry", [GEOMETRIES[0], GEOMETRIES[3]])
def test_gradients_equal_finite_differences(geometry):
    x, offset, mask, weight, bias = convolution_inputs(geometry, batch=1, size=(4, 3))

    assert torch.autograd.gradcheck(
        lambda *inputs: deform_conv2d(*inputs, *geometry), (x, offset, weight)
    )
    assert torch.autograd.gradcheck(
        lambda *inputs: modulated_deform_conv2d(*inputs, *geometry),
        (x, offset, mask, weight, bias),
    )


@pytest.mark.parametrize("geometry", GEOMETRIES)
def test_zero_offsets_give_the_ordinary_convolution(geometry):
    x, offset, mask, weight, bias = convolution_inputs(geometry, torch.float32)
    zeros, ones = torch.zeros_like(offset), torch.ones_like(mask)

    expected = F.conv2d(x, weight, None, *geometry[:4])

    assert_close(deform_conv2d(x, zeros, weight, *geometry), expected)
    assert_close(
        modulated_deform_conv2d(x, zeros, ones, weight, bias, *geometry),
        expected + bias.view(1, -1, 1, 1),
    )


def test_taps_on_the_padding_get_no_offset_gradient():
    """As in mmcv; torchvision gives them the derivative towards the inside."""
    x = torch.ones(1, 1, 4, 4)
    offset = torch.zeros(1, 18, 4, 4, requires_grad=True)

    output = deform_conv2d(x, offset, torch.ones(1, 1, 3, 3), 1, 1)
    output.sum().backward()

    assert_close(offset.grad[:, :, 0, 0][:, :6], torch.zeros(1, 6))  # the upper taps
    assert offset.grad[0, :, 3, 3].count_nonzero() > 0  # towards the zeros outside


@pytest.mark.parametrize("im2col_step", [1, 2, 4])
def test_the_step_of_the_compiled_kernel_changes_nothing(im2col_step):
    x, offset, _, weight, _ = convolution_inputs(GEOMETRIES[0], batch=4)
    inputs = (x, offset, weight)

    output = deform_conv2d(*inputs, *GEOMETRIES[0], False, im2col_step)

    expected = deform_conv2d(*inputs, *GEOMETRIES[0])
    assert_close(output, expected)
    assert_close(gradients(output, inputs), gradients(expected, inputs))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_close_to_float32(dtype):
    geometry = GEOMETRIES[1]
    half = convolution_inputs(geometry, dtype)
    exact = [tensor.detach().float().requires_grad_() for tensor in half]

    output = modulated_deform_conv2d(*half, *geometry)
    expected = modulated_deform_conv2d(*exact, *geometry)

    assert output.dtype == dtype
    assert_close(output, expected.to(dtype))
    for ours, theirs in zip(
        gradients(output, half), gradients(expected, exact), strict=True
    ):
        assert ours.dtype == dtype
        # The incoming gradient is rounded to `dtype` too.
        assert_close(ours, theirs.to(dtype), rtol=0.02, atol=0.02)
