"""The numbers of the progress line against a run whose times are known."""

import io
import re
from types import SimpleNamespace

import pytest
import torch
from ghostnet_runtime.status_line import StatusLine
from mmengine.runner import EpochBasedTrainLoop, IterBasedTrainLoop

from ghostnet_mm.engine.hooks.progress_line import ProgressLine


def make_runner(kind, **values):
    """A runner as the hook sees it: 10 iterations an epoch, 3 epochs."""
    loop = object.__new__(kind)
    loop.val_interval = values.pop("val_interval", 1)
    loop.val_begin = values.pop("val_begin", 1)
    defaults = dict(
        train_loop=loop,
        val_loop=object(),
        epoch=0,
        iter=0,
        max_epochs=3,
        max_iters=30,
        train_dataloader=range(10),
        val_dataloader=SimpleNamespace(dataset=range(40)),
        optim_wrapper=SimpleNamespace(get_lr=lambda: {"lr": [0.02]}),
        message_hub=SimpleNamespace(
            get_info=lambda name, default: default, log_scalars={}
        ),
    )
    return SimpleNamespace(**{**defaults, **values})


@pytest.fixture
def clock(monkeypatch):
    now = [1000.0]
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    return now


def lines_of(hook, runner, clock, iterations, seconds=2.0, images=4):
    hook.before_run(runner)
    hook.line = StatusLine(interval=0, stream=io.StringIO())
    hook.before_train_epoch(runner)
    batch = {"inputs": [torch.zeros(1)] * images}
    for index in range(iterations):
        clock[0] += seconds
        hook.after_train_iter(runner, index, batch, {"loss": torch.tensor(1.25)})
        runner.iter += 1
    return hook.line.stream.getvalue().splitlines()


def test_what_the_line_says(clock):
    runner = make_runner(EpochBasedTrainLoop)
    last = lines_of(ProgressLine(), runner, clock, 5)[-1]
    # 25 iterations of 2 s are left, and 3 validations of 40 images at a third of
    # 0.5 s each.
    assert last == (
        "epoch 1/3 iter 5/10  loss 1.2500  lr 0.02  2.0 images/s  elapsed 10s  "
        "ETA 1m10s"
    )


def test_a_timed_validation_counts_as_it_was(clock):
    runner = make_runner(EpochBasedTrainLoop)
    hook = ProgressLine()
    lines_of(hook, runner, clock, 10)
    hook.before_val_epoch(runner)
    clock[0] += 30
    runner.epoch = 1
    hook.after_val_epoch(runner, {"coco/bbox_mAP": 0.5})
    hook.before_train_epoch(runner)
    clock[0] += 2
    hook.after_train_iter(runner, 0, {"inputs": [0] * 4}, {"loss": torch.tensor(1.0)})
    last = hook.line.stream.getvalue().splitlines()[-1]
    # 19 iterations of 2 s and two validations of 30 s; the 30 s are no iteration's.
    assert last.endswith("ETA 1m38s")
    assert "2.0 images/s" in last


@pytest.mark.parametrize(
    ("settings", "epoch", "left"),
    [
        (dict(val_interval=1), 0, 3),
        (dict(val_interval=2), 0, 2),  # epochs 2 and 3, the last
        (dict(val_interval=2), 2, 1),
        (dict(val_interval=3), 0, 1),
        (dict(val_interval=1, val_begin=3), 0, 1),
        (dict(val_interval=1), 3, 0),
        (dict(val_loop=None), 0, 0),
    ],
)
def test_validations_left(settings, epoch, left):
    runner = make_runner(EpochBasedTrainLoop, epoch=epoch, **settings)
    assert ProgressLine()._validations_left(runner) == left


def test_a_loop_without_epochs(clock):
    runner = make_runner(IterBasedTrainLoop, val_interval=15)
    last = lines_of(ProgressLine(), runner, clock, 5)[-1]
    assert re.match(r"iter 5/30  loss 1\.2500", last)
    assert ProgressLine()._validations_left(runner) == 2


def test_other_processes_keep_quiet(clock, monkeypatch):
    module = "ghostnet_mm.engine.hooks.progress_line"
    monkeypatch.setattr(f"{module}.is_main_process", lambda: False)
    runner = make_runner(EpochBasedTrainLoop)
    assert lines_of(ProgressLine(), runner, clock, 5) == []


def test_images_of_all_processes_count(clock, monkeypatch):
    module = "ghostnet_mm.engine.hooks.progress_line"
    monkeypatch.setattr(f"{module}.get_world_size", lambda: 8)
    runner = make_runner(EpochBasedTrainLoop)
    assert "  16.0 images/s" in lines_of(ProgressLine(), runner, clock, 5)[-1]


def test_training_without_validation_has_an_eta_too(clock):
    runner = make_runner(EpochBasedTrainLoop, val_loop=None)
    del runner.val_dataloader
    last = lines_of(ProgressLine(), runner, clock, 5)[-1]
    assert "ETA 50s" in last
