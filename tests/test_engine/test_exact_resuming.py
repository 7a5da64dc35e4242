"""A run that goes on from any checkpoint equals the one that was not stopped."""

import os
import random
import shutil
import signal

import numpy as np
import pytest
import torch
from mmengine.hooks import EMAHook
from mmengine.model import BaseModel
from support.running_tools import TINY, run_here
from support.tiny_coco import make_tiny_coco
from support.trained_line import SCORE, Line, Script, train_line
from torch import nn
from torch.utils.data.dataloader import _MultiProcessingDataLoaderIter

from ghostnet_mm.checkpoints import load_checkpoint_file
from ghostnet_mm.engine.hooks.early_stop import EarlyStop
from ghostnet_mm.engine.hooks.exact_state import ExactState
from ghostnet_mm.engine.hooks.weight_average import WeightAverage

WORKERS = {
    "none": dict(num_workers=0),
    "two": dict(num_workers=2),
    "two that stay": dict(num_workers=2, persistent_workers=True),
}


class Drawn:
    """A dataset of 8 whose samples are drawn anew each time, by all generators."""

    def __getitem__(self, index):
        noise = [np.random.rand(), random.random(), float(torch.rand(()))]
        return torch.tensor(noise) + index, torch.tensor([float(index)])

    def __len__(self):
        return 8


class Deadly(Drawn):
    """Ends the worker that loads number 5 for the first time."""

    def __init__(self, note):
        self.note = note

    def __getitem__(self, index):
        if index == 5 and not self.note.exists():
            self.note.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return super().__getitem__(index)


class DroppingLine(Line):
    """Draws random numbers in its forward pass too."""

    def forward(self, x, y, mode):
        if mode == "loss":
            x = nn.functional.dropout(x, 0.3)
        return super().forward(x, y, mode)


def loader(workers, sampler="DefaultSampler"):
    return dict(
        batch_size=2,
        dataset=Drawn(),
        sampler=dict(type=sampler, shuffle=True),
        collate_fn=dict(type="default_collate"),
        **WORKERS[workers],
    )


OPTIMIZER = dict(type="SGD", lr=0.05, momentum=0.9)
LOOPS = {
    "epochs": dict(type="ResumableEpochLoop", max_epochs=4, val_interval=1),
    "iterations": dict(type="ResumableIterationLoop", max_iters=12, val_interval=3),
}
CHECKPOINTS = {
    "epochs": dict(type="WholeCheckpoints", interval=1),
    "iterations": dict(type="WholeCheckpoints", interval=3, by_epoch=False),
}


def train(folder, loop="epochs", workers="none", hooks=(), scores=(0.1,) * 9, **more):
    folder.mkdir(exist_ok=True)
    torch.manual_seed(0)
    by_epoch = loop == "epochs"
    usual = dict(
        train_dataloader=loader(
            workers, "DefaultSampler" if by_epoch else "InfiniteSampler"
        ),
        train_cfg=dict(LOOPS[loop]),
        default_hooks=dict(checkpoint=dict(CHECKPOINTS[loop])),
        log_processor=dict(by_epoch=by_epoch),
        optim_wrapper=dict(optimizer=OPTIMIZER),
        randomness=dict(seed=3),
        model=DroppingLine(),
    )
    return train_line(
        folder, [ExactState(), *hooks], script=Script(scores), **{**usual, **more}
    )


def result(folder, name):
    saved = load_checkpoint_file(folder / name)
    kept = ("state_dict", "ema_state_dict", "optimizer")
    return {key: saved[key] for key in kept if key in saved}


def assert_equal(one, other):
    torch.testing.assert_close(one, other, rtol=0, atol=0)


def copy_until(whole, folder, name):
    folder.mkdir()
    shutil.copy(whole / name, folder / name)
    return str(folder / name)


