"""COCO's AP on pictures that were drawn again, some several times, some not at all.

What was matched once is counted again with the number of times each picture was drawn.
(hotcoco 1.3's own ``compare`` gives intervals about a quarter narrower than those of
pycocotools on redrawn pictures, see the tests.)
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from .coco_engines import Judged

RECALLS = np.linspace(0, 1, 101)
EPSILON = np.spacing(1)


@dataclass(frozen=True, eq=False)
class _Hits:
    """The detections of a class that are right at one overlap, surest first.

    Attributes:
        places: (H,) among all detections of the class.
        pictures: (H,) whose they are.
        ignored: (J,) the pictures of detections that do not count.
        ignored_before: (H,) how many of these come before each.
    """

    places: np.ndarray
    pictures: np.ndarray
    ignored: np.ndarray
    ignored_before: np.ndarray


@dataclass(frozen=True, eq=False)
class _Class:
    """The matches of a class.

    Attributes:
        objects: (N,) how many there are to find in each picture.
        pictures: (D,) the picture of each detection, surest first.
        hits: For each overlap.
    """

    objects: np.ndarray
    pictures: np.ndarray
    hits: tuple[_Hits, ...]


class RedrawnPictures:
    """A detector's matches, ready to be counted for any draw of pictures.

    Args:
        judged: What it found, beside the truth; the last limit of detections counts.
    """

    def __init__(self, judged: Judged):
        evaluation = judged.evaluation(by_size=False)
        self._overlaps = np.asarray(judged.rule.overlaps)
        self.num_pictures = len(judged.rule.image_ids)
        place = {image: i for i, image in enumerate(judged.rule.image_ids)}
        of_class: dict[int, list[Mapping[str, Any]]] = {
            category: [] for category in judged.rule.category_ids
        }
        for matched in evaluation.eval_imgs:
            if matched is not None:
                of_class[matched["category_id"]].append(matched)
        classes = [
            _matches(matched, place, len(self._overlaps))
            for matched in of_class.values()
        ]
        self._classes = [found for found in classes if found.objects.any()]

    def scores(self, times: np.ndarray) -> dict[str, float]:
        """Return AP, AP50 and AP75, NaN where there is nothing to find.

        Args:
            times: (N,) how often each picture was drawn.
        """
        weights = times.astype(np.float64)
        rows = [_precision(found, weights) for found in self._classes]
        rows = [row for row in rows if row is not None]
        # (K, T)
        by_class = np.array(rows) if rows else np.full((1, len(self._overlaps)), np.nan)
        scores = {"AP": float(by_class.mean())}
        for name, overlap in (("AP50", 0.5), ("AP75", 0.75)):
            is_it = np.isclose(self._overlaps, overlap)
            scores[name] = float(by_class[:, is_it].mean()) if is_it.any() else np.nan
        return scores


def _matches(
    matched: Sequence[Mapping[str, Any]], place: Mapping[int, int], num_overlaps: int
) -> _Class:
    objects = np.zeros(len(place), dtype=np.int64)
    for entry in matched:
        counted = np.count_nonzero(~np.asarray(entry["gtIgnore"], dtype=bool))
        objects[place[entry["image_id"]]] = counted
    counts = [len(entry["dtScores"]) for entry in matched]
    places = [place[entry["image_id"]] for entry in matched]
    # pycocotools goes through the pictures in this order, which decides between ties.
    scores = _joined([entry["dtScores"] for entry in matched], float, (0,))
    order = np.argsort(-scores, kind="stable")
    pictures = np.repeat(np.asarray(places, dtype=np.int64), counts)[order]
    shape = (num_overlaps, 0)
    right = _joined([entry["dtMatched"] for entry in matched], bool, shape)[:, order]
    ignored = _joined([entry["dtIgnore"] for entry in matched], bool, shape)[:, order]
    return _Class(
        objects,
        pictures,
        tuple(_hits(*row, pictures) for row in zip(right, ignored, strict=True)),
    )


def _joined(parts: Iterable[Any], kind: type, empty: tuple[int, ...]) -> np.ndarray:
    arrays: list[np.ndarray] = [
        np.asarray(part, dtype=kind).reshape(*empty[:-1], -1) for part in parts
    ]
    return np.concatenate([np.zeros(empty, dtype=kind), *arrays], axis=-1)


def _hits(right: np.ndarray, ignored: np.ndarray, pictures: np.ndarray) -> _Hits:
    places = np.flatnonzero(right & ~ignored)
    left_out = np.flatnonzero(ignored)
    return _Hits(
        places, pictures[places], pictures[left_out], np.searchsorted(left_out, places)
    )


def _precision(found: _Class, weights: np.ndarray) -> np.ndarray | None:
    """Return (T,) the AP at each overlap; None where there is nothing to find."""
    total = float(found.objects @ weights)
    if not total:
        return None
    seen = np.cumsum(weights[found.pictures])
    return np.array([_area(hits, weights, seen, total) for hits in found.hits])


def _area(hits: _Hits, weights: np.ndarray, seen: np.ndarray, total: float) -> float:
    if not len(hits.places):
        return 0.0
    right = np.cumsum(weights[hits.pictures])
    left_out = np.concatenate([[0.0], np.cumsum(weights[hits.ignored])])
    counted = seen[hits.places] - left_out[hits.ignored_before]
    precision = right / (counted + EPSILON)
    precision = np.maximum.accumulate(precision[::-1])[::-1]
    first = np.searchsorted(right / total, RECALLS, side="left")
    return float(np.append(precision, 0.0)[first].mean())
