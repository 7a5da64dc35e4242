"""Which score to cut a detector's findings at, and which pictures it does well on."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import numpy as np

from .coco_engines import Judged
from .coco_scores import with_standard_limits

OVERLAP = 0.5


@dataclass(frozen=True, eq=False)
class Verdicts:
    """Every detection and object of a split, judged at an IoU of 0.5.

    Attributes:
        scores: (D,) of the detections that count.
        is_right: (D,) whether they are an object that none surer found.
        images: (D,) the image ids of these.
        rows: (D,) where they stand in `Found`.
        objects: How many objects there are to find in each picture, by its id.
    """

    scores: np.ndarray
    is_right: np.ndarray
    images: np.ndarray
    rows: np.ndarray
    objects: dict[int, int]


@dataclass(frozen=True, eq=False)
class ThresholdCurve:
    """Precision, recall and F1 of all classes together, when cut at each score.

    Attributes:
        thresholds: (S,) descending.
        precision: (S,) 0 to 1.
        recall: (S,) 0 to 1.
        f1: (S,) 0 to 1.
    """

    thresholds: np.ndarray
    precision: np.ndarray
    recall: np.ndarray
    f1: np.ndarray

    @property
    def best(self) -> int:
        """Where F1 is highest."""
        return int(np.argmax(self.f1))


@dataclass(frozen=True)
class PictureOutcome:
    """How a picture fared at one threshold.

    Attributes:
        image_id: Its COCO id.
        right: Objects found.
        wrong: Detections that are none.
        missed: Objects not found.
    """

    image_id: int
    right: int
    wrong: int
    missed: int

    @property
    def f1(self) -> float:
        """The harmonic mean of precision and recall; 1 where there is nothing."""
        total = 2 * self.right + self.wrong + self.missed
        return 2 * self.right / total if total else 1.0


def verdicts_of(judged: Judged) -> Verdicts:
    """Judge each detection; what matches a crowd region or is cut does not count."""
    evaluation = with_standard_limits(judged).evaluation()
    known = evaluation.image_diagnostics(iou_thr=OVERLAP)
    right = np.zeros(len(judged.found.scores), dtype=bool)
    counted = np.zeros_like(right)
    for detection, status in known["dt_status"].items():
        # The ids are those of hotcoco, from 1 in the order of `Found`.
        counted[detection - 1] = status in ("tp", "fp")
        right[detection - 1] = status == "tp"
    objects = dict.fromkeys(judged.rule.image_ids, 0)
    truth = {entry["id"]: entry for entry in judged.truth.dataset["annotations"]}
    for number, status in known["gt_status"].items():
        if status in ("matched", "fn"):
            objects[truth[number]["image_id"]] += 1
    rows = np.flatnonzero(counted)
    found = judged.found
    return Verdicts(
        found.scores[rows], right[rows], found.image_ids[rows], rows, objects
    )


def threshold_curve(verdicts: Verdicts) -> ThresholdCurve | None:
    """Return the curve over all scores; ``None`` without detections or objects."""
    total = sum(verdicts.objects.values())
    if not total or not len(verdicts.scores):
        return None
    order = np.argsort(-verdicts.scores, kind="stable")
    scores = verdicts.scores[order]
    right = np.cumsum(verdicts.is_right[order])
    # Equal scores are cut together.
    last = np.append(np.flatnonzero(np.diff(scores)), len(scores) - 1)
    precision = right[last] / (last + 1)
    recall = right[last] / total
    both = precision + recall
    f1 = 2 * precision * recall / np.where(both > 0, both, 1)
    return ThresholdCurve(scores[last], precision, recall, f1)


def picture_outcomes(verdicts: Verdicts, threshold: float) -> list[PictureOutcome]:
    """Return how each picture fared, worst first; of equals, those with more errors.

    Args:
        verdicts: Of the split.
        threshold: Lowest score that counts.
    """
    shown = verdicts.scores >= threshold
    found = Counter(verdicts.images[shown].tolist())
    correct = Counter(verdicts.images[shown & verdicts.is_right].tolist())
    outcomes = [
        PictureOutcome(
            image,
            correct[image],
            found[image] - correct[image],
            objects - correct[image],
        )
        for image, objects in verdicts.objects.items()
    ]
    return sorted(outcomes, key=lambda item: (item.f1, -item.wrong - item.missed))
