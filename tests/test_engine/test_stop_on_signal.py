"""A run that is asked to stop loses nothing, wherever it is."""

import os
import re
import signal
import subprocess
import sys
import threading
import time

import pytest
import torch
from mmengine.hooks import Hook
from support.running_tools import ROOT, TINY
from support.tiny_coco import make_tiny_coco
from support.trained_line import Script, loader, train_line

from ghostnet_mm.checkpoints import load_checkpoint_file
from ghostnet_mm.configuration.command_line import RunInterrupted, run_tool
from ghostnet_mm.configuration.training.resuming import find_checkpoint
from ghostnet_mm.engine.hooks.stop_on_signal import StopOnSignal, stop_signals
from ghostnet_mm.engine.hooks.weight_average import WeightAverage


class Press(Hook):
    """Sends this process a signal at one moment."""

    priority = "VERY_HIGH"

    def __init__(self, moment, at, number=signal.SIGINT):
        self.moment, self.at, self.number = moment, at, number

    def _press(self, moment, at):
        if (moment, at) == (self.moment, self.at):
            os.kill(os.getpid(), self.number)

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
        self._press("train", runner.iter)

    def after_val_iter(self, runner, batch_idx, data_batch=None, outputs=None):
        self._press("val", runner.epoch)


LOOPS = {
    "epoch": dict(type="ResumableEpochLoop", max_epochs=3, val_interval=1),
    "iter": dict(by_epoch=False, max_iters=12, val_interval=4),
}


def settings(loop, **more):
    by_epoch = loop == "epoch"
    interval = 3 if by_epoch else 12
    checkpoint = dict(type="WholeCheckpoints", by_epoch=by_epoch, interval=interval)
    warm_up = dict(type="LinearLR", start_factor=0.1, by_epoch=False, begin=0, end=9)
    usual = dict(
        train_cfg=LOOPS[loop],
        default_hooks=dict(checkpoint=checkpoint),
        param_scheduler=[warm_up],
        log_processor=dict(by_epoch=by_epoch),
    )
    if not by_epoch:  # any other sampler makes mmengine wait for seconds
        sampler = dict(type="InfiniteSampler", shuffle=False)
        usual["train_dataloader"] = dict(loader(), sampler=sampler)
    return {**usual, **more}


def train(folder, loop, *hooks, **more):
    """Train in a folder with hooks besides an average of the weights."""
    folder.mkdir(exist_ok=True)
    script = more.pop("script", Script([0.1] * 5))
    with stop_signals() as request:
        hooks = [WeightAverage(momentum=0.2, gamma=3), *hooks, StopOnSignal(request)]
        return train_line(folder, hooks, script=script, **settings(loop, **more))


def final_state(folder, loop):
    name = "epoch_3.pth" if loop == "epoch" else "iter_12.pth"
    saved = load_checkpoint_file(folder / name)
    return {key: saved[key] for key in ("state_dict", "ema_state_dict", "optimizer")}


@pytest.mark.parametrize("loop", LOOPS)
@pytest.mark.parametrize(
    ("moment", "at"), [("train", 0), ("train", 5), ("train", 7), ("val", 1)]
)
def test_the_resumed_run_equals_the_uninterrupted_one(
    tmp_path, capsys, loop, moment, at
):
    """Bit for bit: in the middle of an epoch, at its end, and in a validation."""
    if loop == "iter" and moment == "val":
        at = 0
    train(tmp_path / "whole", loop)
    folder = tmp_path / "stopped"
    with pytest.raises(RunInterrupted) as caught:
        train(folder, loop, Press(moment, at))
    assert caught.value.status == 130
    said = capsys.readouterr().out
    assert "Ctrl-C: stopping after this step; once more stops at once" in said
    assert "nothing is lost: go on with the same command and --resume" in said
    newest = find_checkpoint(folder).newest
    assert newest == str(folder / "interrupted.pth")
    assert load_checkpoint_file(newest)["meta"]["iter"] == {0: 1, 5: 6, 7: 8}.get(
        at if moment == "train" else -1, 4
    )
    train(folder, loop, resume=True, load_from=newest)
    torch.testing.assert_close(
        final_state(folder, loop),
        final_state(tmp_path / "whole", loop),
        rtol=0,
        atol=0,
    )
    # The next checkpoint takes its place.
    assert not (folder / "interrupted.pth").exists()


