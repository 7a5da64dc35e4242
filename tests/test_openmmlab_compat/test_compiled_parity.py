"""Every provided operator against the compiled one of the same name.

Both are called through mmcv's own Python functions, once with the compiled module
behind them and once with the provided functions, on equal inputs. mmcv has no CPU
kernel of RoIPool and of the focal loss, so those two need a GPU here.
"""

import sys

import mmcv.ops
import pytest
import torch
from support.deform_geometries import GEOMETRIES
from support.mmcv_op_modules import use_provided_ops
from torch.testing import assert_close

from ghostnet_mm.openmmlab_compat.mmcv_ops import PROVIDED_OPS, mmcv_ops_are_compiled

pytestmark = pytest.mark.skipif(
    not mmcv_ops_are_compiled(),
    reason="compiled mmcv is not installed (mmcv-lite has no compiled operators)",
)

DEVICES = ["cpu"] + ["cuda"] * torch.cuda.is_available()
GPU_ONLY = pytest.param(
    "cuda",
    marks=pytest.mark.skipif(
        not torch.cuda.is_available(), reason="mmcv's kernel of it needs a GPU"
    ),
)


def random(*shape, seed=0, device="cpu", dtype=torch.float32):
    generator = torch.Generator().manual_seed(seed)
    values = torch.randn(*shape, generator=generator, dtype=torch.float64)
    return values.to(device, dtype)


def values_and_gradients(op, inputs, *arguments):
    """Return what ``op`` gives and the gradients by the inputs that can have one."""
    inputs = [tensor.clone().requires_grad_() for tensor in inputs]
    output = op(*inputs, *arguments)
    output.backward(random(*output.shape, seed=9).to(output))
    return output.detach(), [tensor.grad for tensor in inputs]


@pytest.fixture
def compare(monkeypatch):
    """Return a function that compares ``run()`` with compiled and provided ops."""

    def compare(run, **tolerance):
        compiled = run()
        with monkeypatch.context() as patch:
            use_provided_ops(patch)
            provided = run()
        print("max difference:", largest_difference(provided, compiled))
        assert_close(provided, compiled, equal_nan=True, **tolerance)

    return compare


def largest_difference(ours, theirs):
    if isinstance(ours, torch.Tensor):
        if ours.shape != theirs.shape or ours.numel() == 0:
            return 0.0
        return (ours.double() - theirs.double()).abs().max().item()
    return max(map(largest_difference, ours, theirs), default=0.0)


def boxes_and_scores(count, seed, device):
    corners = random(count, 2, seed=seed).abs() * 30
    sides = random(count, 2, seed=seed + 1).abs() * 20 + 1
    scores = random(count, seed=seed + 2).sigmoid()
    return torch.cat([corners, corners + sides], dim=1).to(device), scores.to(device)


def test_the_compiled_module_is_in_use():
    module = sys.modules["mmcv.ops.nms"].ext_module

    assert module.nms is not PROVIDED_OPS["nms"]
    assert module.__file__.endswith((".so", ".pyd"))


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("offset", [0, 1])
@pytest.mark.parametrize("threshold", [0.1, 0.5, 0.6, 0.95])
@pytest.mark.parametrize("seed", [0, 10, 20])
def test_nms(compare, seed, threshold, offset, device):
    boxes, scores = boxes_and_scores(300, seed, device)
    compare(lambda: mmcv.ops.nms(boxes, scores, threshold, offset), rtol=0, atol=0)


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("offset", [0, 1])
@pytest.mark.parametrize("threshold", [0.5, 0.6])
@pytest.mark.parametrize("count", [2, 40, 3000])
def test_nms_with_ties(compare, count, threshold, offset, device):
    boxes, scores = boxes_and_scores(count, 5, device)
    # Whole pixels and few scores: equal IoUs, equal scores, equal boxes.
    boxes, scores = boxes.round(), (scores * 4).round() / 4
    compare(lambda: mmcv.ops.nms(boxes, scores, threshold, offset), rtol=0, atol=0)


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("offset", [0, 1])
@pytest.mark.parametrize("count", [0, 1])
def test_nms_of_few_boxes(compare, count, offset, device):
    boxes, scores = boxes_and_scores(count, 0, device)
    compare(lambda: mmcv.ops.nms(boxes, scores, 0.5, offset), rtol=0, atol=0)


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("split_thr", [10, 10000])
@pytest.mark.parametrize("kind", ["nms", "soft_nms"])
def test_batched_nms(compare, kind, split_thr, device):
    boxes, scores = boxes_and_scores(500, 3, device)
    classes = torch.arange(500, device=device) % 5
    config = dict(type=kind, iou_threshold=0.5, split_thr=split_thr)
    compare(lambda: mmcv.ops.batched_nms(boxes, scores, classes, config))


