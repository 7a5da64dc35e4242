"""The training flags of tools/train.py together, in a process of their own."""

import pytest
import torch
from mmengine.config import Config
from support.running_tools import TINY, run
from support.tiny_coco import make_tiny_coco

from ghostnet_mm.checkpoints import load_checkpoint_file
from ghostnet_mm.engine.inference.detection import load_detector


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("flags")
    make_tiny_coco(folder / "data")
    done = run(
        *("train", TINY, "--data-root", "data", "--work-dir", "run"),
        *("--amp", "bf16", "--ema", "0.2", "--accumulate", "2", "--auto-scale-lr"),
        *("--layer-decay", "0.5", "--early-stop", "3", "--channels-last"),
        *("--seed", "3", "--deterministic", "--cfg-options"),
        *("train_cfg.max_epochs=5", "train_cfg.val_interval=1"),
        "default_hooks.checkpoint.interval=1",
        cwd=folder,
    )
    assert done.returncode == 0, done.stderr
    return folder / "run", done.stdout


def test_the_console_says_what_the_flags_did(trained):
    _, said = trained
    assert (
        "learning rate 0.004 -> 0.001: 4 images a step (2 x 1 processes x 2 "
        "accumulated), where the recipe has 16"
    ) in said
    assert "is skipped since" not in said


def test_the_checkpoint_holds_the_average_and_the_state_of_all(trained):
    folder, _ = trained
    assert len(list(folder.glob("best_coco_bbox_mAP_epoch_*.pth"))) == 1
    path = max(folder.glob("epoch_*.pth"))
    saved = load_checkpoint_file(path)
    epoch = saved["meta"]["epoch"]
    assert epoch > 1
    # Two batches an epoch make one step.
    assert int(saved["ema_state_dict"]["steps"]) == epoch
    rates = {
        round(group["lr"] / 0.001, 6)
        for group in saved["optimizer"]["param_groups"]
        if group["params"]
    }
    # Fifteen blocks and the stem, halved from one to the next, and neck and head.
    assert rates == {round(0.5**distance, 6) for distance in range(17)}
    assert saved["meta"]["seed"] == 3

    detector = load_detector(path, device="cpu")
    weights = detector.model.state_dict()
    torch.testing.assert_close(weights, dict(saved["state_dict"]))
    raw = saved["ema_state_dict"]
    assert not torch.equal(
        weights["bbox_head.retina_cls.weight"],
        raw["module.bbox_head.retina_cls.weight"],
    )


def test_the_dumped_config_stands_on_its_own(trained):
    folder, _ = trained
    cfg = Config.fromfile(folder / "tiny_detector.py")
    assert cfg.optim_wrapper.type == "CpuAmpOptimWrapper"
    assert cfg.optim_wrapper.accumulative_counts == 2
    assert cfg.randomness == dict(seed=3, deterministic=True)
    assert {"WeightAverage", "EarlyStop", "ChannelsLast"} <= {
        hook.type for hook in cfg.custom_hooks
    }