def test_batches_that_are_accumulated_are_not_lost(tmp_path):
    wrapper = dict(
        optim_wrapper=dict(optimizer=dict(type="SGD", lr=0.3), accumulative_counts=4)
    )
    train(tmp_path / "whole", "epoch", **wrapper)
    folder = tmp_path / "stopped"
    with pytest.raises(RunInterrupted):
        train(folder, "epoch", Press("train", 5), **wrapper)
    newest = str(folder / "interrupted.pth")
    assert load_checkpoint_file(newest)["meta"]["iter"] == 8
    train(folder, "epoch", resume=True, load_from=newest, **wrapper)
    torch.testing.assert_close(
        final_state(folder, "epoch"),
        final_state(tmp_path / "whole", "epoch"),
        rtol=0,
        atol=0,
    )


def test_a_shuffled_epoch_goes_on_in_its_own_order(tmp_path):
    """Catches a resumed run that shuffles by a seed of its own."""
    seen = []

    class Note(Hook):
        def before_train_iter(self, runner, batch_idx, data_batch=None):
            seen.append(data_batch[0].clone())

    sampler = dict(type="DefaultSampler", shuffle=True)
    shuffled = dict(train_dataloader=dict(loader(), sampler=sampler))
    with pytest.raises(RunInterrupted):
        train(tmp_path, "epoch", Note(), Press("train", 1), **shuffled)
    newest = str(tmp_path / "interrupted.pth")
    train(tmp_path, "epoch", Note(), resume=True, load_from=newest, **shuffled)
    assert len(seen) == 12
    # Every picture of the interrupted epoch once.
    assert len(torch.unique(torch.cat(seen[:4]), dim=0)) == 8


def test_a_validation_after_a_checkpoint_is_left_at_once(tmp_path):
    with pytest.raises(RunInterrupted):
        train(
            tmp_path,
            "epoch",
            Press("val", 2),
            default_hooks=dict(checkpoint=dict(type="WholeCheckpoints", interval=1)),
        )
    assert find_checkpoint(tmp_path).newest == str(tmp_path / "epoch_2.pth")
    assert not (tmp_path / "interrupted.pth").exists()


def test_the_second_time_it_stops_at_once():
    with stop_signals() as request:
        os.kill(os.getpid(), signal.SIGTERM)
        assert request.signal == signal.SIGTERM
        with pytest.raises(RunInterrupted) as caught:
            signal.raise_signal(signal.SIGTERM)
    assert caught.value.status == 143


def test_handlers_are_put_back():
    before = {number: signal.getsignal(number) for number in (2, 15)}
    with stop_signals():
        assert signal.getsignal(signal.SIGINT) != before[2]
    assert {number: signal.getsignal(number) for number in (2, 15)} == before


def test_a_run_beside_the_main_thread_is_left_alone():
    found = []
    before = signal.getsignal(signal.SIGINT)

    def run():
        with stop_signals() as request:
            found.append((request.signal, signal.getsignal(signal.SIGINT)))

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    assert found == [(None, before)]


def test_the_tool_says_no_more_and_gives_the_status(capsys):
    def work():
        raise RunInterrupted(143)

    assert run_tool(work) == 143
    assert capsys.readouterr().err == ""


def test_sigterm_to_the_tool_with_workers(tmp_path):
    """A batch system ends all of a job's processes; --resume goes on."""
    make_tiny_coco(tmp_path / "data")
    command = [sys.executable, str(ROOT / "tools" / "train.py"), TINY]
    command += ["--data-root", "data", "--work-dir", "run", "--cfg-options"]
    command += ["train_dataloader.num_workers=1", "train_cfg.max_epochs=100000"]
    command += [
        "train_dataloader.persistent_workers=True",
        "train_cfg.val_interval=99999",
    ]
    command += ["default_hooks.checkpoint.interval=99999"]
    process = subprocess.Popen(
        command,
        cwd=tmp_path,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    scalars = tmp_path / "run"
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and not any(
        re.search(r"Epoch\(train\)", file.read_text())
        for file in scalars.glob("*/*.log")
    ):
        time.sleep(0.2)
    os.killpg(process.pid, signal.SIGTERM)
    out, err = process.communicate(timeout=120)
    assert process.returncode == 143, err
    assert "SIGTERM: stopping after this step" in out
    assert "go on with the same command and --resume" in out
    assert "Traceback" not in err
    meta = load_checkpoint_file(tmp_path / "run" / "interrupted.pth")["meta"]
    assert meta["iter"] > 0
