"""Early stopping: which score to watch, and whether the run validates often enough."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mmengine.config import Config

from ...datasets.layouts.folder import evaluators_in, is_coco_metric
from ...errors import OptionError

PATIENCE = 5
VALIDATION = ("val_dataloader", "val_cfg", "val_evaluator")
# Name of the main score behind the metric's prefix; CocoMetric puts the kind before it.
MAIN_SCORES = {
    "CocoMetric": ("coco", "mAP"),
    "FastCocoMetric": ("coco", "mAP"),
    "VOCMetric": ("pascal_voc", "mAP"),
    "CrowdHumanMetric": ("crowd_human", "mAP"),
    "OpenImagesMetric": ("openimages", "mAP"),
}


def stop_early(cfg: Config, patience: bool | int) -> None:
    """End the run when its main score stops rising, and keep the best checkpoint.

    Raises:
        OptionError: The run does not validate, or too seldom, or its evaluator has no
            main score that is known here.
    """
    patience = PATIENCE if patience is True else patience
    if patience < 1:
        raise OptionError(
            f"--early-stop {patience} is not possible: give the number of validations "
            f"to wait for a better score, 1 or more."
        )
    if any(cfg.get(key) is None for key in VALIDATION):
        raise OptionError(
            "--early-stop needs a validation: the config has no val_dataloader, "
            "val_cfg or val_evaluator."
        )
    validations = _number_of_validations(cfg.get("train_cfg") or {})
    if validations <= patience + 1:
        raise OptionError(
            f"--early-stop {patience} could never end a run of {validations} "
            f"validations; validate more often with --cfg-options "
            f"train_cfg.val_interval=1, or wait for fewer."
        )
    monitor = main_score(cfg.val_evaluator)
    hooks = [
        hook
        for hook in cfg.get("custom_hooks") or []
        if hook.get("type") not in ("EarlyStop", "EarlyStoppingHook")
    ]
    hooks.append(dict(type="EarlyStop", monitor=monitor, patience=patience))
    cfg.custom_hooks = hooks
    default_hooks = cfg.get("default_hooks")
    if default_hooks is None:
        cfg.default_hooks = default_hooks = {}
    default_hooks.setdefault("checkpoint", dict(type="CheckpointHook"))
    default_hooks["checkpoint"].update(save_best=monitor, rule="greater")


def main_score(evaluators: Any) -> str:
    """Return the name of the score that a validation is judged by.

    Raises:
        OptionError: None that is known here.
    """
    evaluators = evaluators_in(evaluators)
    for evaluator in evaluators:
        kind = str(evaluator.get("type")).rpartition(".")[2]
        if kind not in MAIN_SCORES:
            continue
        prefix, name = MAIN_SCORES[kind]
        if is_coco_metric(evaluator):
            metric = evaluator.get("metric", "bbox")
            metric = metric if isinstance(metric, str) else metric[0]
            if metric not in ("bbox", "segm"):
                continue
            name = f"{metric}_{name}"
        return f"{evaluator.get('prefix') or prefix}/{name}"
    raise OptionError(
        f"--early-stop finds no main score in val_evaluator; it knows "
        f"{', '.join(MAIN_SCORES)}."
    )


def _number_of_validations(loop: Mapping[str, Any]) -> int:
    """Count the validations of a run as mmengine's loops make them."""
    last = loop.get("max_epochs") or loop.get("max_iters") or 0
    interval = loop.get("val_interval", 1 if "max_epochs" in loop else 1000)
    begin = loop.get("val_begin", 1)
    changes = sorted(map(tuple, loop.get("dynamic_intervals") or []))
    count = 0
    for step in range(1, last + 1):
        # mmengine looks one step ahead for the interval.
        while changes and changes[0][0] <= step + 1:
            interval = changes.pop(0)[1]
        count += step >= begin and (step % interval == 0 or step == last)
    return count
