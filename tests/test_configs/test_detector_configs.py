"""Every detector config builds, trains a step and predicts, whatever the head."""

import copy

import pytest
import torch
from mmdet.registry import MODELS
from mmdet.testing import demo_mm_inputs
from mmengine.logging import MessageHub
from support.configs_read_once import FOLDER, as_written, from_scratch

from ghostnet_mm.configuration import Options
from ghostnet_mm.configuration.files.reading import read_config
from ghostnet_mm.configuration.loading import apply_options

# Masks need other inputs and have a test module of their own.
MASKS = ("mask-rcnn", "rtmdet-ins", "condinst", "solov2", "panoptic-fpn")
CONFIGS = [
    path
    for path in sorted(FOLDER.glob("*.py"))
    if path.stem.endswith(("_coco", "_digits")) and not path.stem.startswith(MASKS)
]
COCO_CONFIGS = [path for path in CONFIGS if path.stem.endswith("_coco")]
# timm's taps are the baseline, not a backbone of ours.
OUR_CONFIGS = [path for path in CONFIGS if "_timm-" not in path.stem]
each_config = pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
each_coco_config = pytest.mark.parametrize(
    "path", COCO_CONFIGS, ids=lambda path: path.stem
)

# Width, and the channels at strides 4, 8, 16 and 32 in the papers' tables. The last two
# families have no small width of their own.
GHOSTNET_HALF = (0.5, [12, 20, 56, 80])
FAMILIES = {
    "GhostNet": GHOSTNET_HALF,
    "GhostNetV2": GHOSTNET_HALF,
    "GhostNetV3": GHOSTNET_HALF,
    "RepGhostNet": GHOSTNET_HALF,
    "GGhostRegNet": (1.0, [96, 192, 432, 1008]),
    "GhostResNet": (1.0, [256, 512, 1024, 2048]),
}


@pytest.fixture(autouse=True)
def _first_iteration():
    # A runner counts iterations here; YOLOX's multi-scale training reads it.
    MessageHub.get_current_instance().update_info("iter", 0)


def build(path):
    cfg = from_scratch(path)
    detector = MODELS.build(cfg.model)
    detector.init_weights()
    return cfg, detector


def stated_channels(cfg):
    """What the config says the backbone returns, finest map first."""
    stated = cfg.model.neck.in_channels
    stated = [stated] if isinstance(stated, int) else list(stated)
    return sorted(stated)


@each_config
def test_trains_a_step_and_predicts(path):
    cfg, detector = build(path)
    num_classes = len(cfg.get("metainfo", {}).get("classes", ())) or 80
    # Sides that no stride divides, unless the pipeline alone sees to the sides; and one
    # image without any box.
    pads = cfg.model.data_preprocessor.get("pad_size_divisor", 1) > 1
    sizes = [(3, 125, 130), (3, 96, 128)] if pads else [(3, 128, 160), (3, 128, 160)]
    batch = demo_mm_inputs(2, sizes, num_items=[3, 0], num_classes=num_classes)
    detector.train()
    data = detector.data_preprocessor(copy.deepcopy(batch), training=True)
    losses, _ = detector.parse_losses(detector(**data, mode="loss"))
    losses.backward()
    assert losses.isfinite()
    without = [n for n, p in detector.named_parameters() if p.grad is None]
    assert without == []
    detector.eval()
    data = detector.data_preprocessor(batch, training=False)
    with torch.no_grad():
        results = detector(**data, mode="predict")
    assert len(results) == 2
    for result in results:
        assert result.pred_instances.bboxes.isfinite().all()


@each_coco_config
def test_every_head_takes_every_backbone_at_another_width(path):
    # The others differ from one of these in their backbone or width only.
    stands_for_its_head = path.stem.endswith(("_ghostnet_coco", "_ghostnet-nano_coco"))
    families = FAMILIES if stands_for_its_head else ["GhostNet"]
    for family in families:
        widen_factor, channels = FAMILIES[family]
        assignments = {
            "model.backbone.type": family,
            "model.backbone.widen_factor": widen_factor,
        }
        cfg = apply_options(
            as_written(path),
            # Builds and runs backbone, neck and head on the meta device, as every
            # tool does first.
            Options(cfg_options=assignments, backbone_weights="none"),
        )
        taps = cfg.model.backbone.out_indices
        assert stated_channels(cfg) == [channels[tap] for tap in taps], family
        assert cfg.model.backbone.type == family


@each_coco_config
def test_coco_root_chooses_the_data(path, monkeypatch):
    monkeypatch.setenv("COCO_ROOT", "/somewhere/coco")
    cfg = read_config(path)
    train = cfg.train_dataloader.dataset
    while "dataset" in train:
        train = train.dataset
    for dataset in (train, cfg.val_dataloader.dataset, cfg.test_dataloader.dataset):
        assert dataset.data_root == "/somewhere/coco/"
    for evaluator in (cfg.val_evaluator, cfg.test_evaluator):
        assert evaluator.ann_file.startswith("/somewhere/coco/annotations/")


@pytest.mark.parametrize("path", OUR_CONFIGS, ids=lambda path: path.stem)
def test_configs_are_usable_by_mmdet_alone(path):
    cfg = as_written(path)
    assert cfg.custom_imports["imports"] == ["ghostnet_mm"]
    with torch.device("meta"):
        backbone = MODELS.build(cfg.model.backbone)
    assert stated_channels(cfg) == list(backbone.out_channels)


@each_coco_config
def test_images_are_normalized_as_imagenet_weights_expect(path):
    """The statistics of timm's data configs, in pixel values and in RGB."""
    preprocessor = as_written(path).model.data_preprocessor
    assert preprocessor.bgr_to_rgb is True
    assert preprocessor.mean == [123.675, 116.28, 103.53]
    assert preprocessor.std == [58.395, 57.12, 57.375]


def test_the_main_recipe_is_mmdets_one_times_schedule():
    cfg = as_written(FOLDER / "retinanet_ghostnet_coco.py")
    assert cfg.optim_wrapper.optimizer == dict(
        type="SGD", lr=0.01, momentum=0.9, weight_decay=0.0001
    )
    assert cfg.train_cfg.max_epochs == 12
    assert cfg.train_dataloader.batch_size == 2


# Learning rate, and the images per step it is for, by the start of the name.
RATES = {
    "atss_": (0.01, 16),
    "centernet_": (0.02, 128),
    "faster-rcnn_": (0.02, 16),
    "fcos_": (0.01, 16),
    "gfl_ghostnet_coco": (0.01, 16),
    "gfl_ghostnet-": (0.001, 96),
    "mask-rcnn_": (0.02, 16),
    "panoptic-fpn_": (0.02, 16),
    "retinanet_ghostnet_coco": (0.01, 16),
    "retinanet_ghostnet_digits": (0.002, 4),
    "rtmdet": (0.004, 256),
    "ssdlite_": (0.015, 192),
    "yolov3_": (0.003, 192),
    "yolox_": (0.01, 64),
}


@pytest.mark.parametrize("start", RATES)
def test_learning_rates_belong_to_the_batch_they_are_scaled_from(start):
    paths = [path for path in FOLDER.glob(f"{start}*.py") if "-1.1x" not in path.stem]
    assert paths
    for path in paths:
        cfg = as_written(path)
        rate = cfg.optim_wrapper.optimizer.lr
        assert (rate, cfg.auto_scale_lr.base_batch_size) == RATES[start], path
