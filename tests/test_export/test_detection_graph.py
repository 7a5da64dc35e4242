"""The graph's candidates and the described selection are mmdet's own predictions."""

import pytest
import torch
from support.random_detectors import (
    CONFIGS,
    INPUT,
    PICTURES,
    SCALE_FACTORS,
    build,
    images,
    predictions,
    samples,
)
from support.reference_selection import select
from torch import nn
from torch.nn import functional as F

from ghostnet_mm.errors import OptionError
from ghostnet_mm.export.description import describe
from ghostnet_mm.export.graph.detection_graph import DetectionGraph

UNSUPPORTED = ("mask-rcnn", "condinst", "solov2", "panoptic-fpn")
ALL = [
    path.stem
    for path in sorted(CONFIGS.glob("*.py"))
    if path.stem.endswith(("_coco", "_digits"))
    and not path.stem.startswith(UNSUPPORTED)
]
CLASSES = [str(label) for label in range(80)]


def is_distinct(name):
    """Whether no other config has the same head."""
    other_widths = ("-1.1x", "-medium", "-small", "_timm-", "retinanet_ghost-resnet")
    return not any(part in name for part in other_widths)


# The same head with another backbone, or in another size.
SLOW = (
    "retinanet_ghostnet_coco",
    "retinanet_ghostnetv2_coco",
    "retinanet_repghostnet_coco",
    "retinanet_gghost-regnet_coco",
    "yolov3_ghostnetv2_coco",
    "yolox_ghostnet_coco",
    "rtmdet_ghostnet_coco",
)
DISTINCT = [
    pytest.param(name, marks=pytest.mark.slow if name in SLOW else ())
    for name in ALL
    if is_distinct(name)
]


@pytest.mark.parametrize("name", DISTINCT)
def test_selected_candidates_are_mmdets_predictions(name):
    check_predictions(name)


def check_predictions(name):
    cfg, model = build(name)
    around = name.startswith("centernet")
    batch, given = images(), samples(borders=around)
    wanted = predictions(model, batch, given)
    graph = DetectionGraph(model)
    description = describe(cfg, graph, CLASSES, size=INPUT)
    second = (torch.tensor(PICTURES).float(),) if graph.takes_image_sizes else ()
    with torch.no_grad():
        outputs = graph(batch, *second)
    assert tuple(outputs) == graph.output_names
    assert tuple(outputs) == description.outputs.names
    for index, (mmdets, picture, factor) in enumerate(
        zip(wanted, PICTURES, SCALE_FACTORS, strict=True)
    ):
        offset = (5.0, 3.0) if around else (0.0, 0.0)
        boxes, scores, labels, rows = select(
            outputs, index, description, picture, factor, offset
        )
        assert len(scores) == len(mmdets.scores) >= 50
        torch.testing.assert_close(scores, mmdets.scores, atol=1e-5, rtol=0)
        order = partners((boxes, scores, labels), mmdets)
        if description.masks is not None:
            masks = masks_of(outputs, index, rows, description, model, given[index])
            assert mmdets.masks.any()
            assert (masks[order] != mmdets.masks).float().mean() < 1e-5


def partners(found, wanted):
    """Where each wanted detection was found; the order of equal scores is free."""
    boxes, scores, labels = found
    near = (boxes[None] - wanted.bboxes[:, None]).abs().amax(-1) <= 1e-3
    near &= (scores[None] - wanted.scores[:, None]).abs() <= 1e-5
    near &= labels[None] == wanted.labels[:, None]
    assert near.any(0).all()
    assert near.any(1).all()
    return near.float().argmax(1)


