"""Descriptions say what mmdet does with a picture and with candidates."""

import json

import pytest
import torch
from ghostnet_runtime.description import InputForm, ResizeRule, read_description
from mmengine.config import Config
from support.random_detectors import build

from ghostnet_mm.errors import OptionError
from ghostnet_mm.export.description import describe, with_dynamic_axes
from ghostnet_mm.export.graph.detection_graph import DetectionGraph
from ghostnet_mm.export.graph.resizing import read_resizing

CLASSES = ("cat", "dog")
MEAN = (123.675, 116.28, 103.53)


def description_of(config, **options):
    cfg, model = build(config)
    graph = DetectionGraph(model)
    return describe(cfg, graph, CLASSES, **options), graph


def test_a_padded_anchor_detector():
    found, graph = description_of("retinanet_ghostnet_coco")
    assert found.format == "ghostnet_mm.detector/1"
    assert (found.task, found.name) == ("detection", "retinanet_ghostnet_coco")
    assert found.classes == ("cat", "dog")
    # Scale 1333x800, padded to multiples of 32.
    assert found.input == InputForm(
        name="image",
        form="tensor",
        batch=1,
        height=800,
        width=1344,
        size_divisor=32,
        channel_order="rgb",
        mean=MEAN,
        std=(58.395, 57.12, 57.375),
        image_sizes=None,
    )
    # mmdet pads the normalized image with zeros, which are mean pixels.
    assert found.resize == ResizeRule(
        scale=(1333, 800), keep_ratio=True, pad_value=MEAN, pad="divisor"
    )
    rules = found.selection
    cells = [100 * 168, 50 * 84, 25 * 42, 13 * 21, 7 * 11]
    assert rules.levels == tuple(9 * count for count in cells)
    assert rules.strides == (8, 16, 32, 64, 128)
    assert rules.priors_per_cell == (9,) * 5
    assert rules.per_level is rules.clip is True
    assert (rules.score_threshold, rules.nms_pre) == (0.05, 1000)
    assert (rules.iou_threshold, rules.max_per_img) == (0.5, 100)
    assert rules.min_bbox_size == 0
    assert "/" not in str(found.source)
    assert graph.output_names == ("boxes", "scores")


def test_yolox_keeps_all_that_nms_leaves_and_does_not_clip():
    found, _ = description_of("yolox_ghostnet-nano_coco")
    assert (found.input.height, found.input.width) == (416, 416)
    assert found.resize == ResizeRule(
        scale=(416, 416), keep_ratio=True, pad_value=(114.0,) * 3, pad="fixed"
    )
    rules = found.selection
    assert rules.levels == (52 * 52 + 26 * 26 + 13 * 13,)
    assert rules.strides == () == rules.priors_per_cell
    assert rules.best_class is True
    assert rules.clip is rules.per_level is False
    assert rules.max_per_img is None
    assert found.outputs.score_factors is True


def test_yolov3_has_a_threshold_on_objectness():
    found, _ = description_of("yolov3_ghostnet_coco")
    rules = found.selection
    assert (rules.factor_threshold, rules.nms_pre) == (0.005, 1000)
    assert rules.levels == (3 * (10 * 10 + 20 * 20 + 40 * 40),)


def test_two_stages_have_boxes_by_class_and_need_the_size_of_the_picture():
    found, _ = description_of("faster-rcnn_ghostnet_coco")
    assert found.outputs.class_boxes is True
    assert found.input.image_sizes == "image_sizes"
    # As many as test_cfg.rpn lets through, whatever the size.
    assert found.selection.levels == (300,)
    assert found.selection.nms_pre is None


def test_another_size_takes_the_place_of_the_configs():
    found, _ = description_of("gfl_ghostnet-nano_coco", size=(192, 250), name="mine")
    assert (found.input.height, found.input.width) == (192, 256)
    assert found.resize.scale == (250, 192)
    assert found.resize.keep_ratio is False
    assert found.selection.levels == (24 * 32, 12 * 16, 6 * 8, 3 * 4)
    assert found.name == "mine"


def test_centernet_leaves_pictures_as_they_are_until_a_size_is_given():
    cfg, model = build("centernet_ghostnet_coco")
    graph = DetectionGraph(model)
    own = describe(cfg, graph, CLASSES)
    assert own.input.height is own.resize.scale is None
    assert own.resize.pad == "around"
    with pytest.raises(OptionError, match="give --size HEIGHT WIDTH"):
        with_dynamic_axes(own, batch=False, size=False)
    given = describe(cfg, graph, CLASSES, size=(256, 320))
    assert given.selection.levels == (64 * 80,)
    assert given.selection.iou_threshold is None


