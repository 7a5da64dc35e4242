"""Selection and suppression against mmcv and mmdet themselves."""

import numpy as np
import pytest
import torch
from ghostnet_runtime.errors import ModelError
from ghostnet_runtime.non_maximum_suppression import batched_nms
from ghostnet_runtime.preprocessing import Placement
from ghostnet_runtime.selection import select
from mmcv.ops import batched_nms as mmcv_batched_nms
from mmdet.models.dense_heads import RetinaHead, YOLOV3Head, YOLOXHead
from mmdet.models.layers import multiclass_nms
from mmdet.models.utils import filter_scores_and_topk
from mmengine.config import ConfigDict
from mmengine.structures import InstanceData

# Scales of both directions differ; the clipped part is smaller than the input.
PLACEMENT = Placement(
    (341, 517), (211, 320), (0, 0), (224, 320), (224, 320), (211, 320)
)
META = {"img_shape": (211, 320), "scale_factor": (320 / 517, 211 / 341)}


def random_boxes(rng, count, spread=300.0, least=-20.0):
    corner = rng.uniform(least, spread, (count, 2))
    size = rng.uniform(0, 90, (count, 2))
    return np.concatenate([corner, corner + size], axis=1).astype(np.float32)


def assert_same_nms(boxes, scores, labels, threshold):
    mine = batched_nms(boxes, scores, labels, threshold)
    _, theirs = mmcv_batched_nms(
        torch.from_numpy(boxes),
        torch.from_numpy(scores),
        torch.from_numpy(labels),
        dict(type="nms", iou_threshold=threshold),
    )
    np.testing.assert_array_equal(mine, theirs.numpy())
    return mine


@pytest.mark.parametrize("count", [1, 2, 127, 129, 700, 2500])
@pytest.mark.parametrize("threshold", [0.3, 0.65])
def test_suppression_is_mmcvs(count, threshold):
    rng = np.random.default_rng(count)
    boxes = random_boxes(rng, count)
    scores = rng.permutation(np.linspace(0.01, 0.99, count)).astype(np.float32)
    kept = assert_same_nms(boxes, scores, rng.integers(0, 5, count), threshold)
    if count > 600:
        assert 0 < len(kept) < count


def test_one_class_and_crowded():
    rng = np.random.default_rng(3)
    boxes = random_boxes(rng, 900, spread=40.0)
    scores = rng.permutation(900).astype(np.float32) / 900
    assert_same_nms(boxes, scores, np.zeros(900, dtype=np.int64), 0.5)


def test_many_labels_round_like_mmcv():
    # At label 79 the moved corners have few digits left; the IoUs come out otherwise.
    rng = np.random.default_rng(4)
    first = random_boxes(rng, 400)
    twins = first + rng.uniform(-3, 3, first.shape).astype(np.float32)
    boxes = np.concatenate([first, twins])
    scores = rng.permutation(800).astype(np.float32) / 800
    labels = np.tile(rng.integers(70, 80, 400), 2)
    assert_same_nms(boxes, scores, labels, 0.85)


def test_an_iou_on_the_threshold_stays():
    # IoU 3/5; as in the compiled kernels 0.6 counts as float32(0.6).
    boxes = np.array([[0, 0, 4, 1], [1, 0, 5, 1]], dtype=np.float32)
    scores = np.array([0.9, 0.8], dtype=np.float32)
    kept = assert_same_nms(boxes, scores, np.zeros(2, dtype=np.int64), 0.6)
    assert kept.tolist() == [0, 1]


def test_boxes_without_area_and_without_overlap():
    boxes = np.array([[5, 5, 5, 5]] * 3 + [[9, 9, 4, 4]], dtype=np.float32)
    scores = np.array([0.1, 0.9, 0.5, 0.4], dtype=np.float32)
    assert_same_nms(boxes, scores, np.zeros(4, dtype=np.int64), 0.5)


def test_boxes_left_of_zero_can_meet_another_class():
    # mmcv moves classes apart by the largest coordinate only.
    boxes = np.array([[2, 2, 10, 10], [-9, -9, -1, -1]], dtype=np.float32)
    scores = np.array([0.9, 0.8], dtype=np.float32)
    kept = assert_same_nms(boxes, scores, np.array([0, 1]), 0.95)
    assert kept.tolist() == [0]


