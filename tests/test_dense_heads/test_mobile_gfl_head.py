"""The mobile GFL head: decoding, targets, losses, training."""

import math

import pytest
import torch
import torchvision
from mmcv.cnn.utils import fuse_conv_bn
from mmdet.models.dense_heads import GFLHead, RTMDetHead
from mmdet.registry import MODELS
from mmdet.testing import demo_mm_inputs
from mmengine.config import ConfigDict
from mmengine.structures import InstanceData
from torch import nn

from ghostnet_mm.dense_heads import MobileGFLHead, mobile_gfl_head
from ghostnet_mm.dense_heads.dynamic_targets import assign_targets
from ghostnet_mm.errors import OptionError

STRIDES = (8, 16, 32)
TRAIN_CFG = ConfigDict(
    assigner=dict(type="DynamicSoftLabelAssigner", topk=13),
    allowed_border=-1,
    pos_weight=-1,
    debug=False,
)
TEST_CFG = ConfigDict(
    nms_pre=1000,
    min_bbox_size=0,
    score_thr=0.05,
    nms=dict(type="nms", iou_threshold=0.6),
    max_per_img=100,
)


def build(num_classes=3, in_channels=8, **kwargs):
    head = MobileGFLHead(
        num_classes,
        in_channels,
        **dict(feat_channels=in_channels, strides=STRIDES, reg_max=7)
        | dict(train_cfg=TRAIN_CFG, test_cfg=TEST_CFG)
        | kwargs,
    )
    head.init_weights()
    return head


def features(height=96, width=64, batch=2, channels=8):
    return [
        torch.randn(batch, channels, math.ceil(height / s), math.ceil(width / s))
        for s in STRIDES
    ]


def random_maps(head, height=96, width=64, batch=2, spread=3.0):
    """Maps as the head returns them, with confident classes and distances."""
    sizes = [(math.ceil(height / s), math.ceil(width / s)) for s in STRIDES]
    sides = 4 * (head.reg_max + 1)
    scores = [spread * torch.randn(batch, head.num_classes, *s) for s in sizes]
    return scores, [spread * torch.randn(batch, sides, *s) for s in sizes]


def metas(height=96, width=64, batch=2, pads=None):
    shapes = pads or [(height, width)] * batch
    return [
        dict(img_shape=shape, pad_shape=shape, ori_shape=shape, scale_factor=(1.0, 1.0))
        for shape in shapes
    ]


def instances(boxes, labels):
    return InstanceData(
        bboxes=torch.tensor(boxes, dtype=torch.float32).reshape(-1, 4),
        labels=torch.tensor(labels, dtype=torch.long),
    )


TRUTH = [
    instances([[4, 6, 30, 41], [20, 30, 60, 90], [40, 2, 47, 9]], [0, 2, 1]),
    instances([[1, 1, 63, 62]], [1]),
]


@pytest.mark.parametrize("separate_towers", [False, True])
@pytest.mark.parametrize("share_levels", [False, True])
def test_maps_have_the_shapes_of_gfl(separate_towers, share_levels):
    head = build(separate_towers=separate_towers, share_levels=share_levels)
    assert isinstance(head, GFLHead)
    cls_scores, bbox_preds = head(features(90, 50))
    sizes = [(12, 7), (6, 4), (3, 2)]
    assert [tuple(level.shape) for level in cls_scores] == [(2, 3, *s) for s in sizes]
    assert [tuple(level.shape) for level in bbox_preds] == [(2, 32, *s) for s in sizes]
    for level in cls_scores:
        torch.testing.assert_close(
            level.sigmoid().mean().item(), 0.01, rtol=0.3, atol=0
        )


