"""Where a detector errs: by kind, by class mistaken for another, by its own certainty.

The kinds are TIDE's (Bolya et al., ECCV 2020, section 2), computed by hotcoco.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..reporting.tables import Table
from .coco_engines import Judged
from .coco_scores import with_standard_limits

OVERLAP = 0.5
KINDS = {
    "Cls": "right place, wrong class",
    "Loc": "right class, box too far off",
    "Both": "wrong class and too far off",
    "Dupe": "found twice",
    "Bkg": "nothing there",
    "Miss": "not found",
}


@dataclass(frozen=True)
class ErrorKind:
    """One kind of error.

    Attributes:
        name: TIDE's: Cls, Loc, Both, Dupe, Bkg or Miss.
        count: Detections, or objects not found, at any score.
        cost: How much higher AP50 would be without them, 0 to 1.
    """

    name: str
    count: int
    cost: float


@dataclass(frozen=True, eq=False)
class CocoErrors:
    """The errors of a detector on a labelled split, at an IoU of 0.5.

    Attributes:
        kinds: Costliest first.
        average_precision: AP50 that the costs add to.
        class_names: (K,) names in the order of ``confusion``.
        confusion: (K + 1, K + 1) counts: rows the true class, columns the found one;
            the last row is nothing there, the last column not found.
        least_score: Detections below it are not in ``confusion``.
        calibration_error: The mean distance of score and precision, weighted by the
            number of detections, in ten steps of score (ECE), 0 to 1.
        calibration: Those steps that have detections: ``score``, ``precision`` and
            ``count``.
    """

    kinds: tuple[ErrorKind, ...]
    average_precision: float
    class_names: tuple[str, ...]
    confusion: np.ndarray
    least_score: float
    calibration_error: float
    calibration: tuple[Mapping[str, float], ...]

    def mistaken(self, most: int = 10) -> list[tuple[str, str, int]]:
        """Return the true class, the class found and the count, most frequent first."""
        between = self.confusion[:-1, :-1].copy()
        np.fill_diagonal(between, 0)
        order = np.argsort(-between, axis=None, kind="stable")[:most]
        pairs = zip(*np.unravel_index(order, between.shape), strict=True)
        return [
            (self.class_names[true], self.class_names[found], int(between[true, found]))
            for true, found in pairs
            if between[true, found]
        ]

    def as_json(self) -> dict[str, Any]:
        """Return all of it as what JSON can hold."""
        return dict(
            ap50=self.average_precision,
            kinds=[dict(vars(kind), meaning=KINDS[kind.name]) for kind in self.kinds],
            calibration=dict(error=self.calibration_error, steps=self.calibration),
            confusion=dict(
                least_score=self.least_score,
                true=[*self.class_names, "(nothing)"],
                found=[*self.class_names, "(not found)"],
                counts=self.confusion.tolist(),
            ),
        )


def errors_of(judged: Judged, least_score: float = 0.3) -> CocoErrors:
    """Sort a detector's errors.

    Args:
        judged: What it found, beside the truth.
        least_score: Lowest score that counts for one class taken for another.
    """
    evaluation = with_standard_limits(judged).evaluation()
    sorted_out = evaluation.tide_errors(pos_thr=OVERLAP)
    kinds = [
        ErrorKind(name, int(sorted_out["counts"][name]), sorted_out["delta_ap"][name])
        for name in KINDS
    ]
    matrix = evaluation.confusion_matrix(iou_thr=OVERLAP, min_score=least_score)
    certainty = evaluation.calibration(iou_threshold=OVERLAP)
    steps = [
        dict(
            score=step["avg_confidence"],
            precision=step["avg_accuracy"],
            count=int(step["count"]),
        )
        for step in certainty["bins"]
        if step["count"]
    ]
    return CocoErrors(
        tuple(sorted(kinds, key=lambda kind: -kind.cost)),
        sorted_out["ap_base"],
        tuple(judged.class_names),
        matrix["matrix"].astype(np.int64),
        least_score,
        certainty["ece"],
        tuple(steps),
    )


def kinds_table(errors: CocoErrors) -> Table:
    """Return the kinds of error with their counts and costs."""
    rows = [
        [f"{KINDS[kind.name]} ({kind.name})", kind.count, f"{kind.cost:.3f}"]
        for kind in errors.kinds
    ]
    return Table.of(["errors at IoU 0.5", "count", "AP50 lost"], rows)


def mistaken_table(errors: CocoErrors) -> str:
    """Return which class is taken for which; empty where none is."""
    rows: Sequence[Sequence[object]] = errors.mistaken()
    if not rows:
        return ""
    head = ["this class", f"found as (score {errors.least_score:g} or more)", "times"]
    return Table.of(head, rows, text_columns=2).plain()
