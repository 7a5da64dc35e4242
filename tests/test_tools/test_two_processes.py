"""Two gloo processes on CPUs do what one does."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from support.running_tools import ROOT, TINY
from support.tiny_coco import make_tiny_coco

from ghostnet_mm.checkpoints import load_checkpoint_file

SCRIPT = str(Path(__file__).parents[1] / "support" / "gradients_of_a_batch.py")
ENVIRONMENT = {
    **os.environ,
    "OMP_NUM_THREADS": "1",
    "PYTHON": sys.executable,
    "PYTHONPATH": str(ROOT / "tests"),
}


def run(*command: str, cwd: Path) -> subprocess.CompletedProcess:
    return subprocess.run(
        command,
        cwd=cwd,
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def test_averaged_gradients_equal_those_of_the_joint_batch(tmp_path):
    alone = run(sys.executable, SCRIPT, "alone.pth", cwd=tmp_path)
    assert alone.returncode == 0, alone.stderr
    together = run(
        *(sys.executable, "-m", "torch.distributed.run", "--standalone"),
        *("--nproc-per-node", "2", SCRIPT, "together.pth"),
        cwd=tmp_path,
    )
    assert together.returncode == 0, together.stderr
    expected = torch.load(tmp_path / "alone.pth", weights_only=True)
    averaged = torch.load(tmp_path / "together.pth", weights_only=True)
    assert len(expected) > 100
    assert not any("conv_stem" in name for name in expected)  # frozen
    assert any(gradient.abs().max() > 1e-3 for gradient in expected.values())
    torch.testing.assert_close(averaged, expected, rtol=1e-4, atol=1e-6)


def test_dist_train_trains_and_evaluates(tmp_path):
    make_tiny_coco(tmp_path / "data")
    done = run(
        *(str(ROOT / "tools" / "dist_train.sh"), TINY, "2", "--data-root", "data"),
        *("--work-dir", "run", "--auto-scale-lr", "--cfg-options"),
        *("train_cfg.max_epochs=2", "train_cfg.val_interval=2"),
        *("train_dataloader.batch_size=1", "default_hooks.checkpoint.interval=2"),
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stderr
    # Four images, one for each of two processes: two iterations an epoch.
    assert "training tiny_detector on 2 x cpu" in done.stdout
    assert re.search(r"epoch 2/2 iter 2/2  loss \d", done.stdout)
    # 2 images a step where the recipe's 0.004 is for 16.
    assert "lr 0.0005 " in done.stdout
    assert done.stdout.count("epoch 2/2 validation: boxes AP") == 1
    assert done.stdout.count("AP small") == 1
    meta = load_checkpoint_file(tmp_path / "run" / "epoch_2.pth")["meta"]
    assert meta["iter"] == 4


def test_two_processes_score_as_one_does(tmp_path):
    make_tiny_coco(tmp_path / "data")
    trained = run(
        *(sys.executable, "-m", "ghostnet_mm", "train", TINY, "--data-root", "data"),
        *("--epochs", "16", "--seed", "0", "--work-dir", "run"),
        cwd=tmp_path,
    )
    assert trained.returncode == 0, trained.stderr
    test = (
        "-m",
        "ghostnet_mm",
        "test",
        TINY,
        "run/epoch_16.pth",
        "--data-root",
        "data",
    )
    alone = run(sys.executable, *test, "--work-dir", "alone", cwd=tmp_path)
    assert alone.returncode == 0, alone.stderr
    together = run(
        *(sys.executable, "-m", "torch.distributed.run", "--standalone"),
        *("--nproc-per-node", "2", *test, "--launcher", "pytorch"),
        *("--work-dir", "together"),
        cwd=tmp_path,
    )
    assert together.returncode == 0, together.stderr
    expected, found = (
        json.loads((tmp_path / name / "evaluation.json").read_text())
        for name in ("alone", "together")
    )
    assert expected["scores"]["coco/bbox_mAP"] > 0
    assert found == expected


@pytest.mark.parametrize("arguments", [[], [TINY], [TINY, "--amp"]])
def test_dist_train_says_how_to_call_it(arguments, tmp_path):
    done = run(str(ROOT / "tools" / "dist_train.sh"), *arguments, cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr.startswith("usage: tools/dist_train.sh CONFIG N")


def test_a_mistake_is_told_once(tmp_path):
    done = run(
        *(str(ROOT / "tools" / "dist_train.sh"), TINY, "2", "--data-root", "nowhere"),
        cwd=tmp_path,
    )
    assert done.returncode != 0
    assert done.stderr.count("error: The data root nowhere") == 1
    assert not list(tmp_path.iterdir())