@pytest.mark.parametrize(("reg_max", "mean"), [(7, 1.678), (16, 1.983)])
def test_boxes_start_small(reg_max, mean):
    """Catches a bias laid out by bin before side; means by the sum of the series."""
    head = build(reg_max=reg_max).eval()
    maps = [torch.zeros(1, 8, 2, 2)] * 3
    logits = head(maps)[1][0].permute(0, 2, 3, 1).reshape(-1, 4 * (reg_max + 1))
    distances = head.integral(logits)
    torch.testing.assert_close(distances, torch.full((4, 4), mean), rtol=0.05, atol=0)


def test_separate_towers_are_independent():
    head = build(separate_towers=True).eval()
    maps = features()
    before = head(maps)
    for parameter in head.reg_convs.parameters():
        parameter.data.add_(torch.rand_like(parameter))
    after = head(maps)
    assert all(torch.equal(a, b) for a, b in zip(before[0], after[0], strict=True))
    assert not any(torch.equal(a, b) for a, b in zip(before[1], after[1], strict=True))


def test_shared_levels_share_convolutions_and_fuse_right(randomize_norms):
    """Catches norms fused several times into one convolution."""
    head = randomize_norms(build(share_levels=True)).eval()
    convs = [m for m in head.modules() if isinstance(m, nn.Conv2d)]
    norms = [m for m in head.modules() if isinstance(m, nn.BatchNorm2d)]
    assert len(convs) == 3 * len({id(m.weight) for m in convs})
    assert len(norms) == len({id(m.weight) for m in norms})
    # One step of training leaves them tied.
    sum(level.square().sum() for maps in head(features()) for level in maps).backward()
    torch.optim.SGD(head.parameters(), lr=0.01).step()
    assert torch.equal(head.gfl_cls[0].weight, head.gfl_cls[2].weight)
    maps = features()
    with torch.no_grad():
        expected = head(maps)
        fused = fuse_conv_bn(head)
        found = fused(maps)
    assert not any(isinstance(m, nn.BatchNorm2d) for m in fused.modules())
    for mine, other in zip(found, expected, strict=True):
        torch.testing.assert_close(mine, other, rtol=1e-4, atol=1e-5)


def expected_boxes(bbox_preds, image, reg_max):
    """Decode every location by its definition, one side at a time."""
    boxes = []
    for stride, maps in zip(STRIDES, bbox_preds, strict=True):
        _, _, height, width = maps.shape
        for y in range(height):
            for x in range(width):
                sides = []
                for side in range(4):
                    first = side * (reg_max + 1)
                    logits = maps[image, first : first + reg_max + 1, y, x].tolist()
                    exps = [math.exp(logit) for logit in logits]
                    mean = sum(i * e for i, e in enumerate(exps)) / sum(exps)
                    sides.append(mean * stride)
                left, top, right, bottom = sides
                x1, y1 = x * stride - left, y * stride - top
                boxes.append((x1, y1, x * stride + right, y * stride + bottom))
    return torch.tensor(boxes)