def test_from_ten_thousand_boxes_on_class_by_class():
    rng = np.random.default_rng(5)
    few = np.array([[2, 2, 10, 10], [-9, -9, -1, -1]], dtype=np.float32)
    far = np.tile(np.float32([-20, -20, -19, -19]), (10_000, 1))
    boxes = np.concatenate([few, far])
    scores = rng.permutation(len(boxes)).astype(np.float32) / len(boxes)
    scores[:2] = [3, 2]
    labels = np.concatenate([[0, 1], rng.integers(2, 4, 10_000)])
    kept = assert_same_nms(boxes, scores, labels, 0.5)
    assert kept[:2].tolist() == [0, 1]


def test_equal_scores_come_in_the_order_of_the_input():
    boxes = np.array([[i * 20, 0, i * 20 + 9, 9] for i in range(40)], dtype=np.float32)
    scores = np.repeat(np.float32([0.5, 0.7]), 20)
    kept = batched_nms(boxes, scores, np.zeros(40, dtype=np.int64), 0.5, 30)
    assert kept.tolist() == [*range(20, 40), *range(10)]


@pytest.mark.parametrize("threshold", [None, 0.5])
def test_no_boxes(threshold):
    nothing = np.zeros((0, 4), np.float32), np.zeros(0, np.float32), np.zeros(0, int)
    assert batched_nms(*nothing, threshold, 5).tolist() == []


def test_without_suppression_the_best_remain():
    boxes = np.zeros((4, 4), dtype=np.float32)
    scores = np.float32([0.2, 0.9, 0.9, 0.5])
    kept = batched_nms(boxes, scores, np.zeros(4, dtype=np.int64), None, 3)
    assert kept.tolist() == [1, 2, 3]


def mmdet_selection(head, boxes, scores, factors, levels, cfg):
    """What `BaseDenseHead._predict_by_feat_single` does once boxes are decoded."""
    cfg = ConfigDict(cfg)
    parts, start = [], 0
    for count in levels:
        rows = slice(start, start + count)
        extra = {"bboxes": boxes[rows]}
        if factors is not None:
            extra["score_factors"] = factors[rows]
        part, labels, _, extra = filter_scores_and_topk(
            scores[rows], cfg.score_thr, cfg.nms_pre, extra
        )
        parts.append(InstanceData(scores=part, labels=labels, **extra))
        start += count
    results = InstanceData.cat(parts)
    height, width = META["img_shape"]
    results.bboxes[:, 0::2] = results.bboxes[:, 0::2].clamp(0, width)
    results.bboxes[:, 1::2] = results.bboxes[:, 1::2].clamp(0, height)
    return head._bbox_post_process(head, results, cfg, rescale=True, img_meta=META)


@pytest.mark.parametrize("with_factors", [False, True])
@pytest.mark.parametrize(
    ("score_thr", "nms_pre", "max_per_img", "min_size"),
    [(0.05, 1000, 100, 0), (0.3, 37, 20, 25), (0.999, 1000, 100, 0), (0.6, 3, 500, -1)],
)
def test_levels_and_factors_are_mmdets(
    description, with_factors, score_thr, nms_pre, max_per_img, min_size
):
    rng = np.random.default_rng(nms_pre)
    levels = [280, 70, 20]
    boxes = random_boxes(rng, 370)
    scores = rng.permutation(370 * 3).reshape(370, 3).astype(np.float32) / 1111
    factors = rng.uniform(0, 1, 370).astype(np.float32) if with_factors else None
    rule = description(
        selection={
            "levels": levels,
            "score_threshold": score_thr,
            "nms_pre": nms_pre,
            "max_per_img": max_per_img,
            "min_bbox_size": min_size,
        }
    ).selection
    mine = select(boxes, scores, factors, rule, PLACEMENT)
    theirs = mmdet_selection(
        RetinaHead,
        torch.from_numpy(boxes.copy()),
        torch.from_numpy(scores),
        None if factors is None else torch.from_numpy(factors),
        levels,
        dict(
            score_thr=score_thr,
            nms_pre=nms_pre,
            min_bbox_size=min_size,
            nms=dict(type="nms", iou_threshold=0.5),
            max_per_img=max_per_img,
        ),
    )
    assert len(mine.scores) == len(theirs.scores)
    np.testing.assert_array_equal(mine.boxes, theirs.bboxes.numpy())
    np.testing.assert_array_equal(mine.scores, theirs.scores.numpy())
    np.testing.assert_array_equal(mine.labels, theirs.labels.numpy())
    expected = scores[mine.priors, mine.labels]
    expected = expected if factors is None else expected * factors[mine.priors]
    np.testing.assert_array_equal(mine.scores, expected)


