"""NMS and Soft-NMS against torchvision and against plain loops over boxes."""

import math

import pytest
import torch
import torchvision
from mmcv.ops import batched_nms, nms, soft_nms
from torch.testing import assert_close

pytestmark = pytest.mark.usefixtures("provided_ops")


def random_boxes(count, seed=0, size=60):
    generator = torch.Generator().manual_seed(seed)
    corners = torch.rand(count, 2, generator=generator) * size
    sides = torch.rand(count, 2, generator=generator) * size / 2 + 1
    scores = torch.rand(count, generator=generator)
    return torch.cat([corners, corners + sides], dim=1), scores


def iou(a, b, offset):
    width = max(0.0, min(a[2], b[2]) - max(a[0], b[0]) + offset)
    height = max(0.0, min(a[3], b[3]) - max(a[1], b[1]) + offset)
    areas = [(x2 - x1 + offset) * (y2 - y1 + offset) for x1, y1, x2, y2 in (a, b)]
    return width * height / (sum(areas) - width * height)


def nms_by_loops(boxes, scores, threshold, offset):
    order = sorted(range(len(boxes)), key=lambda i: -scores[i])
    kept = []
    for i in order:
        if all(iou(boxes[i], boxes[j], offset) <= threshold for j in kept):
            kept.append(i)
    return kept


def soft_nms_by_loops(boxes, scores, threshold, sigma, min_score, method, offset):
    """The paper's algorithm; without ties its order of boxes does not matter."""
    left = dict(enumerate(scores))
    kept = []
    while left:
        best = max(left, key=left.get)
        kept.append((best, left.pop(best)))
        for other in list(left):
            overlap = iou(boxes[best], boxes[other], offset)
            if method == "gaussian":
                left[other] *= math.exp(-(overlap**2) / sigma)
            elif overlap >= threshold:
                left[other] *= 0.0 if method == "naive" else 1 - overlap
            if left[other] < min_score:
                del left[other]
    return kept


@pytest.mark.parametrize("threshold", [0.3, 0.5, 0.9])
def test_nms_equals_torchvision(threshold):
    boxes, scores = random_boxes(300)

    dets, kept = nms(boxes, scores, threshold)

    expected = torchvision.ops.nms(boxes, scores, threshold)
    assert 10 < len(expected) < 300
    assert_close(kept, expected)
    assert_close(dets, torch.cat([boxes, scores[:, None]], dim=1)[expected])


@pytest.mark.parametrize("offset", [0, 1])
def test_nms_equals_plain_loops(offset):
    boxes, scores = random_boxes(80, seed=1, size=20)

    _, kept = nms(boxes, scores, 0.5, offset=offset)

    assert kept.tolist() == nms_by_loops(boxes.tolist(), scores.tolist(), 0.5, offset)


def test_the_offset_counts_the_last_pixel():
    boxes = torch.tensor([[0.0, 0, 9, 9], [0.0, 5, 9, 14]])
    scores = torch.tensor([0.9, 0.8])

    # 9x4 of 9x14 without the offset, 10x5 of 10x15 with it.
    assert len(nms(boxes, scores, 0.3, offset=0)[1]) == 2
    assert len(nms(boxes, scores, 0.3, offset=1)[1]) == 1


@pytest.mark.parametrize("offset", [0, 1])
def test_an_iou_equal_to_the_threshold_is_kept(offset):
    # The IoU is 0.6 rounded to float32, which is above the number 0.6.
    boxes = torch.tensor([[0.0, 0, 10, 10], [0.0, 0, 10, 6]])
    boxes[:, 2:] -= offset

    _, kept = nms(boxes, torch.tensor([0.9, 0.8]), 0.6, offset=offset)

    assert kept.tolist() == [0, 1]


@pytest.mark.parametrize("offset", [0, 1])
def test_ties_keep_the_order_of_the_sort(offset):
    boxes, _ = random_boxes(200, seed=2, size=30)
    scores = (torch.arange(200) % 3) / 10

    _, kept = nms(boxes, scores, 0.5, offset=offset)

    # torch's sort, which mmcv uses, shuffles equal values.
    order = scores.sort(descending=True).indices
    ranked = nms_by_loops(boxes[order].tolist(), range(200, 0, -1), 0.5, offset)
    assert 10 < len(ranked) < 200
    assert_close(kept, order[ranked])


