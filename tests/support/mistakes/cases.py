"""One mistake of a user, and how to make it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch

from support.running_tools import TINY
from support.tiny_coco import make_tiny_coco

Prepare = Callable[[Path], list[str]]


@dataclass(frozen=True)
class BadInput:
    """One mistake.

    Attributes:
        mistake: What the user did, in words.
        tool: ``train``, ``test`` or ``detect``.
        prepare: Makes the files in an empty folder, which is also the working
            directory, and returns the command line.
        says: What the message must contain.
    """

    mistake: str
    tool: str
    prepare: Prepare
    says: tuple[str, ...]


def with_options(*assignments: str) -> Prepare:
    """Train the tiny detector on good data with these ``--cfg-options``."""

    def prepare(folder: Path) -> list[str]:
        root = make_tiny_coco(folder / "data")
        return [TINY, "--data-root", str(root), "--cfg-options", *assignments]

    return prepare


def with_flags(*flags: str) -> Prepare:
    def prepare(folder: Path) -> list[str]:
        return [TINY, "--data-root", str(make_tiny_coco(folder / "data")), *flags]

    return prepare


def weights_of(widen_factor: float, path: Path, num_classes: int = 80) -> Path:
    from mmdet.registry import MODELS

    from ghostnet_mm.configuration import Options, load_config

    options = {
        "model.backbone.widen_factor": widen_factor,
        "model.bbox_head.num_classes": num_classes,
    }
    cfg = load_config(TINY, Options(cfg_options=options))
    torch.save({"state_dict": MODELS.build(cfg.model).state_dict(), "meta": {}}, path)
    return path
