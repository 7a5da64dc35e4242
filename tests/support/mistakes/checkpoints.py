"""Checkpoints that do not fit, or are not there."""

from __future__ import annotations

import os
from pathlib import Path

import torch

from support.mistakes.cases import BadInput, weights_of, with_flags
from support.running_tools import TINY
from support.tiny_coco import make_tiny_coco


def _test_other_architecture(folder: Path) -> list[str]:
    root = make_tiny_coco(folder / "data")
    weights = weights_of(1.0, folder / "wide.pth")
    return [TINY, str(weights), "--data-root", str(root), "--out", "results.json"]


def _resume_other_architecture(folder: Path) -> list[str]:
    root = make_tiny_coco(folder / "data")
    weights = weights_of(1.0, folder / "wide.pth")
    return [TINY, "--data-root", str(root), "--resume", str(weights)]


def _backbone_weights_of_other_architecture(folder: Path) -> list[str]:
    root = make_tiny_coco(folder / "data")
    weights = weights_of(1.0, folder / "wide.pth")
    return [TINY, "--data-root", str(root), "--backbone-weights", str(weights)]


def _detect_other_architecture(folder: Path) -> list[str]:
    root = make_tiny_coco(folder / "data")
    weights = weights_of(1.0, folder / "wide.pth")
    return [str(root / "val2017"), "--config", TINY, "--checkpoint", str(weights)]


class _RunsCode:
    def __reduce__(self):
        return os.system, ("touch code_has_run",)


def _harmful_checkpoint(folder: Path) -> list[str]:
    root = make_tiny_coco(folder / "data")
    torch.save({"state_dict": {}, "meta": _RunsCode()}, folder / "harmful.pth")
    return [TINY, "harmful.pth", "--data-root", str(root)]


def _checkpoint_without_config(folder: Path) -> list[str]:
    root = make_tiny_coco(folder / "data")
    weights = weights_of(0.5, folder / "weights.pth")
    return [str(root / "val2017"), "--checkpoint", str(weights)]


CHECKPOINTS = (
    BadInput(
        "checkpoint of another architecture (test)",
        "test",
        _test_other_architecture,
        ("another architecture", "backbone.conv_stem.weight"),
    ),
    BadInput(
        "checkpoint of another architecture (detect)",
        "detect",
        _detect_other_architecture,
        ("another architecture", "backbone.conv_stem.weight"),
    ),
    BadInput(
        "checkpoint of another architecture (resume)",
        "train",
        _resume_other_architecture,
        ("another architecture", "backbone.conv_stem.weight"),
    ),
    BadInput(
        "backbone weights of another architecture",
        "train",
        _backbone_weights_of_other_architecture,
        ("wide.pth", "conv_stem.weight"),
    ),
    BadInput(
        "checkpoint that would run code",
        "test",
        _harmful_checkpoint,
        ("harmful.pth", "refused"),
    ),
    BadInput(
        "checkpoint that carries no config, and no --config",
        "detect",
        _checkpoint_without_config,
        ("--config",),
    ),
    BadInput(
        "checkpoint that does not exist",
        "test",
        lambda folder: [TINY, "epoch_99.pth"],
        ("epoch_99.pth", "does not exist"),
    ),
    BadInput(
        "checkpoint to resume that does not exist",
        "train",
        with_flags("--resume", "epoch_99.pth"),
        ("epoch_99.pth", "does not exist"),
    ),
    BadInput(
        "backbone weights that do not exist",
        "train",
        with_flags("--backbone-weights", "ghost.pth"),
        ("ghost.pth", "timm://NAME", "none"),
    ),
    BadInput(
        "backbone weights with an unknown timm name",
        "train",
        with_flags("--backbone-weights", "timm://ghostnet_1000"),
        ("ghostnet_1000", "ghostnet_100"),
    ),
)