@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize("offset", [0, 1])
@pytest.mark.parametrize("method", ["naive", "linear", "gaussian"])
def test_soft_nms(compare, method, offset, ties):
    boxes, scores = boxes_and_scores(300, 7, "cpu")
    if ties:
        boxes, scores = boxes.round(), (scores * 4).round() / 4
    compare(
        lambda: mmcv.ops.soft_nms(
            boxes, scores, 0.3, min_score=0.02, method=method, offset=offset
        )
    )


def regions():
    """24 regions of two images: beyond the edges, small, large, one without area."""
    corners = random(24, 2, seed=1) * 25 + 20
    sides = random(24, 2, seed=2).abs() * 30
    sides[0] = 0
    image = torch.arange(24).view(-1, 1) % 2
    return torch.cat([image, corners, corners + sides], dim=1)


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("aligned", [True, False])
@pytest.mark.parametrize("sampling", [0, 1, 2, 3])
@pytest.mark.parametrize("mode", ["avg", "max"])
def test_roi_align(compare, mode, sampling, aligned, dtype, device):
    features = random(2, 3, 17, 19, device=device, dtype=dtype)
    arguments = (regions().to(features), (7, 5), 0.25, sampling, mode, aligned)
    compare(
        lambda: values_and_gradients(
            lambda x: mmcv.ops.roi_align(x, *arguments), [features]
        )
    )


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("mode", ["avg", "max"])
def test_roi_align_in_half_precision_is_more_exact(monkeypatch, mode, device):
    """The compiled kernel rounds every step to half precision, ours only the result."""
    features = random(2, 3, 17, 19, device=device).half()
    rois = regions().to(features)
    arguments = ((7, 5), 0.25, 2, mode, True)

    compiled = mmcv.ops.roi_align(features, rois, *arguments)
    exact = mmcv.ops.roi_align(features.double(), rois.double(), *arguments)
    use_provided_ops(monkeypatch)
    provided = mmcv.ops.roi_align(features, rois, *arguments)

    assert provided.dtype == compiled.dtype == torch.float16
    assert_close(provided, exact.half(), rtol=0.002, atol=0.002)
    assert (provided - exact).abs().mean() < (compiled - exact).abs().mean()


@pytest.mark.parametrize("device", [GPU_ONLY])
def test_roi_pool(compare, device):
    features = random(2, 3, 17, 19, device=device)
    rois = regions().to(features)
    compare(
        lambda: values_and_gradients(
            lambda x: mmcv.ops.roi_pool(x, rois, (7, 5), 0.25), [features]
        )
    )


@pytest.mark.parametrize("device", [GPU_ONLY])
@pytest.mark.parametrize("gamma", [0.0, 1.5, 2.0])
def test_sigmoid_focal_loss(compare, gamma, device):
    logits = random(200, 5, device=device) * 4
    targets = torch.arange(200, device=device) % 6
    compare(
        lambda: values_and_gradients(
            lambda x: mmcv.ops.sigmoid_focal_loss(x, targets, gamma, 0.3, None, "none"),
            [logits],
        )
    )


def inputs_on_device(geometry, device, dtype):
    stride, padding, dilation, groups, deform_groups = geometry
    x = random(4, 8, 11, 10, device=device, dtype=dtype)
    weight = random(6, 8 // groups, 3, 2, seed=1, device=device, dtype=dtype)
    rows, columns = torch.nn.functional.conv2d(
        x, weight, None, stride, padding, dilation, groups
    ).shape[2:]
    taps = deform_groups * 6
    offset = random(4, 2 * taps, rows, columns, seed=2) * 3
    # Whole pixels, too: there and on the border of the padding the derivative jumps.
    offset[:2] = offset[:2].round()
    offset[0] = 0
    mask = random(4, taps, rows, columns, seed=3, device=device, dtype=dtype)
    bias = random(6, seed=4, device=device, dtype=dtype)
    return x, offset.to(x), mask, weight, bias


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("im2col_step", [2, 32])
@pytest.mark.parametrize("geometry", GEOMETRIES)
def test_deform_conv(compare, geometry, im2col_step, dtype, device):
    x, offset, _, weight, _ = inputs_on_device(geometry, device, dtype)
    compare(
        lambda: values_and_gradients(
            mmcv.ops.deform_conv2d, [x, offset, weight], *geometry, False, im2col_step
        ),
        rtol=1e-4,
        atol=1e-4,
    )


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("with_bias", [True, False])
@pytest.mark.parametrize("geometry", GEOMETRIES)
def test_modulated_deform_conv(compare, geometry, with_bias, dtype, device):
    *inputs, bias = inputs_on_device(geometry, device, dtype)
    if with_bias:
        inputs, arguments = [*inputs, bias], geometry
    else:
        arguments = (None, *geometry)
    compare(
        lambda: values_and_gradients(
            mmcv.ops.modulated_deform_conv2d, inputs, *arguments
        ),
        rtol=1e-4,
        atol=1e-4,
    )
