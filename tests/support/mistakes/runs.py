"""Work dirs, configs and flags that cannot be meant."""

from __future__ import annotations

from pathlib import Path

from support.mistakes.cases import (
    BadInput,
    Prepare,
    weights_of,
    with_flags,
    with_options,
)
from support.running_tools import TINY


def _occupied_work_dir(folder: Path) -> list[str]:
    argv = with_flags("--work-dir", "run")(folder)
    (folder / "run").mkdir()
    (folder / "run" / "yolox_ghostnet_coco.py").write_text("model = dict(type='YOLOX')")
    return argv


def _work_dir_of_other_model(folder: Path) -> list[str]:
    from ghostnet_mm.configuration import load_config

    argv = with_flags("--work-dir", "run")(folder)
    (folder / "run").mkdir()
    load_config(TINY).dump(folder / "run" / Path(TINY).name)
    (folder / "run" / "epoch_1.pth").write_bytes(b"")
    return [*argv, "--cfg-options", "model.backbone.widen_factor=1.0"]


def _config_with(text: str) -> Prepare:
    def prepare(folder: Path) -> list[str]:
        (folder / "mine.py").write_text(text)
        return ["mine.py"]

    return prepare


RUNS = (
    BadInput(
        "work dir that holds another config's run",
        "train",
        _occupied_work_dir,
        ("run", "yolox_ghostnet_coco.py", "--work-dir"),
    ),
    BadInput(
        "work dir that holds the run of another model of the same config",
        "train",
        _work_dir_of_other_model,
        ("run", "widen_factor was 0.5 and is now 1.0", "--work-dir"),
    ),
    BadInput(
        "config that does not exist",
        "train",
        lambda folder: [TINY.replace("tiny_detector", "tiny_detektor")],
        ("does not exist", "tiny_detector.py"),
    ),
    BadInput(
        "config that is not Python",
        "train",
        _config_with("model = dict("),
        ("mine.py", "not valid Python"),
    ),
    BadInput(
        "config with an unknown base",
        "train",
        _config_with("_base_ = './nothing.py'"),
        ("mine.py", "nothing.py"),
    ),
    BadInput(
        "config without a detector",
        "train",
        _config_with("lr = 0.1"),
        ("mine.py", "model"),
    ),
    BadInput(
        "mistyped --cfg-options",
        "train",
        with_options("model.backbone.widen_facter=0.5"),
        ("model.backbone.widen_factor?",),
    ),
    BadInput(
        "--cfg-options of mmdet 2",
        "train",
        with_options("optimizer.lr=0.1"),
        ("optimizer.lr", "optim_wrapper.optimizer.lr?"),
    ),
    BadInput(
        "--cfg-options data_root",
        "train",
        with_options("data_root=data"),
        ("--data-root DIR",),
    ),
    BadInput(
        "--cfg-options without =",
        "train",
        with_options("model.backbone"),
        ("KEY=VALUE",),
    ),
    BadInput(
        "asks for float16 on a CPU",
        "train",
        with_flags("--amp", "fp16"),
        ("bf16",),
    ),
    BadInput(
        "averages weights with a momentum above 1",
        "train",
        with_flags("--ema", "1.5"),
        ("--ema 1.5", "below 1"),
    ),
    BadInput(
        "accumulates no batches",
        "train",
        with_flags("--accumulate", "0"),
        ("--accumulate 0",),
    ),
    BadInput(
        "lets deeper layers learn more slowly",
        "train",
        with_flags("--layer-decay", "1.2"),
        ("--layer-decay 1.2",),
    ),
    BadInput(
        "freezes random weights",
        "train",
        with_flags("--freeze", "stem"),
        ("--freeze stem",),
    ),
    BadInput(
        "gives a negative seed",
        "train",
        with_flags("--seed", "-1"),
        ("--seed -1",),
    ),
    BadInput(
        "--vis without the package",
        "train",
        with_flags("--vis", "wandb"),
        ("wandb", "pip install"),
    ),
    BadInput(
        "--out in a folder that does not exist",
        "test",
        lambda folder: [
            TINY,
            str(weights_of(0.5, folder / "weights.pth")),
            "--out",
            "nowhere/results.json",
        ],
        ("nowhere/results.json",),
    ),
)
