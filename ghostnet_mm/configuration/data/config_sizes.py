"""What a detection config does to the size of objects, and what it can see of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from mmdet.registry import TASK_UTILS
from mmengine.config import Config

from ...datasets.checks.config_fit import Anchors, Rescale
from ...datasets.wrappers import steps_of_testing

RESIZES = frozenset({"Resize", "RandomResize", "RandomChoiceResize"})
MOSAICS = frozenset({"Mosaic", "CachedMosaic"})


def rescales_of(cfg: Config) -> dict[str, Rescale]:
    """Return how the config resizes pictures, by ``train`` and ``test``.

    One that resizes in no way that is known is left out.

    Args:
        cfg: A detection config.
    """
    steps: dict[str, list[dict[str, Any]]] = {}
    if cfg.get("train_dataloader"):
        steps["train"] = list(steps_of_training(cfg))
    if cfg.get("test_dataloader"):
        steps["test"] = steps_of_testing(cfg)
    found = {phase: _first_rescale(listed) for phase, listed in steps.items()}
    return {phase: rescale for phase, rescale in found.items() if rescale is not None}


def steps_of_training(cfg: Config) -> Iterator[dict[str, Any]]:
    """Yield the steps of the training pipelines as they are run, the inmost first."""
    yield from _steps_of(cfg.train_dataloader["dataset"])


def least_box(cfg: Config) -> tuple[float, float] | None:
    """Return width and height that ``FilterAnnotations`` wants boxes to exceed."""
    for step in steps_of_training(cfg) if cfg.get("train_dataloader") else ():
        if _kind(step) == "FilterAnnotations" and step.get("by_box", True):
            width, height = step.get("min_gt_bbox_wh", (1, 1))
            return width, height
    return None


def anchors_of(cfg: Config) -> Anchors | None:
    """Return the anchors of the config's first stage.

    ``None`` where boxes are matched in another way than by their overlap with anchors.
    """
    rules = cfg.model.get("train_cfg") or {}
    for head, own in (("bbox_head", rules), ("rpn_head", rules.get("rpn") or {})):
        generator = (cfg.model.get(head) or {}).get("anchor_generator")
        overlap = (own.get("assigner") or {}).get("pos_iou_thr")
        if generator is None or overlap is None:
            continue
        levels = TASK_UTILS.build(generator).base_anchors
        corners = np.concatenate([np.asarray(level) for level in levels])
        return Anchors(corners[:, 2:] - corners[:, :2], float(overlap))
    return None


def _steps_of(dataset: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    inner = dataset.get("dataset") or (dataset.get("datasets") or [None])[0]
    if isinstance(inner, Mapping):
        yield from _steps_of(inner)
    yield from dataset.get("pipeline") or ()


def _kind(step: Mapping[str, Any]) -> str:
    return str(step.get("type")).rpartition(".")[2]


def _first_rescale(steps: Sequence[Mapping[str, Any]]) -> Rescale | None:
    for step in steps:
        kind = _kind(step)
        if kind in MOSAICS:
            width, height = step.get("img_scale", (640, 640))
            return Rescale(width, height, keep_ratio=True)
        scale = _scale(step.get("scales" if kind == "RandomChoiceResize" else "scale"))
        if kind in RESIZES and scale is not None:
            keeps = bool(step.get("keep_ratio", False))
            return Rescale(*scale, keep_ratio=keeps)
    return None


def _scale(value: Any) -> tuple[float, float] | None:
    """Return width and height; of several the one in the middle."""
    if isinstance(value, int):
        return value, value
    if not isinstance(value, Sequence) or not value:
        return None
    if all(isinstance(side, (int, float)) for side in value):
        return (value[0], value[1]) if len(value) == 2 else None
    middle = np.median([sorted(each) for each in value], axis=0)
    return float(middle[1]), float(middle[0])