@pytest.mark.parametrize("workers", WORKERS)
@pytest.mark.parametrize("loop", LOOPS)
def test_at_every_checkpoint(tmp_path, loop, workers):
    """Catches random numbers that depend on what a worker has loaded before."""
    whole = tmp_path / "whole"
    train(whole, loop, workers)
    stem, places = ("epoch", (1, 3)) if loop == "epochs" else ("iter", (3, 9))
    for place in places:
        folder = tmp_path / f"from {place}"
        start = copy_until(whole, folder, f"{stem}_{place}.pth")
        train(folder, loop, workers, load_from=start, resume=True)
        last = f"{stem}_{4 if loop == 'epochs' else 12}.pth"
        assert_equal(result(folder, last), result(whole, last))


def test_the_number_of_workers_changes_nothing(tmp_path):
    for workers in WORKERS:
        train(tmp_path / workers, workers=workers)
    results = [result(tmp_path / workers, "epoch_4.pth") for workers in WORKERS]
    assert_equal(results[1], results[0])
    assert_equal(results[2], results[0])


@pytest.mark.parametrize("loop", LOOPS)
def test_a_worker_that_was_killed_changes_nothing(tmp_path, capsys, monkeypatch, loop):
    # PyTorch looks every 5 s.
    look = _MultiProcessingDataLoaderIter._try_get_data
    monkeypatch.setattr(look, "__defaults__", (0.3,))
    train(tmp_path / "healthy", loop, "two that stay")
    sampler = "DefaultSampler" if loop == "epochs" else "InfiniteSampler"
    deadly = dict(loader("two that stay", sampler), dataset=Deadly(tmp_path / "dead"))
    train(tmp_path / "killed", loop, train_dataloader=deadly)
    last = "epoch_4.pth" if loop == "epochs" else "iter_12.pth"
    assert_equal(result(tmp_path / "killed", last), result(tmp_path / "healthy", last))
    assert "was killed" in capsys.readouterr().out


FEATURES = {
    "our average": lambda: dict(hooks=[WeightAverage(momentum=0.2, gamma=3)]),
    "mmengine's average": lambda: dict(hooks=[EMAHook(momentum=0.2)]),
    # 4 batches an epoch: the first checkpoint is in the middle of a step.
    "accumulation": lambda: dict(
        optim_wrapper=dict(optimizer=OPTIMIZER, accumulative_counts=3)
    ),
    "bf16": lambda: dict(
        optim_wrapper=dict(type="CpuAmpOptimWrapper", optimizer=OPTIMIZER)
    ),
    "a scheduler on a plateau": lambda: dict(
        param_scheduler=[
            dict(type="ReduceOnPlateauLR", monitor=SCORE, rule="greater", patience=1)
        ]
    ),
}


@pytest.mark.parametrize("feature", FEATURES)
def test_with_every_feature(tmp_path, feature):
    whole = tmp_path / "whole"
    train(whole, **FEATURES[feature]())
    for place in (1, 2):
        folder = tmp_path / f"from {place}"
        start = copy_until(whole, folder, f"epoch_{place}.pth")
        train(folder, load_from=start, resume=True, **FEATURES[feature]())
        assert_equal(result(folder, "epoch_4.pth"), result(whole, "epoch_4.pth"))


def test_early_stopping_goes_on_counting(tmp_path):
    """The validation after the checkpoint is made up for, as it was not finished."""
    scores = [0.5, 0.4, 0.4, 0.4, 0.4, 0.4]
    longer = dict(train_cfg=dict(LOOPS["epochs"], max_epochs=6))
    whole = tmp_path / "whole"
    runner = train(whole, hooks=[EarlyStop(SCORE, patience=2)], scores=scores, **longer)
    assert runner.epoch == 3
    start = copy_until(whole, tmp_path / "resumed", "epoch_2.pth")
    hook = EarlyStop(SCORE, patience=2)
    runner = train(
        tmp_path / "resumed",
        hooks=[hook],
        scores=scores[1:],
        load_from=start,
        resume=True,
        **longer,
    )
    assert (runner.epoch, hook.wait_count, hook.best_score) == (3, 2, 0.5)