def masks_of(outputs, index, rows, description, model, sample):
    """RTMDet-Ins's masks from the description, one instance at a time."""
    rules = description.masks
    features = outputs["mask_features"][index]
    feature_stride = rules.feature_stride
    cells = grid(features.shape[-2:], feature_stride, rules.prior_offset)
    priors, strides = [], []
    sizes = [tuple(-(-side // stride) for side in INPUT) for stride in rules.strides]
    for size, stride in zip(sizes, rules.strides, strict=True):
        priors.append(grid(size, stride, rules.prior_offset).flatten(1).T)
        strides += [stride] * len(priors[-1])
    priors = torch.cat(priors)
    wide, last = rules.dynamic_channels, rules.num_layers - 1
    shapes = [(wide, rules.num_prototypes + 2)] + [(wide, wide)] * (last - 1)
    shapes += [(1, wide)]
    all_logits = []
    for row in rows.tolist():
        kernel = outputs["kernels"][index, row]
        sizes = [a * b for a, b in shapes] + [a for a, _ in shapes]
        parts = kernel.split(sizes)
        reach = strides[row] * rules.coordinate_scale
        x = torch.cat([(priors[row].reshape(2, 1, 1) - cells) / reach, features])
        for layer, shape in enumerate(shapes):
            x = torch.einsum("oc,chw->ohw", parts[layer].reshape(shape), x)
            x = x + parts[len(shapes) + layer].reshape(-1, 1, 1)
            x = x.relu() if layer < last else x
        all_logits.append(x)
    logits = torch.stack(all_logits).transpose(0, 1)
    logits = F.interpolate(logits, scale_factor=feature_stride, mode="bilinear")
    # mmdet gives the height the first scale factor, which is the width's.
    factor = sample.scale_factor
    size = [-int(-side // scale) for side, scale in zip(INPUT, factor, strict=True)]
    logits = F.interpolate(logits, size=size, mode="bilinear")
    height, width = sample.ori_shape
    return logits.sigmoid()[0, :, :height, :width] > rules.threshold


def grid(size, stride, offset):
    """Column and row of each cell in pixels, (2, h, w)."""
    rows = (torch.arange(size[0]) + offset) * stride
    columns = (torch.arange(size[1]) + offset) * stride
    return torch.stack(torch.meshgrid(columns, rows, indexing="xy"))


@pytest.mark.parametrize(
    "name", ["gfl_ghostnet-nano_coco", "faster-rcnn_ghostnet_coco"]
)
def test_constant_priors_change_nothing_and_go_away(name):
    _, model = build(name)
    graph, batch = DetectionGraph(model), images(1)
    with torch.no_grad():
        wanted = graph(batch)
        fixed = graph.fix_size(INPUT)(batch)
        other = graph.fix_size(None)(images(1, (96, 96)))
    for key, values in wanted.items():
        assert torch.equal(fixed[key], values)
        if key == "scores" and not graph.takes_image_sizes:
            assert other[key].shape[1] < values.shape[1]


def test_the_detector_itself_stays_as_it_is():
    _, model = build("retinanet_ghostnet_digits")
    before = {k: v.clone() for k, v in model.state_dict().items()}
    graph = DetectionGraph(model)
    after = model.state_dict()
    assert list(after) == list(before)
    assert all(torch.equal(after[key], weight) for key, weight in before.items())
    assert all(p.requires_grad for p in model.parameters())
    assert not any(p.requires_grad for p in graph.parameters())
    assert not any(isinstance(module, nn.BatchNorm2d) for module in graph.modules())


@pytest.mark.parametrize(
    "name",
    ["mask-rcnn_ghostnet_coco", "condinst_ghostnet_coco", "solov2-light_ghostnet_coco"],
)
def test_other_kinds_are_refused_with_the_list_of_heads(name):
    with torch.device("meta"):
        _, model = build(name)
    with pytest.raises(OptionError, match=r"cannot be exported; .*RetinaNet.*Faster"):
        DetectionGraph(model)


def test_heads_that_predict_in_their_own_way_are_refused():
    _, model = build("atss_ghostnet_coco")

    class Voting(type(model.bbox_head)):
        def predict_by_feat(self, *args, **kwargs):
            raise NotImplementedError

    model.bbox_head.__class__ = Voting
    with pytest.raises(OptionError, match="ATSS with Voting cannot be exported"):
        DetectionGraph(model)


def test_other_suppression_is_refused():
    cfg, model = build("retinanet_ghostnet_digits")
    graph = DetectionGraph(model)
    graph.decoder.head.test_cfg.nms = dict(type="soft_nms", iou_threshold=0.5)
    with pytest.raises(OptionError, match="soft_nms"):
        describe(cfg, graph, CLASSES)


def test_impossible_sizes_are_refused():
    cfg, model = build("yolox_ghostnet-nano_coco")
    with pytest.raises(OptionError, match="--size"):
        describe(cfg, DetectionGraph(model), CLASSES, size=(100, 130))
