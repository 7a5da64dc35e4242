"""A run goes on with the training features it had."""

import pytest
import torch
from mmengine.config import Config
from support.running_tools import TINY, run_here
from support.tiny_coco import make_tiny_coco
from torch import nn

from ghostnet_mm.checkpoints.whole_files import is_whole
from ghostnet_mm.configuration.files.text import config_from_text
from ghostnet_mm.engine.detector_checkpoint import check_resumable
from ghostnet_mm.errors import OptionError

PLAIN = dict(optim_wrapper=dict(type="OptimWrapper"))
FEATURES = {
    "--ema": dict(PLAIN, custom_hooks=[dict(type="WeightAverage")]),
    "--accumulate": dict(
        optim_wrapper=dict(type="OptimWrapper", accumulative_counts=4)
    ),
    "--layer-decay": dict(
        optim_wrapper=dict(type="OptimWrapper", paramwise_cfg=dict(decay_rate=0.8))
    ),
}


def checkpoint_of(settings, path):
    detector = nn.Linear(2, 2)
    meta = dict(epoch=1, iter=10, cfg=Config(settings).pretty_text)
    torch.save(dict(state_dict=detector.state_dict(), meta=meta), path)
    return detector


@pytest.mark.parametrize("flag", FEATURES)
def test_another_feature_than_the_run_had_is_refused(flag, tmp_path):
    path = str(tmp_path / "epoch_1.pth")
    for then, now in ((FEATURES[flag], PLAIN), (PLAIN, FEATURES[flag])):
        detector = checkpoint_of(then, path)
        with pytest.raises(OptionError, match=f"another {flag}"):
            check_resumable(detector, path, Config(now))
        check_resumable(detector, path, Config(then))


def test_the_hook_of_another_config_counts_as_the_same_average(tmp_path):
    path = str(tmp_path / "epoch_1.pth")
    theirs = dict(PLAIN, custom_hooks=[dict(type="EMAHook")])
    detector = checkpoint_of(theirs, path)
    check_resumable(detector, path, Config(FEATURES["--ema"]))
    check_resumable(
        detector, path, Config(dict(PLAIN, custom_hooks=[dict(type="StepEMAHook")]))
    )


def test_a_checkpoint_without_a_readable_config_has_nothing_to_compare(tmp_path):
    path = str(tmp_path / "epoch_1.pth")
    detector = checkpoint_of(PLAIN, path)
    stored = torch.load(path)
    stored["meta"]["cfg"] = "model = build()"
    torch.save(stored, path)
    check_resumable(detector, path, Config(FEATURES["--ema"]))


def test_a_cut_off_checkpoint_gives_way_and_is_told(tmp_path):
    """A killed machine's last file, in a work dir that was moved since."""
    data = make_tiny_coco(tmp_path / "data")
    asked = ["train", TINY, "--data-root", data, "--cfg-options"]
    asked += ["default_hooks.checkpoint.interval=1", "train_cfg.max_epochs=2"]
    done = run_here(*asked, "--work-dir", "first", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    (tmp_path / "first").rename(tmp_path / "moved")
    last = tmp_path / "moved" / "epoch_2.pth"
    last.write_bytes(last.read_bytes()[:-1000])
    done = run_here(*asked, "--work-dir", "moved", "--resume", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert (
        "moved/epoch_2.pth is cut off or damaged: going back to the one before\n"
        "resuming from moved/epoch_1.pth\n"
    ) in done.stdout
    assert "epoch 1/2" not in done.stdout
    assert is_whole(last)
    dumped = config_from_text((tmp_path / "moved" / "tiny_detector.py").read_text())
    assert dumped["default_hooks"]["checkpoint"]["type"] == "WholeCheckpoints"
    assert dumped["load_from"] is None

    for name in ("epoch_1.pth", "epoch_2.pth"):
        (tmp_path / "moved" / name).write_bytes(b"PK\x03\x04")
    done = run_here(*asked, "--work-dir", "moved", "--resume", cwd=tmp_path)
    assert done.returncode == 2
    assert "has no checkpoint before it" in done.stderr
