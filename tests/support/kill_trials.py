"""Kill a training at random moments, resume it, and see what was lost.

    python tests/support/kill_trials.py --kills 200

Every process is forked from one that has imported everything, so that a trial takes a
second or two. A killed run goes on until it is finished, which is compared bit for bit
with a run that was not killed; then the next one starts.
"""

import argparse
import collections
import contextlib
import ctypes
import io
import multiprocessing
import os
import random
import shutil
import signal
import sys
import tempfile
import time
import traceback
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import torch
from mmengine.hooks import Hook
from mmengine.registry import HOOKS

from ghostnet_mm.checkpoints import load_checkpoint_file
from ghostnet_mm.checkpoints.whole_files import is_whole
from ghostnet_mm.configuration import Options, prepare_run
from ghostnet_mm.configuration.training.resuming import find_checkpoint
from ghostnet_mm.engine.run import run_training
from support.running_tools import TINY
from support.tiny_coco import make_tiny_coco

EPOCHS, BATCHES = 6, 4
KEPT = ("state_dict", "ema_state_dict", "optimizer", "epoch")
PHASES = ("starting", "training", "validating")
ITERATION = multiprocessing.Value(ctypes.c_int, 0)
PHASE = multiprocessing.Value(ctypes.c_int, 0)


@HOOKS.register_module()
class Report(Hook):
    """Tells the killer where the run is."""

    priority = "HIGHEST"

    def before_train_epoch(self, runner):
        PHASE.value = 1

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
        ITERATION.value = runner.iter + 1

    def before_val_epoch(self, runner):
        PHASE.value = 2


def train(data: Path, folder: Path) -> None:
    settings = {
        "train_cfg.max_epochs": EPOCHS,
        "train_cfg.val_interval": 1,
        "default_hooks.checkpoint.interval": 1,
        "train_dataloader.num_workers": 1,
        "train_dataloader.persistent_workers": True,
        "train_dataloader.batch_size": 2,
        "custom_hooks": [dict(type="Report")],
    }
    options = Options(
        cfg_options=settings,
        data_root=data,
        work_dir=folder,
        resume="latest",
        ema=True,
        early_stop=4,
        accumulate=3,
        keep=2,
        amp="bf16",
    )
    prepared = prepare_run(TINY, options)
    run_training(prepared.cfg, prepared.model)


def start(data: Path, folder: Path) -> int:
    ITERATION.value = PHASE.value = 0
    process = os.fork()
    if process == 0:
        status = 1
        os.setsid()  # so that its data workers can be killed with it
        try:
            with contextlib.redirect_stdout(io.StringIO()):
                train(data, folder)
            status = 0
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(status)
    return process


def state(folder: Path) -> dict:
    saved = load_checkpoint_file(find_checkpoint(folder).newest)
    assert saved["meta"]["iter"] == saved["meta"]["epoch"] * BATCHES
    saved["epoch"] = torch.tensor(saved["meta"]["epoch"])  # early stopping may end it
    return {key: saved[key] for key in KEPT}


def done_of(folder: Path) -> int:
    newest = find_checkpoint(folder).newest
    return load_checkpoint_file(newest)["meta"]["iter"] if newest else 0


def trial(data: Path, folder: Path, longest: float) -> dict | None:
    """Kill a run once and look; ``None`` if it was finished before."""
    before = done_of(folder)
    left_over = set(folder.glob(".unfinished*"))
    process = start(data, folder)
    time.sleep(random.uniform(0, longest))
    ended, status = os.waitpid(process, os.WNOHANG)
    if ended:
        assert status == 0, "the run failed by itself"
        return None
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process, signal.SIGKILL)
        os.kill(process, signal.SIGKILL)
    os.waitpid(process, 0)
    writing = bool(set(folder.glob(".unfinished*")) - left_over)
    phase = "writing" if writing else PHASES[PHASE.value]
    after = done_of(folder)
    files = [file for file in folder.glob("*.pth") if not file.name.startswith(".")]
    return dict(
        phase=phase,
        lost=max(ITERATION.value - after, 0),
        backwards=after < before,
        damaged=sum(not is_whole(file) for file in files),
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--longest", type=float, default=6.0, help="s before a kill")
    arguments = parser.parse_args()
    random.seed(0)
    torch.set_num_threads(1)
    deadline = time.monotonic() + 60 * arguments.minutes
    with tempfile.TemporaryDirectory() as scratch:
        data = make_tiny_coco(Path(scratch, "data"), 2 * BATCHES)
        whole, folder = Path(scratch, "whole"), Path(scratch, "run")
        _, status = os.waitpid(start(data, whole), 0)
        assert status == 0
        trials, runs, unequal = [], 0, 0
        while len(trials) < arguments.kills and time.monotonic() < deadline:
            found = trial(data, folder, arguments.longest)
            if found is not None:
                trials.append(found)
                continue
            runs += 1
            try:
                torch.testing.assert_close(state(folder), state(whole), rtol=0, atol=0)
            except AssertionError:
                unequal += 1
            shutil.rmtree(folder)
    print(f"{len(trials)} kills, {runs} runs finished, {unequal} unlike the whole one")
    print("| killed while | kills | iterations lost, most | damaged | went back |")
    print("|---|---|---|---|---|")
    by_phase = collections.defaultdict(list)
    for found in trials:
        by_phase[found["phase"]].append(found)
    for phase, found in sorted(by_phase.items()):
        lost = max(item["lost"] for item in found)
        damaged = sum(item["damaged"] for item in found)
        backwards = sum(item["backwards"] for item in found)
        cells = [phase, len(found), f"{lost} of {BATCHES}", damaged, backwards]
        print(f"| {' | '.join(map(str, cells))} |")


if __name__ == "__main__":
    main()
