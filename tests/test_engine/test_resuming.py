"""A run goes on with the training features it had."""

import pytest
import torch
from mmengine.config import Config
from torch import nn

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
