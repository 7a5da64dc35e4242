"""Pictures of a report: batches as the network saw them, and its best and worst."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from ghostnet_runtime import Detections
from ghostnet_runtime.picture_reading import read_picture

from ...errors import DataError
from ...evaluation.coco_engines import Judged
from ...evaluation.score_thresholds import PictureOutcome
from ...reporting.pictures import picture_address

SIDE = 420
QUALITY = 75
GAP = 6
BATCH_PICTURES = 4


def batch_pictures(batch: Mapping[str, Any], names: Sequence[str]) -> list[np.ndarray]:
    """Draw the first pictures of a training batch with their boxes.

    Args:
        batch: What mmdet's loader gave: ``inputs``, (3, H, W) tensors in BGR with
            values to 255, and ``data_samples``.
        names: Of the classes, by label.

    Returns:
        (H, W, 3) uint8 BGR each.
    """
    drawn = []
    pairs = zip(batch["inputs"], batch["data_samples"], strict=True)
    for pixels, sample in [*pairs][:BATCH_PICTURES]:
        image = pixels.detach().cpu().numpy().transpose(1, 2, 0)
        image = np.ascontiguousarray(image.clip(0, 255).astype(np.uint8))
        truth = sample.gt_instances
        boxes = getattr(truth.bboxes, "tensor", truth.bboxes)
        labels = truth.labels.cpu().numpy()
        shown = Detections(
            boxes.cpu().numpy().astype(float),
            np.ones(len(labels)),
            labels,
            tuple(names),
        )
        drawn.append(shown.plot(image, with_scores=False))
    return drawn


def outcome_pictures(
    outcomes: Sequence[PictureOutcome],
    judged: Judged,
    paths: Mapping[int, str],
    names: Sequence[str],
    threshold: float,
) -> Iterator[tuple[str, str]]:
    """Yield caption and address of pictures, found on the left, the truth on the right.

    Args:
        outcomes: Which pictures, and how they fared.
        judged: What was found, and the truth.
        paths: The pictures' files by id.
        names: Of the classes in the order of the rule's ``category_ids``.
        threshold: Lowest score drawn.
    """
    label_of = {category: i for i, category in enumerate(judged.rule.category_ids)}
    truth: dict[int, list[Mapping[str, Any]]] = {
        outcome.image_id: [] for outcome in outcomes
    }
    for annotation in judged.truth.dataset["annotations"]:
        if annotation["image_id"] in truth and not annotation.get("iscrowd"):
            truth[annotation["image_id"]].append(annotation)
    for outcome in outcomes:
        try:
            pixels, _ = read_picture(Path(paths[outcome.image_id]))
        except (KeyError, DataError):
            continue
        scale = SIDE / max(pixels.shape[:2])
        height, width = (max(1, round(side * scale)) for side in pixels.shape[:2])
        how = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
        small = cv2.resize(pixels, (width, height), interpolation=how)
        found = _found_in(outcome.image_id, judged, label_of, names, threshold, scale)
        real = _true_in(truth[outcome.image_id], label_of, names, scale)
        gap = np.full((height, GAP, 3), 255, np.uint8)
        panels = [found.plot(small), gap, real.plot(small, with_scores=False)]
        pair: np.ndarray = np.concatenate(panels, axis=1)
        yield _caption(outcome, paths), picture_address(pair, 2 * SIDE + GAP, QUALITY)


def _caption(outcome: PictureOutcome, paths: Mapping[int, str]) -> str:
    name = Path(paths[outcome.image_id]).name
    return (
        f"{name}: {outcome.right} found, {outcome.wrong} wrong, {outcome.missed} missed"
    )


def _found_in(
    image: int,
    judged: Judged,
    label_of: Mapping[int, int],
    names: Sequence[str],
    threshold: float,
    scale: float,
) -> Detections:
    found = judged.found
    rows = np.flatnonzero((found.image_ids == image) & (found.scores >= threshold))
    labels = np.array(
        [label_of[category] for category in found.category_ids[rows].tolist()], int
    )
    boxes = _corners(found.boxes[rows]) * scale
    return Detections(boxes, found.scores[rows], labels, tuple(names))


def _true_in(
    annotations: Sequence[Mapping[str, Any]],
    label_of: Mapping[int, int],
    names: Sequence[str],
    scale: float,
) -> Detections:
    known = [a for a in annotations if a["category_id"] in label_of]
    boxes = np.array([a["bbox"] for a in known], dtype=float).reshape(-1, 4)
    labels = np.array([label_of[a["category_id"]] for a in known], dtype=int)
    return Detections(
        _corners(boxes) * scale, np.ones(len(known)), labels, tuple(names)
    )


def _corners(boxes: np.ndarray) -> np.ndarray:
    """Return left, top, right, bottom of left, top, width, height."""
    return np.concatenate([boxes[:, :2], boxes[:, :2] + boxes[:, 2:]], axis=1)
