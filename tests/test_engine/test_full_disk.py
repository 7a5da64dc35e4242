"""A disk that is full ends a run with one sentence, and takes no checkpoint along."""

import errno
import os

import pytest
from mmengine.visualization import LocalVisBackend
from support.running_tools import TINY, run, run_here
from support.tiny_coco import make_tiny_coco

from ghostnet_mm.checkpoints.whole_files import is_whole
from ghostnet_mm.configuration.training.resuming import find_checkpoint

SHORT = ["--cfg-options", "default_hooks.checkpoint.interval=1"]
SHORT += ["train_cfg.max_epochs=2"]


@pytest.fixture
def data(tmp_path):
    return make_tiny_coco(tmp_path / "data")


def test_a_curve_that_cannot_be_written(data, tmp_path, monkeypatch):
    """Catches a traceback where the record of the losses is written."""
    add = LocalVisBackend.add_scalars
    calls = []

    def full(self, *args, **kwargs):
        calls.append(1)
        if len(calls) > 2:
            raise OSError(errno.ENOSPC, "No space left on device", "scalars.json")
        add(self, *args, **kwargs)

    monkeypatch.setattr(LocalVisBackend, "add_scalars", full)
    log = ["default_hooks.logger.interval=1"]
    done = run_here(
        "train",
        TINY,
        "--data-root",
        data,
        "--work-dir",
        "run",
        *SHORT,
        *log,
        cwd=tmp_path,
    )
    assert done.returncode == 2, done.stderr
    newest = find_checkpoint(tmp_path / "run").newest
    assert newest is not None
    assert done.stderr.strip().endswith(
        "scalars.json cannot be written (No space left on device); make room on that "
        "disk; run/epoch_1.pth is whole: go on with --resume."
    )
    assert is_whole(newest)


def test_the_largest_size_of_a_file_is_reached(data, tmp_path):
    """A real error of the operating system, while a checkpoint is written."""
    site = tmp_path / "site"
    site.mkdir()
    (site / "sitecustomize.py").write_text(
        "import resource\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, 1_000_000))\n"
        "import signal\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
    )
    first = ["train", TINY, "--data-root", data, "--work-dir", "run", *SHORT]
    done = run_here(*first, "train_cfg.max_epochs=1", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    path = os.pathsep.join([str(site), os.environ.get("PYTHONPATH", "")])
    done = run(first[0], TINY, "--resume", *first[2:], cwd=tmp_path, PYTHONPATH=path)
    assert done.returncode == 2, done.stderr
    assert "epoch_2.pth cannot be written (File too large)" in done.stderr
    assert "Traceback" not in done.stderr
    assert find_checkpoint(tmp_path / "run").newest.endswith("epoch_1.pth")
    assert not list((tmp_path / "run").glob(".unfinished*"))