def test_a_validation_that_was_finished_is_not_made_again(tmp_path):
    train(tmp_path / "whole")
    start = copy_until(tmp_path / "whole", tmp_path / "resumed", "epoch_2.pth")
    saved = load_checkpoint_file(start)
    saved["ghostnet_mm"]["validated_at"] = saved["meta"]["iter"]
    torch.save(saved, start)
    script = Script([0.1, 0.1])  # a third one would have no score
    folder = tmp_path / "resumed"
    train_line(
        folder,
        [ExactState()],
        script=script,
        train_dataloader=loader("none"),
        train_cfg=dict(LOOPS["epochs"]),
        load_from=start,
        resume=True,
    )
    assert script.scores == []


class Sizes(BaseModel):
    """Stands for a detector whose input size changes every second iteration."""

    def __init__(self):
        super().__init__()
        self.data_preprocessor.batch_augments = nn.ModuleList([Resizing()])
        self.weight = nn.Parameter(torch.zeros(1))

    def forward(self, x, y, mode):
        if mode == "loss":
            size = self.data_preprocessor.batch_augments[0]()
            return dict(loss=(self.weight * size).sum())
        return [self.weight.detach().clone()]


class Resizing(nn.Module):
    _input_size = None

    def forward(self):
        size = self._input_size
        # As mmdet's: from an iteration on, for so many after it.
        if random.random() < 0.3:
            self._input_size = (random.randint(1, 9), 1)
        return float(size[0]) if size else 1.0


def test_the_input_size_stays(tmp_path):
    whole = tmp_path / "whole"
    train(whole, model=Sizes())
    for place in (1, 2, 3):
        folder = tmp_path / f"from {place}"
        start = copy_until(whole, folder, f"epoch_{place}.pth")
        train(folder, load_from=start, resume=True, model=Sizes())
        assert_equal(result(folder, "epoch_4.pth"), result(whole, "epoch_4.pth"))


AUGMENTED = """
_base_ = {tiny!r}
train_pipeline = [
    dict(type="LoadImageFromFile"),
    dict(type="LoadAnnotations", with_bbox=True),
    dict(type="CachedMosaic", img_scale=(96, 96), max_cached_images=6),
    dict(type="RandomResize", scale=(96, 96), ratio_range=(0.7, 1.3), keep_ratio=True),
    dict(type="CachedMixUp", img_scale=(96, 96), max_cached_images=4),
    dict(type="YOLOXHSVRandomAug"),
    dict(type="RandomFlip", prob=0.5),
    dict(type="Pad", size=(128, 128)),
    dict(type="FilterAnnotations", min_gt_bbox_wh=(1, 1), keep_empty=False),
    dict(type="PackDetInputs"),
]
train_dataloader = dict(
    num_workers=2, persistent_workers=True, batch_size=2,
    dataset=dict(filter_cfg=None, pipeline=train_pipeline),
)
train_cfg = dict(max_epochs=2, val_interval=9)
default_hooks = dict(checkpoint=dict(interval=1))
"""


def test_a_detector_with_cached_mosaics_in_workers(tmp_path):
    """Catches a cache that goes on beyond a checkpoint."""
    data = make_tiny_coco(tmp_path / "data", images_per_split=12)
    config = tmp_path / "augmented.py"
    config.write_text(AUGMENTED.format(tiny=TINY))
    asked = ["train", config, "--data-root", data]
    done = run_here(*asked, "--work-dir", "whole", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    copy_until(tmp_path / "whole", tmp_path / "resumed", "epoch_1.pth")
    done = run_here(*asked, "--work-dir", "resumed", "--resume", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "resuming from" in done.stdout
    assert_equal(
        result(tmp_path / "resumed", "epoch_2.pth"),
        result(tmp_path / "whole", "epoch_2.pth"),
    )
