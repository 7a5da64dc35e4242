"""How large boxes are, and which of them look like slips of the mouse."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ..annotations.data_set import Objects, Picture, Split

# COCO's limits between small, medium and large, in square pixels.
SMALL, LARGE = 32.0**2, 96.0**2
SIZES = ("small", "medium", "large")
# Pixels; a hand can hardly draw less on purpose.
TINY_SIDE = 4.0
WHOLE_SHARE = 0.98
LONGEST_RATIO = 10.0
# Two boxes that overlap so far are drawn around one thing.
SAME_PLACE = 0.9


def size_counts(areas: NDArray[np.float64]) -> tuple[int, int, int]:
    """Return how many objects are small, medium and large by COCO's limits.

    Args:
        areas: (N,) square pixels.
    """
    small, large = int((areas < SMALL).sum()), int((areas >= LARGE).sum())
    return small, len(areas) - small - large, large


def picture_sizes(pictures: Sequence[Picture]) -> NDArray[np.float64]:
    """Return width and height of each picture, (N, 2) pixels."""
    sizes = np.array([(p.width, p.height) for p in pictures], float)
    return sizes.reshape(-1, 2)


def odd_boxes(split: Split) -> dict[str, NDArray[np.bool_]]:
    """Return which objects are suspicious by their box alone, by kind, each (N,) bool.

    Crowd regions are not: they may have any shape.

    Args:
        split: The split, repaired.
    """
    sides = split.objects.boxes[:, 2:]
    frames = picture_sizes(split.pictures)[split.objects.pictures]
    ordinary = ~split.objects.crowds
    tiny = (sides < TINY_SIDE).any(axis=1)
    ratios = sides.max(axis=1) / np.maximum(sides.min(axis=1), 1e-9)
    whole = (sides >= WHOLE_SHARE * frames).all(axis=1)
    return {
        "box-tiny": tiny & ordinary,
        "box-whole": whole & ordinary,
        "box-long": (ratios > LONGEST_RATIO) & ~tiny & ordinary,
    }


def pairs_in_one_place(objects: Objects) -> NDArray[np.int64]:
    """Return the rows of objects of a picture whose boxes are nearly the same, (P, 2).

    Crowd regions are left out.
    """
    rows = np.flatnonzero(~objects.crowds)
    rows = rows[np.argsort(objects.pictures[rows], kind="stable")]
    pictures, boxes = objects.pictures[rows], objects.boxes[rows]
    found = [np.zeros((0, 2), np.int64)]
    # Each with the next of its picture, then with the one after, and so on.
    for step in range(1, len(rows)):
        same = np.flatnonzero(pictures[step:] == pictures[:-step])
        if not len(same):
            break
        near = same[overlaps(boxes[same], boxes[same + step]) >= SAME_PLACE]
        found.append(np.column_stack([rows[near], rows[near + step]]))
    return np.concatenate(found)


def overlaps(
    first: NDArray[np.float64], second: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return intersection over union of boxes, row by row.

    Args:
        first: (N, 4) left, top, width, height.
        second: (N, 4) as well.
    """
    starts = np.maximum(first[:, :2], second[:, :2])
    ends = np.minimum(first[:, :2] + first[:, 2:], second[:, :2] + second[:, 2:])
    shared = np.clip(ends - starts, 0, None).prod(axis=1)
    total = first[:, 2:].prod(axis=1) + second[:, 2:].prod(axis=1) - shared
    return shared / np.maximum(total, 1e-9)
