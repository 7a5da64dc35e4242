"""Instance and panoptic configs build, train a step and predict masks."""

import copy

import pytest
import torch
from mmdet.registry import MODELS
from mmdet.testing import demo_mm_inputs
from support.configs_read_once import FOLDER, as_written, from_scratch

from ghostnet_mm.configuration import Options
from ghostnet_mm.configuration.files.reading import read_config
from ghostnet_mm.configuration.loading import apply_options

INSTANCE_CONFIGS = [
    FOLDER / f"{name}_ghostnet_coco.py"
    for name in ("mask-rcnn", "rtmdet-ins", "condinst", "solov2-light")
]
PANOPTIC_CONFIG = FOLDER / "panoptic-fpn_ghostnet_coco.py"
CONFIGS = [*INSTANCE_CONFIGS, PANOPTIC_CONFIG]
each_config = pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
SHAPES = [(93, 98), (64, 96)]  # sides that no stride divides


def build(path):
    """Build a config's model; it predicts what it is unsure of, from few proposals."""
    cfg = from_scratch(path)
    test_cfg = cfg.model.test_cfg
    parts = [part for part in (test_cfg, test_cfg.get("rcnn")) if part]
    for part in parts:
        if "score_thr" in part:
            part.update(score_thr=0.0, max_per_img=4)
    if "filter_thr" in test_cfg:
        test_cfg.filter_thr = 0.0
    if "rpn" in test_cfg:
        test_cfg.rpn.max_per_img = 20
        cfg.model.train_cfg.rpn_proposal.max_per_img = 20
        cfg.model.train_cfg.rcnn.sampler.num = 16
    if "panoptic" in test_cfg:
        test_cfg.panoptic.stuff_area_limit = 0
    model = MODELS.build(cfg.model)
    model.init_weights()
    return model


def batch_of_two():
    """One picture with three objects, one without any; stuff in both."""
    batch = demo_mm_inputs(
        2,
        [(3, *shape) for shape in SHAPES],
        num_items=[3, 0],
        num_classes=80,
        with_mask=True,
        with_semantic=True,
    )
    for sample in batch["data_samples"]:
        sample.set_metainfo(dict(scale_factor=(1.0, 1.0)))
        stuff = sample.gt_sem_seg.sem_seg
        stuff.random_(80, 133)
        stuff[:, :20, :20] = 255
    return batch


def train_a_step(model):
    model.train()
    data = model.data_preprocessor(batch_of_two(), training=True)
    losses, _ = model.parse_losses(model(**data, mode="loss"))
    losses.backward()
    assert losses.isfinite()
    return [name for name, p in model.named_parameters() if p.grad is None]


def predict(model):
    model.eval()
    data = model.data_preprocessor(batch_of_two(), training=False)
    with torch.no_grad():
        return model(**data, mode="predict")


@pytest.mark.parametrize("path", INSTANCE_CONFIGS, ids=lambda path: path.stem)
def test_instance_models_train_and_predict_masks(path):
    model = build(path)
    assert train_a_step(model) == []
    for shape, result in zip(SHAPES, predict(model), strict=True):
        found = result.pred_instances
        assert len(found) > 0
        assert found.masks.shape == (len(found), *shape)
        assert found.masks.dtype == torch.bool
        assert found.scores.isfinite().all()
        assert found.labels.max() < 80


def test_the_panoptic_model_trains_and_predicts_maps():
    model = build(PANOPTIC_CONFIG)
    assert train_a_step(model) == []
    for shape, result in zip(SHAPES, predict(model), strict=True):
        ids = result.pred_panoptic_seg.sem_seg
        assert ids.shape == (1, *shape)
        for segment_id in ids.unique().tolist():
            label, is_thing = segment_id % 1000, segment_id >= 1000
            # Things, the 53 kinds of stuff, and void.
            assert label < 80 if is_thing else 80 <= label <= 133
        assert (ids % 1000 < 133).any()


def test_rtmdet_ins_keeps_to_its_budget():
    cfg = as_written(FOLDER / "rtmdet-ins_ghostnet_coco.py")
    with torch.device("meta"):
        model = MODELS.build(cfg.model)
    parameters = sum(parameter.numel() for parameter in model.parameters())
    assert parameters < 2_500_000
    stated = f"{parameters / 1e6:.2f}M parameters"
    assert stated in (FOLDER / "rtmdet-ins_ghostnet_coco.py").read_text()


@each_config
def test_another_family_and_width_fit_every_head(path):
    cfg = as_written(path)
    options = {"model.backbone.type": "GhostNetV2", "model.backbone.widen_factor": 0.5}
    # Runs backbone and neck on the meta device, as every tool does first.
    apply_options(cfg, Options(cfg_options=options, backbone_weights="none"))
    channels = [12, 20, 56, 80]
    assert list(cfg.model.neck.in_channels) == [
        channels[tap] for tap in cfg.model.backbone.out_indices
    ]


@each_config
def test_coco_root_chooses_the_data(path, monkeypatch):
    monkeypatch.setenv("COCO_ROOT", "/somewhere/coco")
    cfg = read_config(path)
    for split in ("train", "val", "test"):
        dataset = cfg[f"{split}_dataloader"].dataset
        assert dataset.data_root == "/somewhere/coco/"
    for evaluator in (cfg.val_evaluator, cfg.test_evaluator):
        assert evaluator.ann_file.startswith("/somewhere/coco/annotations/")
        if path == PANOPTIC_CONFIG:
            prefix = "/somewhere/coco/annotations/panoptic_val2017/"
            assert evaluator.seg_prefix == prefix


@each_config
def test_configs_are_usable_by_mmdet_alone(path):
    cfg = as_written(path)
    assert cfg.custom_imports["imports"] == ["ghostnet_mm"]
    with torch.device("meta"):
        backbone = MODELS.build(copy.deepcopy(cfg.model.backbone))
    assert list(cfg.model.neck.in_channels) == list(backbone.out_channels)
    assert cfg.model.data_preprocessor.mean == [123.675, 116.28, 103.53]
    assert cfg.model.data_preprocessor.std == [58.395, 57.12, 57.375]
    assert cfg.model.data_preprocessor.bgr_to_rgb is True