def test_masks_have_their_rules():
    found, graph = description_of("rtmdet-ins_ghostnet_coco")
    assert found.task == "instance_segmentation"
    rules = found.masks
    wide = rules.dynamic_channels
    inputs = [rules.num_prototypes + 2] + [wide] * (rules.num_layers - 1)
    outputs = [wide] * (rules.num_layers - 1) + [1]
    weights = sum((i + 1) * o for i, o in zip(inputs, outputs, strict=True))
    assert weights == graph.decoder.head.num_gen_params
    assert rules.threshold == 0.5


@pytest.mark.parametrize(
    "config",
    [
        "retinanet_ghostnet_coco",
        "yolov3_ghostnet_coco",
        "centernet_ghostnet_coco",
        "faster-rcnn_ghostnet_coco",
        "rtmdet-ins_ghostnet_coco",
    ],
)
def test_the_runtime_reads_what_is_written(config):
    """Catches what the export knows and the runtime does not, tuples as lists too."""
    found, _ = description_of(config)
    text = found.to_json(indent=2)
    assert read_description(text, "a.json") == found
    assert read_description(text, "a.json").to_json(indent=2) == text
    assert json.loads(text)["format"] == "ghostnet_mm.detector/1"


def test_what_cannot_be_described_is_the_configs_mistake():
    cfg, model = build("retinanet_ghostnet_coco")
    cfg.test_dataloader.dataset.pipeline[1:2] = [
        dict(type="Resize", scale=(400, 400), keep_ratio=False),
        dict(type="Pad", size=(320, 320)),
    ]
    with pytest.raises(OptionError, match=r"resize\.scale is larger than the input\."):
        describe(cfg, DetectionGraph(model), CLASSES)


def test_free_axes_leave_the_description_of_the_static_graph_alone():
    found, _ = description_of("retinanet_ghostnet_digits", size=(96, 96))
    before = found.to_json()
    free = with_dynamic_axes(found, batch=True, size=True)
    assert found.to_json() == before
    entry = free.input
    assert entry.batch is entry.height is entry.width is None
    assert free.selection.levels is None
    assert free.selection.strides == (8, 16)


def with_pipeline(*steps):
    pipeline = [dict(type="LoadImageFromFile"), *steps, dict(type="PackDetInputs")]
    return Config(dict(test_dataloader=dict(dataset=dict(pipeline=pipeline))))


def test_steps_that_are_not_known_are_named():
    with pytest.raises(OptionError, match="step RandomFlip cannot be exported"):
        read_resizing(with_pipeline(dict(type="mmdet.RandomFlip", prob=0.5)))
    with pytest.raises(OptionError, match="step Resize"):
        read_resizing(with_pipeline(dict(type="Resize", scale_factor=0.5)))


def test_padding_twice_is_refused():
    steps = dict(type="Resize", scale=(300, 300)), dict(type="Pad", size=(300, 300))
    resizing = read_resizing(with_pipeline(*steps))
    assert resizing.padded_size(1) == (300, 300)
    with pytest.raises(OptionError, match="300x300, which is not a multiple"):
        resizing.padded_size(32)


def test_pad_values_come_in_the_networks_order():
    cfg, model = build("yolox_ghostnet-nano_coco")
    for step in cfg.test_dataloader.dataset.pipeline:
        if step["type"] == "Pad":
            step["pad_val"] = dict(img=(1.0, 2.0, 3.0))
    graph = DetectionGraph(model)
    assert describe(cfg, graph, CLASSES).resize.pad_value == (3.0, 2.0, 1.0)
    graph.network.data_preprocessor._channel_conversion = False
    found = describe(cfg, graph, CLASSES)
    assert found.resize.pad_value == (1.0, 2.0, 3.0)
    assert found.input.channel_order == "bgr"


def test_levels_are_counted_without_computing():
    _, graph = description_of("ssdlite_ghostnet_coco")
    assert graph.map_sizes((320, 320)) == [(n, n) for n in (20, 10, 5, 3, 2, 1)]
    assert not any(
        isinstance(size, torch.Tensor) for size in graph.map_sizes((320, 320))
    )
