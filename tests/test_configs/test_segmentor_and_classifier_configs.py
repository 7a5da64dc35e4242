"""Segmentation and classification configs: they build, learn and predict."""

import copy
import importlib.util
from pathlib import Path

import pytest
import torch
from mmengine.registry import MODELS
from mmengine.structures import PixelData

from ghostnet_mm.configuration import Options, load_config
from ghostnet_mm.errors import OptionError

CONFIG_DIR = Path(__file__).parents[2] / "configs"
SEGMENTORS = sorted(CONFIG_DIR.glob("deeplabv3_*.py")) + sorted(
    CONFIG_DIR.glob("lraspp_*.py")
)
CLASSIFIERS = sorted(CONFIG_DIR.glob("classifier_*.py"))
needs_mmseg = pytest.mark.skipif(
    importlib.util.find_spec("mmseg") is None,
    reason="mmsegmentation is not installed: pip install -e '.[mmseg]'",
)
needs_mmpretrain = pytest.mark.skipif(
    importlib.util.find_spec("mmpretrain") is None,
    reason="mmpretrain is not installed: pip install -e '.[mmpretrain]'",
)
each_segmentor = pytest.mark.parametrize("path", SEGMENTORS, ids=lambda p: p.stem)
each_classifier = pytest.mark.parametrize("path", CLASSIFIERS, ids=lambda p: p.stem)
HALF = {"model.backbone.widen_factor": 0.5}


def build(path, **cfg_options):
    cfg = load_config(path, Options(cfg_options=cfg_options, backbone_weights="none"))
    model = MODELS.build(copy.deepcopy(cfg.model))
    model.init_weights()
    return cfg, model


def assert_every_parameter_learns(model, batch):
    model.train()
    data = model.data_preprocessor(copy.deepcopy(batch), training=True)
    losses, _ = model.parse_losses(model(**data, mode="loss"))
    losses.backward()
    assert losses.isfinite()
    assert [n for n, p in model.named_parameters() if p.grad is None] == []


def predict(model, batch):
    model.eval()
    data = model.data_preprocessor(copy.deepcopy(batch), training=False)
    with torch.no_grad():
        return model(**data, mode="predict")


def test_there_are_configs():
    assert len(SEGMENTORS) == 4
    assert len(CLASSIFIERS) == 6


@needs_mmseg
@each_segmentor
def test_a_segmentor_trains_a_step_and_predicts(path):
    from mmseg.structures import SegDataSample

    _, model = build(path, **HALF, **{"model.data_preprocessor.size": (96, 128)})
    num_classes = {"ade20k": 150, "cityscapes": 19}[path.stem.rpartition("_")[2]]
    samples = []
    for height, width in ((77, 101), (96, 128)):
        labels = torch.randint(0, num_classes, (1, height, width))
        labels[:, :5] = 255
        meta = dict(img_shape=(height, width), ori_shape=(height, width))
        sample = SegDataSample(metainfo={**meta, "pad_shape": (height, width)})
        sample.gt_sem_seg = PixelData(data=labels)
        samples.append(sample)
    images = [
        torch.randint(0, 256, (3, *s.img_shape), dtype=torch.uint8) for s in samples
    ]
    assert_every_parameter_learns(model, dict(inputs=images, data_samples=samples))
    # One picture whose sides no stride divides, as users bring them.
    (found,) = predict(model, dict(inputs=images[:1], data_samples=samples[:1]))
    assert found.seg_logits.data.shape == (num_classes, 77, 101)
    assert found.seg_logits.data.isfinite().all()


@needs_mmpretrain
@each_classifier
def test_a_classifier_trains_a_step_and_predicts(path):
    from mmpretrain.structures import DataSample

    _, model = build(path, **HALF)
    num_classes = 1000 if path.stem.endswith("_imagenet") else 10
    labels = [3, num_classes - 1]
    samples = [DataSample().set_gt_label(label) for label in labels]
    images = [torch.randint(0, 256, (3, 65, 97), dtype=torch.uint8) for _ in labels]
    assert_every_parameter_learns(model, dict(inputs=images, data_samples=samples))
    (found,) = predict(model, dict(inputs=images[:1], data_samples=samples[:1]))
    assert found.pred_score.shape == (num_classes,)
    torch.testing.assert_close(found.pred_score.sum(), torch.tensor(1.0))


@needs_mmseg
def test_the_head_reads_long_narrow_pictures():
    """mmseg's own LR-ASPP head fails here: its pooling window is 49 cells high."""
    _, model = build(CONFIG_DIR / "lraspp_ghostnetv2_ade20k.py", **HALF)
    model.eval()
    with torch.no_grad():
        logits = model(torch.rand(1, 3, 33, 256), mode="tensor")
    assert logits.shape == (1, 150, 9, 64)


