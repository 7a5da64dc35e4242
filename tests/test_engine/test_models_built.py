"""A command builds its model once for all checks, and once to run it."""

from collections import Counter

import pytest
import torch
from mmdet.models.detectors import RetinaNet
from mmdet.registry import MODELS
from support.running_tools import TINY, run_here
from support.tiny_coco import make_tiny_coco

from ghostnet_mm.backbones.base import MultiScaleBackbone
from ghostnet_mm.configuration import Options, load_config
from ghostnet_mm.engine.quiet_runner import QuietRunner


@pytest.fixture
def built(monkeypatch):
    """Count the constructions of backbones and detectors, by device."""
    counts = Counter()

    def counted(kind, name):
        original = kind.__init__

        def construct(self, *args, **kwargs):
            counts[name, torch.get_default_device().type] += 1
            original(self, *args, **kwargs)

        monkeypatch.setattr(kind, "__init__", construct)

    counted(MultiScaleBackbone, "backbone")
    counted(RetinaNet, "detector")
    return counts


ONCE_EACH = {
    ("backbone", "meta"): 1,
    ("detector", "meta"): 1,
    ("backbone", "cpu"): 1,
    ("detector", "cpu"): 1,
}


@pytest.fixture
def weights(tmp_path):
    """The weights of a backbone like the tiny detector's, and of all of it."""
    torch.manual_seed(1)
    cfg = load_config(TINY, Options(cfg_options={"model.bbox_head.num_classes": 2}))
    detector = MODELS.build(cfg.model)
    torch.save(detector.backbone.state_dict(), tmp_path / "backbone.pth")
    torch.save(dict(state_dict=detector.state_dict()), tmp_path / "detector.pth")
    return tmp_path


@pytest.mark.parametrize("with_weights", [False, True])
def test_training(built, weights, tmp_path, monkeypatch, with_weights):
    """Catches a build to check the channels, the head, the weights or what they fit."""
    monkeypatch.setattr(QuietRunner, "train", lambda self: None)
    root = make_tiny_coco(tmp_path / "data")
    options = ["--backbone-weights", weights / "backbone.pth"] if with_weights else []
    built.clear()
    done = run_here("train", TINY, "--data-root", root, *options, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert built == ONCE_EACH


def test_testing(built, weights, tmp_path, monkeypatch):
    monkeypatch.setattr(QuietRunner, "test", lambda self: {})
    root = make_tiny_coco(tmp_path / "data")
    built.clear()
    done = run_here(
        *("test", TINY, weights / "detector.pth", "--data-root", root), cwd=tmp_path
    )
    assert done.returncode == 0, done.stderr
    assert built == ONCE_EACH


def test_another_backbone_asks_that_of_the_file_too(built):
    """Its channels say whether those of the neck were stated on purpose."""
    load_config(TINY, Options(cfg_options={"model.backbone.widen_factor": 1.0}))
    assert built == {("backbone", "meta"): 2, ("detector", "meta"): 1}
