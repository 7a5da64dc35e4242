"""What a test gives back: scores, errors by kind, and how two of them compare."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ghostnet_runtime.status_line import StatusLine
from mmengine.evaluator import Evaluator

from ..configuration.console import tell
from ..errors import OptionError
from ..evaluation.coco_engines import Judged
from ..evaluation.coco_errors import CocoErrors, errors_of, kinds_table, mistaken_table
from ..evaluation.coco_table import TASKS
from ..evaluation.fast_coco_metric import FastCocoMetric
from ..evaluation.model_difference import ROUNDS, ModelDifference, model_difference

STATUS_INTERVAL = 10.0  # seconds between lines where stdout is no terminal


@dataclass(frozen=True)
class Evaluation:
    """The scores of a test.

    Attributes:
        scores: By the names of mmdet, mmseg or mmpretrain.
        class_scores: COCO AP by class name, NaN where there was nothing to find.
        errors: Where the detector errs, by ``bbox`` and ``segm``.
        judged: What it found beside the truth, for `compare`; in the first process.
    """

    scores: Mapping[str, float]
    class_scores: Mapping[str, float] = field(default_factory=dict)
    errors: Mapping[str, CocoErrors] = field(default_factory=dict, repr=False)
    judged: Mapping[str, Judged] = field(default_factory=dict, repr=False)

    def compare(
        self, other: Evaluation, rounds: int = ROUNDS, seed: int = 0
    ) -> dict[str, ModelDifference]:
        """Say whether another detector is better on the same pictures.

        Args:
            other: Its evaluation.
            rounds: How often the pictures are drawn again for the interval.
            seed: Of the drawing.

        Returns:
            By ``bbox`` and ``segm``, each where both were judged by it; its
            ``difference`` is above 0 where the other is better.

        Raises:
            OptionError: They were tested on other pictures or classes, or one has no
                COCO scores.
        """
        kinds = [kind for kind in self.judged if kind in other.judged]
        if not kinds:
            raise OptionError(
                "There is nothing to compare: both detectors need COCO scores of boxes "
                "or of masks, and findings."
            )
        line = StatusLine(STATUS_INTERVAL)

        def status(done: int, total: int) -> None:
            if line.is_due():
                line.show(f"drawing the pictures again: {done}/{total}")

        differences = {
            kind: model_difference(
                self.judged[kind], other.judged[kind], rounds, seed, status
            )
            for kind in kinds
        }
        line.clear()
        return differences

    def as_json(self) -> str:
        """Return scores and errors as the text of a JSON file."""
        content = dict(
            scores=_numbers(self.scores),
            class_scores=_numbers(self.class_scores),
            errors={kind: errors.as_json() for kind, errors in self.errors.items()},
        )
        return json.dumps(content, indent=1, ensure_ascii=False) + "\n"


def judged_by(evaluator: Evaluator) -> dict[str, Judged]:
    """Return what an evaluator's metrics have kept, see `FastCocoMetric`."""
    kept: dict[str, Judged] = {}
    for metric in evaluator.metrics:
        if isinstance(metric, FastCocoMetric):
            kept.update(metric.judged)
    return kept


def tell_errors(
    judged: Mapping[str, Judged], least_score: float
) -> dict[str, CocoErrors]:
    """Sort the errors of boxes and masks and print the tables.

    Args:
        judged: By ``bbox`` and ``segm``.
        least_score: Lowest score that counts for one class taken for another.
    """
    sorted_out = {}
    for kind, findings in judged.items():
        errors = errors_of(findings, least_score)
        sorted_out[kind] = errors
        title = f"{TASKS[kind]}: " if len(judged) > 1 else ""
        for table in (kinds_table(errors).plain(), mistaken_table(errors)):
            if table:
                print(f"\n{title}{table}" if not title else f"\n{title}\n{table}")
        tell(
            f"{title}on average a score is off by {errors.calibration_error:.2f} from "
            f"the share of right detections (expected calibration error)"
        )
    return sorted_out


def _numbers(scores: Mapping[str, Any]) -> dict[str, Any]:
    # JSON has no NaN: a class without objects gets null.
    return {
        name: None if isinstance(value, float) and math.isnan(value) else value
        for name, value in scores.items()
    }