@needs_mmseg
def test_every_head_of_a_segmentor_follows_its_map(capsys):
    path = CONFIG_DIR / "deeplabv3_ghostnetv2_ade20k.py"
    # Width 1.3 of the paper's table: 32, 52, 144, 208.
    options = {"model.backbone.type": "GhostNet", "model.backbone.widen_factor": 1.3}
    cfg = load_config(path, Options(cfg_options=options))
    assert cfg.model.backbone.type == "mmdet.GhostNet"
    assert cfg.model.decode_head.in_channels == 208
    assert cfg.model.auxiliary_head.in_channels == 144
    assert "model.auxiliary_head.in_channels follows" in capsys.readouterr().out

    cfg = load_config(
        CONFIG_DIR / "lraspp_ghostnetv2_cityscapes.py", Options(cfg_options=options)
    )
    assert list(cfg.model.decode_head.in_channels) == [32, 52, 208]


@needs_mmseg
@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"model.decode_head.in_channels": 96},
            "decode_head.in_channels is 96, but model.backbone returns 160 channels",
        ),
        (
            {"model.backbone.out_indices": (2, 3)},
            "decode_head.in_index is 3, but model.backbone returns 2 maps",
        ),
        ({"model.backbone.type": "GhostNetV9"}, "'GhostNetV9', which is not"),
    ],
)
def test_what_does_not_fit_together_is_said(options, message):
    path = CONFIG_DIR / "deeplabv3_ghostnetv2_ade20k.py"
    with pytest.raises(OptionError, match=message):
        load_config(path, Options(cfg_options=options))


@needs_mmpretrain
def test_a_classifiers_head_follows_and_none_is_filled_in():
    path = CONFIG_DIR / "classifier_ghostnet_imagenet.py"
    cfg = load_config(path, Options(cfg_options={"model.backbone.widen_factor": 1.6}))
    assert cfg.model.head.in_channels == 256
    assert cfg.model.head.widen_factor == 1.6
    cfg = load_config(path, Options(cfg_options={"model.head.in_channels": None}))
    assert cfg.model.head.in_channels == 160
    with pytest.raises(OptionError, match=r"head\.in_channels is 80, but"):
        load_config(path, Options(cfg_options={"model.head.in_channels": 80}))


@needs_mmpretrain
def test_the_rate_of_the_v2_recipe_is_timms():
    """timm's own scheduler decays by 0.973 every 2.4 epochs."""
    from timm.scheduler import StepLRScheduler

    cfg = load_config(CONFIG_DIR / "classifier_ghostnetv2_imagenet.py")
    (steps,) = [rule for rule in cfg.param_scheduler if rule.type == "MultiStepLR"]
    assert steps.by_epoch
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.064)
    theirs = StepLRScheduler(optimizer, decay_t=2.4, decay_rate=0.973)
    assert cfg.optim_wrapper.optimizer.lr == 0.064
    for epoch in range(cfg.train_cfg.max_epochs):
        theirs.step(epoch)
        decays = sum(epoch >= milestone for milestone in steps.milestones)
        assert 0.064 * steps.gamma**decays == pytest.approx(
            optimizer.param_groups[0]["lr"], rel=1e-9
        ), epoch


@needs_mmseg
@needs_mmpretrain
@pytest.mark.parametrize(
    ("name", "variable"),
    [
        ("deeplabv3_ghostnetv2_ade20k", "ADE20K_ROOT"),
        ("lraspp_ghostnetv2_ade20k", "ADE20K_ROOT"),
        ("deeplabv3_ghostnetv2_cityscapes", "CITYSCAPES_ROOT"),
        ("lraspp_ghostnetv2_cityscapes", "CITYSCAPES_ROOT"),
        ("classifier_ghostnetv2_imagenet", "IMAGENET_ROOT"),
        ("classifier_ghostnet_cifar10", "CIFAR10_ROOT"),
        ("classifier_ghostnet_digit-crops", "DIGIT_CROPS_ROOT"),
    ],
)
def test_the_environment_chooses_the_data(name, variable, monkeypatch):
    from ghostnet_mm.configuration.files.reading import read_config

    monkeypatch.setenv(variable, "/somewhere/else")
    cfg = read_config(CONFIG_DIR / f"{name}.py")
    for split in ("train", "val", "test"):
        assert cfg[f"{split}_dataloader"].dataset.data_root == "/somewhere/else"
