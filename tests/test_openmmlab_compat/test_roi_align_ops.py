"""RoIAlign against torchvision, against a loop over samples, and by differences."""

import math

import pytest
import torch
import torchvision
from mmcv.ops import RoIAlign, roi_align
from torch.testing import assert_close

pytestmark = pytest.mark.usefixtures("provided_ops")

# Ordinary, smaller than a pixel, larger than the map, beyond its edges, without area.
ROIS = torch.tensor(
    [
        [0, 1.2, 2.3, 20.7, 14.1],
        [1, 4.0, 4.0, 4.3, 4.6],
        [1, -30.0, -20.0, 60.0, 50.0],
        [0, 15.0, 15.0, 90.0, 70.0],
        [1, 8.0, 8.0, 8.0, 8.0],
        [0, -50.0, -50.0, -20.0, -20.0],
    ],
    dtype=torch.float64,
)
SCALE = 0.5


def features(dtype=torch.float64, shape=(2, 3, 11, 13)):
    generator = torch.Generator().manual_seed(0)
    return torch.randn(shape, generator=generator, dtype=torch.float64).to(dtype)


def bilinear(plane, y, x):
    height, width = plane.shape
    if y < -1 or y > height or x < -1 or x > width:
        return 0.0
    y, x = (min(max(v, 0.0), n - 1.0) for v, n in ((y, height), (x, width)))
    total = 0.0
    for row in {math.floor(y), min(math.floor(y) + 1, height - 1)}:
        for column in {math.floor(x), min(math.floor(x) + 1, width - 1)}:
            share = (1 - abs(y - row)) * (1 - abs(x - column))
            total += share * plane[row, column].item()
    return total


def roi_align_by_loops(feature, rois, bins, scale, sampling, mode, aligned):
    """Written from the definition: samples at even distances in every bin."""
    output = torch.zeros(len(rois), feature.size(1), bins, bins, dtype=torch.float64)
    shift = 0.5 if aligned else 0.0
    for r, (image, *corners) in enumerate(rois.tolist()):
        x1, y1, x2, y2 = (corner * scale - shift for corner in corners)
        w, h = x2 - x1, y2 - y1
        if not aligned:
            w, h = max(w, 1.0), max(h, 1.0)
        per_y = sampling or math.ceil(h / bins)
        per_x = sampling or math.ceil(w / bins)
        for c in range(feature.size(1)):
            plane = feature[int(image), c]
            for by in range(bins):
                for bx in range(bins):
                    samples = [
                        bilinear(
                            plane,
                            y1 + (by + (iy + 0.5) / per_y) * h / bins,
                            x1 + (bx + (ix + 0.5) / per_x) * w / bins,
                        )
                        for iy in range(per_y)
                        for ix in range(per_x)
                    ]
                    if mode == "max":
                        value = max(samples, default=-10000.0)
                    else:
                        value = sum(samples) / max(len(samples), 1)
                    output[r, c, by, bx] = value
    return output


@pytest.mark.parametrize("aligned", [True, False])
@pytest.mark.parametrize("sampling", [0, 1, 2, 3])
@pytest.mark.parametrize("mode", ["avg", "max"])
def test_roi_align_equals_a_loop_over_samples(mode, sampling, aligned):
    output = roi_align(features(), ROIS, 2, SCALE, sampling, mode, aligned)

    expected = roi_align_by_loops(features(), ROIS, 2, SCALE, sampling, mode, aligned)
    assert_close(output, expected)


@pytest.mark.parametrize("aligned", [True, False])
@pytest.mark.parametrize("sampling", [0, 2])
def test_average_and_gradient_equal_torchvision(sampling, aligned):
    ours = features(torch.float32).requires_grad_()
    theirs = features(torch.float32).requires_grad_()
    rois = ROIS.float()

    output = roi_align(ours, rois, (3, 4), SCALE, sampling, "avg", aligned)
    expected = torchvision.ops.roi_align(theirs, rois, (3, 4), SCALE, sampling, aligned)

    assert_close(output, expected)
    weights = torch.randn_like(output)
    (output * weights).sum().backward()
    (expected * weights).sum().backward()
    assert_close(ours.grad, theirs.grad)


@pytest.mark.parametrize("aligned", [True, False])
@pytest.mark.parametrize("sampling", [0, 2])
@pytest.mark.parametrize("mode", ["avg", "max"])
def test_gradient_equals_finite_differences(mode, sampling, aligned):
    def pooled(x):
        return roi_align(x, ROIS, (2, 1), SCALE / 2, sampling, mode, aligned)

    x = features(shape=(2, 1, 5, 6)).requires_grad_()
    assert torch.autograd.gradcheck(pooled, x)


@pytest.mark.parametrize("mode", ["avg", "max"])
def test_no_regions_give_no_output_and_no_gradient(mode):
    x = features(torch.float32).requires_grad_()

    output = roi_align(x, torch.zeros(0, 5), (7, 7), SCALE, 0, mode, True)
    output.sum().backward()

    assert output.shape == (0, 3, 7, 7)
    assert_close(x.grad, torch.zeros_like(x))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("mode", ["avg", "max"])
def test_half_precision_is_close_to_float32(mode, dtype):
    x = features(dtype).requires_grad_()
    rois = torch.tensor([[0, 1.0, 2, 20, 14], [1, 4, 4, 9, 12]])
    arguments = ((3, 3), SCALE, 2, mode, True)

    output = roi_align(x, rois.to(dtype), *arguments)
    output.float().sum().backward()

    assert output.dtype == x.grad.dtype == dtype
    exact = features(dtype).float().requires_grad_()
    expected = roi_align(exact, rois, *arguments)
    expected.sum().backward()
    assert_close(output, expected.to(dtype))
    # Gradients of many bins add up, and the position of a maximum is stored in `dtype`.
    assert_close(x.grad.float(), exact.grad, rtol=0.05, atol=0.1)


def test_the_first_of_equal_samples_gets_the_gradient():
    x = torch.zeros(1, 1, 8, 8, requires_grad=True)

    roi_align(x, torch.tensor([[0, 0.5, 0.5, 4.5, 4.5]]), 1, 1.0, 4, "max").backward()

    expected = torch.zeros(1, 1, 8, 8)
    expected[0, 0, 0, 0] = 0.25  # the sample at (0.5, 0.5)
    expected[0, 0, :2, :2] = 0.25
    assert_close(x.grad, expected)


def test_noncontiguous_features_are_read_rightly():
    x = features(torch.float32)
    strided = x.to(memory_format=torch.channels_last)

    for mode in ("avg", "max"):
        layer = RoIAlign((4, 4), SCALE, 2, mode)
        assert_close(layer(strided, ROIS.float()), layer(x, ROIS.float()))