def test_identical_boxes_with_identical_scores_leave_one():
    boxes = torch.tensor([[1.0, 1, 5, 5]]).repeat(7, 1)

    for offset in (0, 1):
        assert len(nms(boxes, torch.ones(7), 0.5, offset=offset)[1]) == 1


@pytest.mark.parametrize("offset", [0, 1])
@pytest.mark.parametrize("count", [0, 1])
def test_nms_of_few_boxes(count, offset):
    boxes, scores = random_boxes(count)

    dets, kept = nms(boxes, scores, 0.5, offset=offset)

    assert dets.shape == (count, 5)
    assert kept.dtype == torch.int64
    assert kept.tolist() == list(range(count))


def test_boxes_without_area_are_kept():
    boxes = torch.tensor([[3.0, 3, 3, 3], [3.0, 3, 3, 3], [0.0, 0, 9, 9]])

    assert len(nms(boxes, torch.tensor([0.9, 0.8, 0.7]), 0.5)[1]) == 3


def test_score_threshold_and_max_num_of_mmcv_still_work():
    boxes, scores = random_boxes(100)

    _, kept = nms(boxes, scores, 0.5, score_threshold=0.4, max_num=5)

    confident = (scores > 0.4).nonzero().squeeze(1)
    expected = torchvision.ops.nms(boxes[confident], scores[confident], 0.5)
    assert_close(kept, confident[expected[:5]])


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_nms_takes_any_float(dtype):
    boxes, scores = (tensor.to(dtype) for tensor in random_boxes(50))

    _, kept = nms(boxes, scores, 0.5)

    expected = nms_by_loops(boxes.tolist(), scores.tolist(), 0.5, 0)
    assert sorted(kept.tolist()) == sorted(expected)


def test_batched_nms_equals_torchvision():
    boxes, scores = random_boxes(300, seed=3)
    classes = torch.arange(300) % 3

    dets, kept = batched_nms(
        boxes, scores, classes, dict(type="nms", iou_threshold=0.5)
    )

    expected = torchvision.ops.batched_nms(boxes, scores, classes, 0.5)
    assert_close(kept, expected)
    assert_close(dets[:, 4], scores[expected])


def test_batched_nms_in_parts_equals_batched_nms_at_once():
    boxes, scores = random_boxes(200, seed=4)
    classes = torch.arange(200) % 4
    at_once = dict(type="nms", iou_threshold=0.5)

    whole = batched_nms(boxes, scores, classes, at_once)
    parts = batched_nms(boxes, scores, classes, dict(at_once, split_thr=10))

    assert_close(parts, whole)


def test_batched_nms_of_no_boxes():
    nothing = torch.zeros(0, 4), torch.zeros(0), torch.zeros(0, dtype=torch.long)

    dets, kept = batched_nms(
        *nothing, dict(type="nms", iou_threshold=0.5), class_agnostic=True
    )

    assert dets.shape == (0, 5)
    assert kept.shape == (0,)


@pytest.mark.parametrize("offset", [0, 1])
@pytest.mark.parametrize("method", ["naive", "linear", "gaussian"])
def test_soft_nms_equals_plain_loops(method, offset):
    boxes, scores = random_boxes(60, seed=5, size=20)

    dets, kept = soft_nms(
        boxes, scores, 0.3, sigma=0.4, min_score=0.05, method=method, offset=offset
    )

    expected = soft_nms_by_loops(
        boxes.tolist(), scores.tolist(), 0.3, 0.4, 0.05, method, offset
    )
    assert 3 < len(expected) < 60
    assert kept.tolist() == [index for index, _ in expected]
    assert_close(dets[:, :4], boxes[kept])
    assert_close(dets[:, 4], torch.tensor([score for _, score in expected]))


def test_soft_nms_leaves_its_arguments_alone():
    boxes, scores = random_boxes(20)
    before = boxes.clone(), scores.clone()

    soft_nms(boxes, scores)

    assert_close((boxes, scores), before, rtol=0, atol=0)


def test_soft_nms_of_no_boxes():
    dets, kept = soft_nms(torch.zeros(0, 4), torch.zeros(0))

    assert dets.shape == (0, 5)
    assert kept.shape == (0,)