def test_a_higher_threshold_of_the_user_gives_the_same_beginning(description):
    rng = np.random.default_rng(8)
    boxes, scores = random_boxes(rng, 300, least=0.0), rng.random((300, 3), np.float32)
    factors = rng.uniform(0.2, 1, 300).astype(np.float32)
    for best_class in (False, True):
        chosen = {"best_class": best_class, "levels": [300], "max_per_img": 60}
        rule = description(selection=chosen).selection
        for given in (None, factors):
            everything = select(boxes, scores, given, rule, PLACEMENT)
            some = select(boxes, scores, given, rule, PLACEMENT, least_score=0.7)
            count = int((everything.scores >= 0.7).sum())
            assert 0 < count == len(some.scores)
            np.testing.assert_array_equal(some.boxes, everything.boxes[:count])
            np.testing.assert_array_equal(some.priors, everything.priors[:count])


def test_of_equals_at_the_cut_the_first_remain(description):
    boxes = np.array([[i * 9, 0, i * 9 + 5, 9] for i in range(30)], dtype=np.float32)
    scores = np.zeros((30, 3), dtype=np.float32)
    scores[4:28, 1] = 0.5
    scores[20, 2] = 0.8
    rule = description(selection={"nms_pre": 6, "levels": [30]}).selection
    found = select(boxes, scores, None, rule, PLACEMENT)
    assert found.priors.tolist() == [20, 4, 5, 6, 7, 8]
    assert found.labels.tolist() == [2, 1, 1, 1, 1, 1]


def test_boxes_per_class_are_mmdets_two_stage(description):
    rng = np.random.default_rng(9)
    boxes = random_boxes(rng, 200 * 3).reshape(200, 3, 4)
    scores = rng.dirichlet(np.ones(4), 200).astype(np.float32)
    rule = description(
        selection={"nms_pre": None, "min_bbox_size": -1, "max_per_img": 70}
    ).selection
    mine = select(boxes, scores[:, :3], None, rule, PLACEMENT)
    scaled = PLACEMENT.to_picture(
        np.clip(boxes, 0, np.float32([320, 211, 320, 211])).reshape(-1, 4)
    )
    dets, labels = multiclass_nms(
        torch.from_numpy(scaled).view(200, -1),
        torch.from_numpy(scores),
        0.05,
        dict(type="nms", iou_threshold=0.5),
        70,
    )
    np.testing.assert_array_equal(mine.boxes, dets[:, :4].numpy())
    np.testing.assert_array_equal(mine.scores, dets[:, 4].numpy())
    np.testing.assert_array_equal(mine.labels, labels.numpy())


