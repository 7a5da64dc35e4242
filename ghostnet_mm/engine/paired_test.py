"""Two detectors on one test split, to say which is better."""

from __future__ import annotations

import copy
import json
import os
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ghostnet_runtime.atomic_writing import write_text
from mmengine.config import Config

from ..configuration import Options, PreparedRun, prepare_config
from ..configuration.console import is_first_process, tell
from ..datasets.layouts.folder import evaluators_in, is_coco_metric
from ..datasets.wrappers import inner_datasets, steps_of_testing
from ..errors import OptionError
from ..evaluation.model_difference import ModelDifference
from .evaluation import Evaluation
from .inference.stored_model import (
    StoredModel,
    class_descriptions,
    class_names,
    config_to_run,
    read_stored_model,
)
from .run import run_testing


def prepare_other(cfg: Config, checkpoint: str | os.PathLike[str]) -> PreparedRun:
    """Prepare the test of another checkpoint on the test split of a config.

    Args:
        cfg: The config of the first detector, after all options.
        checkpoint: The other detector, with the config it carries.

    Returns:
        Its own model and pipeline, with the first one's pictures and metrics.

    Raises:
        UserError: The checkpoint is unusable, carries no config, or has other classes.
    """
    stored = read_stored_model(checkpoint)
    names = class_names(class_descriptions(stored))
    expected = class_names(class_descriptions(StoredModel("", {}, {}, cfg)))
    if set(names) != set(expected):
        differing = ", ".join(sorted(set(names) ^ set(expected))[:5])
        raise OptionError(
            f"{checkpoint} has other classes than the first detector ({differing}), so "
            f"their scores cannot be compared; train both on the same data."
        )
    options = Options(work_dir=str(Path(cfg.work_dir) / "compared"))
    other = config_to_run(stored, f"{Path(checkpoint).stem}.py")
    prepared = prepare_config(other, options, training=False)
    loader = copy.deepcopy(cfg.test_dataloader)
    for _, dataset in inner_datasets(loader["dataset"]):
        dataset["pipeline"] = copy.deepcopy(steps_of_testing(other))
    other.test_evaluator = _evaluators(cfg.test_evaluator, other.test_evaluator)
    other.test_dataloader, other.test_cfg = loader, copy.deepcopy(cfg.test_cfg)
    return prepared


def compare_tests(
    first: Evaluation,
    checkpoint: str | os.PathLike[str],
    prepared: PreparedRun,
    other: str | os.PathLike[str],
    score_threshold: float = 0.3,
) -> dict[str, ModelDifference]:
    """Test another checkpoint, and say whether it is better.

    Args:
        first: The evaluation of the first detector.
        checkpoint: Its weights, for the tables.
        prepared: The other detector, from `prepare_other`.
        other: Its weights.
        score_threshold: See `run_testing`.

    Returns:
        By ``bbox`` and ``segm``, as in `Evaluation.compare`; empty in the other
        processes of a parallel run.
    """
    second = run_testing(
        prepared.cfg, other, score_threshold=score_threshold, model=prepared.model
    )
    if not is_first_process():
        return {}
    differences = first.compare(second)
    for difference in differences.values():
        print("\n" + difference.table(str(checkpoint), str(other)))
        tell(difference.verdict(str(checkpoint), str(other)))
    file = Path(prepared.cfg.work_dir).parent / "comparison.json"
    content = {kind: asdict(value) for kind, value in differences.items()}
    write_text(file, json.dumps(content, indent=1) + "\n")
    tell(f"comparison: {file}")
    return differences


def _evaluators(judges: Any, own: Any) -> list[dict[str, Any]]:
    """Return the first detector's evaluators with what can judge the other."""
    possible = {kind for metric in evaluators_in(own) for kind in _kinds(metric)}
    kept = []
    for metric in copy.deepcopy(evaluators_in(judges)):
        if is_coco_metric(metric):
            kinds = [kind for kind in _kinds(metric) if kind in possible]
            if not kinds:
                continue
            metric["metric"] = kinds
        kept.append(metric)
    return kept


def _kinds(metric: Mapping[str, Any]) -> list[str]:
    kinds = metric.get("metric", "bbox") if is_coco_metric(metric) else []
    return [kinds] if isinstance(kinds, str) else list(kinds)
