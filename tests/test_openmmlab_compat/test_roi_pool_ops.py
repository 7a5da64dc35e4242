"""RoIPool against a loop over pixels, against torchvision, and by differences."""

import math

import pytest
import torch
import torchvision
from mmcv.ops import roi_pool
from torch.testing import assert_close

pytestmark = pytest.mark.usefixtures("provided_ops")

# Ordinary, one pixel, larger than the map, partly and wholly beyond it, inverted.
ROIS = torch.tensor(
    [
        [0, 1.2, 2.3, 20.7, 14.1],
        [1, 4.0, 4.0, 4.0, 4.0],
        [1, -30.0, -20.0, 60.0, 50.0],
        [0, 15.0, 12.0, 90.0, 70.0],
        [0, -50.0, -50.0, -20.0, -20.0],
        [1, 9.0, 9.0, 3.0, 12.0],
    ],
    dtype=torch.float64,
)


def features(shape=(2, 3, 9, 11)):
    generator = torch.Generator().manual_seed(0)
    return torch.randn(shape, generator=generator, dtype=torch.float64)


def roi_pool_by_loops(feature, rois, bins_y, bins_x, scale):
    """Maximum over every pixel that a bin touches."""
    height, width = feature.shape[-2:]
    output = torch.zeros(
        len(rois), feature.size(1), bins_y, bins_x, dtype=torch.float64
    )
    for r, (image, x1, y1, x2, y2) in enumerate(rois.tolist()):
        x1, y1, x2, y2 = x1 * scale, y1 * scale, (x2 + 1) * scale, (y2 + 1) * scale
        if x2 <= x1 or y2 <= y1:
            continue
        for by in range(bins_y):
            for bx in range(bins_x):
                rows = [
                    y
                    for y in range(height)
                    if math.floor(y1 + by * (y2 - y1) / bins_y)
                    <= y
                    < math.ceil(y1 + (by + 1) * (y2 - y1) / bins_y)
                ]
                columns = [
                    x
                    for x in range(width)
                    if math.floor(x1 + bx * (x2 - x1) / bins_x)
                    <= x
                    < math.ceil(x1 + (bx + 1) * (x2 - x1) / bins_x)
                ]
                if rows and columns:
                    pixels = feature[int(image)][:, rows][:, :, columns]
                    output[r, :, by, bx] = pixels.amax(dim=(1, 2))
    return output


@pytest.mark.parametrize("bins", [(1, 1), (2, 3), (7, 7)])
@pytest.mark.parametrize("scale", [0.5, 0.25, 1.0])
def test_roi_pool_equals_a_loop_over_pixels(bins, scale):
    output = roi_pool(features(), ROIS, bins, scale)

    assert_close(output, roi_pool_by_loops(features(), ROIS, *bins, scale))


def test_roi_pool_equals_torchvision_at_whole_pixels():
    ours, theirs = features().requires_grad_(), features().requires_grad_()
    rois = torch.tensor([[0, 0, 0, 5, 7], [1, 2, 1, 9, 8]], dtype=torch.float64)

    output = roi_pool(ours, rois, (2, 2), 1.0)
    expected = torchvision.ops.roi_pool(theirs, rois, (2, 2), 1.0)

    assert_close(output, expected)
    output.sum().backward()
    expected.sum().backward()
    assert_close(ours.grad, theirs.grad)


def test_gradient_equals_finite_differences():
    def pooled(x):
        return roi_pool(x, ROIS, (2, 1), 0.25)

    x = features(shape=(2, 1, 5, 6)).requires_grad_()
    assert torch.autograd.gradcheck(pooled, x)


def test_no_regions_give_no_output_and_no_gradient():
    x = features().float().requires_grad_()

    output = roi_pool(x, torch.zeros(0, 5), (7, 7), 0.5)
    output.sum().backward()

    assert output.shape == (0, 3, 7, 7)
    assert_close(x.grad, torch.zeros_like(x))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_pools_the_same_pixels(dtype):
    x = features().to(dtype).requires_grad_()
    rois = torch.tensor([[0, 1.0, 2, 16, 14], [1, 4, 4, 9, 12]])

    output = roi_pool(x, rois.to(dtype), (3, 3), 0.5)
    output.sum().backward()

    exact = x.detach().float().requires_grad_()
    expected = roi_pool(exact, rois, (3, 3), 0.5)
    expected.sum().backward()
    assert_close(output.float(), expected, rtol=0, atol=0)
    assert_close(x.grad.float(), exact.grad, rtol=0, atol=0)