def test_yolox_head_itself(description):
    torch.manual_seed(3)
    head = YOLOXHead(num_classes=3, in_channels=8, strides=(8, 16))
    sizes = [(28, 40), (14, 20)]
    maps = [[torch.randn(1, n, *size) for size in sizes] for n in (3, 4, 1)]
    cfg = ConfigDict(score_thr=0.3, nms=dict(type="nms", iou_threshold=0.65))
    (theirs,) = head.predict_by_feat(*maps, [META], cfg, rescale=True)
    flat = [
        torch.cat([m.permute(0, 2, 3, 1).reshape(-1, m.shape[1]) for m in kind])
        for kind in maps
    ]
    priors = torch.cat(
        head.prior_generator.grid_priors(sizes, device="cpu", with_stride=True)
    )
    boxes = head._bbox_decode(priors, flat[1][None])[0]
    rule = description(
        selection={
            "best_class": True,
            "score_threshold": 0.3,
            "iou_threshold": 0.65,
            "max_per_img": None,
            "min_bbox_size": -1,
            "nms_pre": None,
            "clip": False,
        }
    ).selection
    factors = flat[2].sigmoid()[:, 0].numpy()
    scores = flat[0].sigmoid().numpy()
    mine = select(boxes.numpy(), scores, factors, rule, PLACEMENT)
    assert len(mine.scores) == len(theirs.scores) > 100
    # It divides by the scales, which rounds otherwise in the last digit.
    np.testing.assert_allclose(mine.boxes, theirs.bboxes.numpy(), atol=2e-4)
    np.testing.assert_array_equal(mine.scores, theirs.scores.numpy())
    np.testing.assert_array_equal(mine.labels, theirs.labels.numpy())


def test_yolov3_head_itself(description):
    torch.manual_seed(4)
    anchors = dict(
        type="YOLOAnchorGenerator",
        strides=[32, 16],
        base_sizes=[[(60, 40), (90, 120)], [(20, 30), (16, 12)]],
    )
    head = YOLOV3Head(3, (8, 8), (8, 8), anchors, featmap_strides=(32, 16))
    maps = [torch.randn(1, 16, 7, 10), torch.randn(1, 16, 14, 20)]
    cfg = ConfigDict(
        score_thr=0.4, conf_thr=0.55, nms_pre=150, min_bbox_size=0, max_per_img=40,
        nms=dict(type="nms", iou_threshold=0.45),
    )  # fmt: skip
    # It changes what it is given in place.
    copies = [level.clone() for level in maps]
    (theirs,) = head.predict_by_feat(copies, [META], cfg, rescale=True)
    flat = torch.cat([m.permute(0, 2, 3, 1).reshape(-1, 8) for m in maps])
    strides = torch.cat([torch.full((140, 1), 32.0), torch.full((560, 1), 16.0)])
    sizes = [(7, 10), (14, 20)]
    anchors = torch.cat(head.prior_generator.grid_priors(sizes, device="cpu"))
    deltas = torch.cat([flat[:, :2].sigmoid(), flat[:, 2:4]], dim=1)
    boxes = head.bbox_coder.decode(anchors, deltas, strides).numpy()
    scores = flat[:, 5:].sigmoid().numpy()
    factors = flat[:, 4].sigmoid().numpy()
    rule = description(
        selection={
            "factor_threshold": 0.55,
            "score_threshold": 0.4,
            "nms_pre": 150,
            "iou_threshold": 0.45,
            "max_per_img": 40,
            "clip": False,
        }
    ).selection
    mine = select(boxes, scores, factors, rule, PLACEMENT)
    assert len(mine.scores) == 40
    np.testing.assert_array_equal(mine.boxes, theirs.bboxes.numpy())
    np.testing.assert_array_equal(mine.scores, theirs.scores.numpy())
    np.testing.assert_array_equal(mine.labels, theirs.labels.numpy())


def test_nothing_found(description):
    rule = description().selection
    found = select(
        np.zeros((5, 4), np.float32),
        np.zeros((5, 3), np.float32),
        None,
        rule,
        PLACEMENT,
    )
    assert found.boxes.shape == (0, 4)
    assert found.labels.dtype == np.int64


def test_levels_are_counted_from_the_strides(description):
    chosen = {"strides": [8, 16], "priors_per_cell": [1, 2], "per_level": True}
    chosen["nms_pre"] = 1
    rule = description(selection=chosen).selection
    total = 28 * 40 + 2 * 14 * 20
    boxes = np.tile(np.float32([0, 0, 9, 9]), (total, 1))
    boxes[28 * 40 :] += 100
    scores = np.full((total, 3), 0.5, dtype=np.float32)
    found = select(boxes, scores, None, rule, PLACEMENT)
    assert found.priors.tolist() == [0, 28 * 40]
    with pytest.raises(ModelError, match=r"gives 1679 candidates .* counts 1680"):
        select(boxes[1:], scores[1:], None, rule, PLACEMENT)