@pytest.mark.parametrize("reg_max", [7, 3])
def test_decodes_as_a_loop_over_locations(reg_max):
    """Catches sides, strides or bins out of order, and points half a cell off."""
    head = build(reg_max=reg_max)
    cls_scores, bbox_preds = random_maps(head)
    cfg = ConfigDict(TEST_CFG, score_thr=-1.0, nms_pre=10_000, min_bbox_size=-1)
    found = head.predict_by_feat(
        cls_scores, bbox_preds, batch_img_metas=metas(), cfg=cfg, with_nms=False
    )
    for image, result in enumerate(found):
        boxes = expected_boxes(bbox_preds, image, reg_max)
        boxes[:, 0::2] = boxes[:, 0::2].clamp(0, 64)
        boxes[:, 1::2] = boxes[:, 1::2].clamp(0, 96)
        scores = torch.cat([level[image].flatten(1) for level in cls_scores], 1)
        # Sorted by score within each level: match by (class, score).
        by_score = {}
        for label in range(3):
            for place, score in enumerate(scores[label].sigmoid().tolist()):
                by_score[label, round(score, 6)] = boxes[place]
        keys = zip(result.labels.tolist(), result.scores.tolist(), strict=True)
        expected = torch.stack([by_score[k, round(s, 6)] for k, s in keys])
        assert len(result) == 3 * len(boxes)
        torch.testing.assert_close(result.bboxes, expected, rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize("num_classes", [1, 4])
def test_a_known_box_comes_back(num_classes):
    """Encodes distances between two bins and expects pixels of the original image."""
    head = build(num_classes=num_classes)
    box = torch.tensor([10.0, 20.0, 50.0, 84.0])
    y, x, stride = 3, 2, 16
    cls_scores, bbox_preds = random_maps(head, batch=1)
    for level in cls_scores:
        level.fill_(-12.0)
    cls_scores[1][0, -1, y, x] = 2.0
    sides = torch.stack([x * stride - box[0], y * stride - box[1]])
    sides = torch.cat([sides, torch.stack([box[2] - x * stride, box[3] - y * stride])])
    for side, distance in enumerate((sides / stride).tolist()):
        logits = torch.full((8,), -40.0)
        low = int(distance)
        logits[low] = math.log(max(low + 1 - distance, 1e-30))
        logits[low + 1] = math.log(max(distance - low, 1e-30))
        bbox_preds[1][0, side * 8 : side * 8 + 8, y, x] = logits
    meta = metas(batch=1)
    meta[0]["scale_factor"] = (2.0, 0.5)
    (result,) = head.predict_by_feat(
        cls_scores, bbox_preds, batch_img_metas=meta, rescale=True
    )
    assert result.labels.tolist() == [num_classes - 1]
    torch.testing.assert_close(result.scores[0].item(), 1 / (1 + math.exp(-2)))
    expected = box / torch.tensor([2.0, 0.5, 2.0, 0.5])
    torch.testing.assert_close(result.bboxes[0], expected, rtol=1e-4, atol=1e-3)


def flat(maps):
    return torch.cat([level.permute(0, 2, 3, 1).flatten(1, 2) for level in maps], 1)


def mmdet_targets(logits, boxes, sizes, meta):
    """Targets of mmdet's own RTMDet, by level, put together again."""
    rtmdet = RTMDetHead(
        3,
        8,
        anchor_generator=dict(type="MlvlPointGenerator", offset=0, strides=STRIDES),
        bbox_coder=dict(type="DistancePointBBoxCoder"),
        loss_cls=dict(type="QualityFocalLoss", use_sigmoid=True),
        train_cfg=TRAIN_CFG,
    )
    priors, flags = rtmdet.get_anchors(sizes, meta, device="cpu")
    _, labels, weights, targets, metrics, _ = rtmdet.get_targets(
        logits,
        boxes,
        [list(level_priors) for level_priors in priors],
        flags,
        TRUTH,
        meta,
    )
    return [torch.cat(part, 1) for part in (labels, weights, targets, metrics)]


@pytest.mark.parametrize("pads", [None, [(96, 64), (50, 40)]])
def test_targets_are_those_of_rtmdet(monkeypatch, pads):
    """Catches indices that forget the priors beyond a smaller image."""
    head = build()
    cls_scores, bbox_preds = random_maps(head, spread=1.0)
    sizes = [level.shape[-2:] for level in cls_scores]
    meta = metas(pads=pads)
    boxes = torch.stack([expected_boxes(bbox_preds, i, 7) for i in range(2)])
    labels, weights, targets, metrics = mmdet_targets(
        flat(cls_scores), boxes, sizes, meta
    )
    seen = []
    monkeypatch.setattr(
        mobile_gfl_head,
        "assign_targets",
        lambda *args: seen.append(assign_targets(*args)) or seen[-1],
    )
    head.loss_by_feat(cls_scores, bbox_preds, TRUTH, meta)
    mine = seen[0]
    assert (labels < 3).sum() > 5
    assert torch.equal(mine[0], labels)
    assert torch.equal(mine[1], weights)
    torch.testing.assert_close(mine[2], targets)
    torch.testing.assert_close(mine[3], metrics, rtol=1e-4, atol=1e-5)
    if pads:
        assert (weights[1] == 0).any()


@pytest.mark.parametrize("weigh_boxes", [True, False])
def test_losses_are_those_of_their_definitions(weigh_boxes):
    """Catches weights, normalizers and units that differ from the formulas."""
    head = build(weigh_boxes=weigh_boxes)
    cls_scores, bbox_preds = random_maps(head, spread=1.0)
    meta = metas(pads=[(96, 64), (50, 40)])
    sizes = [level.shape[-2:] for level in cls_scores]
    boxes = torch.stack([expected_boxes(bbox_preds, i, 7) for i in range(2)])
    labels, weights, targets, quality = mmdet_targets(
        flat(cls_scores), boxes, sizes, meta
    )
    found = head.loss_by_feat(cls_scores, bbox_preds, TRUTH, meta)

    total = max(quality.sum().item(), 1)
    goal = torch.nn.functional.one_hot(labels, 4)[..., :3] * quality[..., None]
    logits = flat(cls_scores)
    entropy = -(
        goal * logits.sigmoid().log() + (1 - goal) * (1 - logits.sigmoid()).log()
    )
    focal = (goal - logits.sigmoid()).square() * entropy * weights[..., None]
    torch.testing.assert_close(found["loss_cls"].item(), focal.sum().item() / total)

    positive = labels < 3
    if not weigh_boxes:
        quality = positive.float()
        total = quality.sum().item()
    giou = torchvision.ops.generalized_box_iou(boxes[positive], targets[positive])
    bbox = ((1 - giou.diag()) * quality[positive]).sum() * 2.0 / total
    torch.testing.assert_close(found["loss_bbox"].item(), bbox.item())

    stride = torch.cat(
        [
            torch.full((h * w,), float(s))
            for (h, w), s in zip(sizes, STRIDES, strict=True)
        ]
    ).expand(2, -1)[positive]
    points = torch.cat(
        [
            torch.stack(torch.meshgrid(torch.arange(w), torch.arange(h), indexing="xy"))
            .flatten(1)
            .T
            * s
            for (h, w), s in zip(sizes, STRIDES, strict=True)
        ]
    ).expand(2, -1, -1)[positive]
    sides = torch.cat(
        [points - targets[positive][:, :2], targets[positive][:, 2:] - points], 1
    )
    sides = (sides / stride[:, None]).clamp(0, 6.9)
    logs = flat(bbox_preds)[positive].reshape(-1, 4, 8).log_softmax(-1)
    # The two bins around the distance, weighted by how close they are.
    bins = torch.arange(8.0)
    share = (1 - (sides[..., None] - bins).abs()).clamp(min=0)
    dfl = -((share * logs).sum(-1) * quality[positive][:, None]).sum()
    dfl = 0.25 * dfl / (4 * total)
    torch.testing.assert_close(found["loss_dfl"].item(), dfl.item())


@pytest.mark.parametrize("weigh_boxes", [True, False])
def test_losses_are_normalized_over_processes(monkeypatch, weigh_boxes):
    """Catches a division by the positives of this process only."""
    head = build(weigh_boxes=weigh_boxes)
    maps = random_maps(head, spread=1.0)
    alone = head.loss_by_feat(*maps, TRUTH, metas())
    monkeypatch.setattr(mobile_gfl_head, "reduce_mean", lambda value: 2 * value)
    together = head.loss_by_feat(*maps, TRUTH, metas())
    for name, value in alone.items():
        torch.testing.assert_close(together[name], value / 2)


@pytest.mark.parametrize("num_classes", [1, 5])
@pytest.mark.parametrize("counts", [(0, 0), (2, 0)])
@pytest.mark.parametrize("separate_towers", [False, True])
def test_images_without_boxes_train_every_parameter(
    num_classes, counts, separate_towers
):
    head = build(num_classes=num_classes, separate_towers=separate_towers)
    boxes = [[4.0, 6, 30, 41], [20, 30, 60, 90]]
    truth = [instances(boxes[:n], [0, num_classes - 1][:n]) for n in counts]
    losses = head.loss_by_feat(*head(features()), truth, metas())
    sum(losses.values()).backward()
    assert all(loss.isfinite() for loss in losses.values())
    assert losses["loss_cls"] > 0
    assert (losses["loss_bbox"] > 0) == (sum(counts) > 0)
    for name, parameter in head.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name


def test_sim_ota_assigns_too():
    """It takes probabilities and refuses logits."""
    train_cfg = ConfigDict(TRAIN_CFG, assigner=dict(type="SimOTAAssigner"))
    head = build(train_cfg=train_cfg)
    losses = head.loss_by_feat(*random_maps(head), TRUTH, metas())
    assert losses["loss_bbox"] > 0


def test_learns_one_picture_by_heart():
    """Catches whatever the tests of the parts miss, such as targets off by a cell."""
    detector = MODELS.build(
        dict(
            type="GFL",
            data_preprocessor=dict(type="DetDataPreprocessor", std=[60.0] * 3)
            | dict(mean=[110.0] * 3, pad_size_divisor=32),
            backbone=dict(type="GhostNet", widen_factor=0.5, out_indices=(1, 2)),
            neck=dict(type="GhostPAN", in_channels=[20, 56], out_channels=32),
            bbox_head=dict(
                type="MobileGFLHead",
                num_classes=3,
                in_channels=32,
                feat_channels=32,
                strides=(8, 16),
            ),
            train_cfg=TRAIN_CFG,
            test_cfg=TEST_CFG,
        )
    )
    detector.init_weights()
    truth = instances(
        [[8, 10, 35, 50], [50, 40, 90, 85], [60, 5, 84, 32]], labels=[0, 1, 2]
    )
    image = torch.full((3, 96, 96), 60.0)
    for box, label in zip(truth.bboxes.int().tolist(), truth.labels, strict=True):
        image[label, box[1] : box[3], box[0] : box[2]] = 220.0
    batch = demo_mm_inputs(2, [(3, 96, 96)] * 2, num_items=[1, 1], num_classes=3)
    batch["inputs"] = [image, image]
    for sample in batch["data_samples"]:
        sample.gt_instances = truth.clone()
        sample.set_metainfo(dict(scale_factor=(1.0, 1.0), ori_shape=(96, 96)))
    steps = 120
    optimizer = torch.optim.AdamW(detector.parameters(), lr=3e-3)
    # Norm statistics catch up with the weights while these settle.
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    detector.train()
    for _ in range(steps):
        data = detector.data_preprocessor(batch, training=True)
        loss, _ = detector.parse_losses(detector(**data, mode="loss"))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    detector.eval()
    data = detector.data_preprocessor(batch, training=False)
    with torch.no_grad():
        found = detector(**data, mode="predict")[0].pred_instances
    found = found[found.scores > 0.3]
    assert sorted(found.labels.tolist()) == [0, 1, 2]
    overlaps = torchvision.ops.box_iou(
        found[found.labels.argsort()].bboxes, truth.bboxes
    )
    assert (overlaps.diag() > 0.8).all()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (dict(kernel_size=4), "kernel_size"),
        (dict(reg_max=0), "reg_max"),
        (dict(stacked_convs=-1), "stacked_convs"),
        (dict(stacked_convs=0, feat_channels=4), "feat_channels"),
    ],
)
def test_impossible_arguments_are_refused(arguments, message):
    with pytest.raises(OptionError, match=message):
        build(**arguments)


def test_towers_may_be_empty():
    assert build(stacked_convs=0)(features())[0][0].shape[1] == 3
