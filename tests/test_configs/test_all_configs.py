"""Every config builds, trains a step and predicts, whatever the head."""

from pathlib import Path

import pytest
import torch
from mmdet.registry import MODELS
from mmdet.testing import demo_mm_inputs
from mmdet.utils import register_all_modules
from mmengine.logging import MessageHub

from ghostnet_mm.configuration import Options, load_config

CONFIGS = sorted((Path(__file__).parents[2] / "configs").glob("*.py"))
COCO_CONFIGS = [path for path in CONFIGS if path.stem.endswith("_coco")]


@pytest.fixture(autouse=True)
def _registered():
    register_all_modules()
    # A runner counts iterations here; YOLOX's multi-scale training reads it.
    MessageHub.get_current_instance().update_info("iter", 0)


def build(path, **cfg_options):
    options = Options(cfg_options=cfg_options, backbone_weights="none")
    cfg = load_config(path, options)
    detector = MODELS.build(cfg.model)
    detector.init_weights()
    return cfg, detector


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_trains_a_step_and_predicts(path):
    cfg, detector = build(path)
    num_classes = len(cfg.get("metainfo", {}).get("classes", ())) or 80
    # Sides that no stride divides, and one image without any box.
    batch = demo_mm_inputs(
        2, [(3, 125, 130), (3, 96, 128)], num_items=[3, 0], num_classes=num_classes
    )
    detector.train()
    data = detector.data_preprocessor(batch, training=True)
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


@pytest.mark.parametrize("path", COCO_CONFIGS, ids=lambda path: path.stem)
@pytest.mark.parametrize("family", ["GhostNet", "GhostNetV2", "GhostNetV3"])
def test_every_head_takes_every_backbone_at_another_width(path, family):
    cfg, detector = build(
        path,
        **{"model.backbone.type": family, "model.backbone.widen_factor": 0.5},
    )
    channels = list(cfg.model.neck.in_channels)
    assert channels in ([20, 56, 80], [80, 56, 20])
    detector.eval()
    with torch.no_grad():
        maps = detector.extract_feat(torch.rand(1, 3, 64, 64))
    assert all(tap.isfinite().all() for tap in maps)


@pytest.mark.parametrize("path", COCO_CONFIGS, ids=lambda path: path.stem)
def test_coco_root_chooses_the_data(path, monkeypatch):
    monkeypatch.setenv("COCO_ROOT", "/somewhere/coco")
    cfg = load_config(path)
    train = cfg.train_dataloader.dataset
    while "dataset" in train:
        train = train.dataset
    for dataset in (train, cfg.val_dataloader.dataset, cfg.test_dataloader.dataset):
        assert dataset.data_root == "/somewhere/coco/"
    for evaluator in (cfg.val_evaluator, cfg.test_evaluator):
        assert evaluator.ann_file.startswith("/somewhere/coco/annotations/")


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_configs_are_usable_by_mmdet_alone(path):
    from mmengine.config import Config

    cfg = Config.fromfile(path)
    assert cfg.custom_imports["imports"] == ["ghostnet_mm"]
    with torch.device("meta"):
        backbone = MODELS.build(cfg.model.backbone)
    stated = list(cfg.model.neck.in_channels)
    assert stated in (list(backbone.out_channels), list(backbone.out_channels)[::-1])


def test_the_main_recipe_is_mmdets_one_times_schedule():
    cfg, _ = build(CONFIGS[[p.stem for p in CONFIGS].index("retinanet_ghostnet_coco")])
    assert cfg.optim_wrapper.optimizer == dict(
        type="SGD", lr=0.01, momentum=0.9, weight_decay=0.0001
    )
    assert cfg.train_cfg.max_epochs == 12
    assert cfg.train_dataloader.batch_size == 2
