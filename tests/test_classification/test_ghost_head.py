"""The published classifier: timm's logits with timm's weights."""

import copy
from pathlib import Path

import pytest
import timm
import torch
from mmengine.registry import MODELS

from ghostnet_mm.configuration import Options, load_config
from ghostnet_mm.engine.detector_checkpoint import check_fit
from ghostnet_mm.engine.inference.published_classifier import read_tested_weights
from ghostnet_mm.errors import CheckpointError, OptionError

pytest.importorskip("mmpretrain", reason="pip install -e '.[mmpretrain]'")
CONFIG_DIR = Path(__file__).parents[2] / "configs"


def build(backbone, width):
    options = {
        "model.backbone.type": backbone,
        "model.backbone.widen_factor": width,
    }
    cfg = load_config(
        CONFIG_DIR / "classifier_ghostnet_imagenet.py", Options(cfg_options=options)
    )
    return MODELS.build(copy.deepcopy(cfg.model)).eval()


@pytest.mark.parametrize(
    ("name", "backbone", "width"),
    [
        ("ghostnet_050", "GhostNet", 0.5),
        ("ghostnet_100", "GhostNet", 1.0),
        ("ghostnetv2_130", "GhostNetV2", 1.3),
        ("ghostnetv3_050", "GhostNetV3", 0.5),
        ("repghostnet_058", "RepGhostNet", 0.58),
    ],
)
def test_logits_are_timms(name, backbone, width, tmp_path, randomize_norms):
    theirs = randomize_norms(timm.create_model(name, pretrained=False)).eval()
    file = tmp_path / "published.pth"
    torch.save({"state_dict": theirs.state_dict(), "epoch": 3}, file)
    ours = build(backbone, width)
    weights, meta = read_tested_weights(ours, file, "mmpretrain")
    assert meta is None  # of published weights
    check_fit(ours, weights, file)
    ours.load_state_dict(weights, strict=True)
    images = torch.rand(2, 3, 65, 97)
    with torch.no_grad():
        expected = theirs(images)
        found = ours(images, mode="tensor")
    assert expected.std() > 1e-3
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)


def test_dropout_drops_the_hidden_channels_while_training():
    from ghostnet_mm.classification import GhostClsHead

    head = GhostClsHead(10, in_channels=4, hidden_channels=64, dropout=0.5)
    maps = (torch.rand(2, 4, 3, 3),)
    assert not torch.equal(head(maps), head(maps))
    head.eval()
    torch.testing.assert_close(head(maps), head(maps), rtol=0, atol=0)


def test_a_checkpoint_of_a_run_keeps_its_names(tmp_path):
    ours = build("GhostNet", 0.5)
    file = tmp_path / "epoch_1.pth"
    torch.save({"meta": {}, "state_dict": ours.state_dict()}, file)
    weights, meta = read_tested_weights(ours, file, "mmpretrain")
    assert meta is not None
    assert list(weights) == list(ours.state_dict())


def test_weights_of_another_width_are_refused(tmp_path):
    theirs = timm.create_model("ghostnet_050", pretrained=False)
    file = tmp_path / "published.pth"
    torch.save(theirs.state_dict(), file)
    ours = build("GhostNet", 1.0)
    weights, _ = read_tested_weights(ours, file, "mmpretrain")
    with pytest.raises(CheckpointError, match="of another shape"):
        check_fit(ours, weights, file)


def test_a_detector_is_not_tested_with_a_classifier():
    with pytest.raises(OptionError, match="holds a classifier"):
        read_tested_weights(torch.nn.Identity(), "timm://ghostnet_100.in1k", "mmdet")


def test_an_impossible_number_of_classes_is_an_error():
    from ghostnet_mm.classification import GhostClsHead

    with pytest.raises(OptionError, match="num_classes=0 is not possible"):
        GhostClsHead(0)
