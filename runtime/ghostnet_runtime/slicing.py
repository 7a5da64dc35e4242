"""Detecting on a picture piece by piece, so that small objects become large enough."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from .detections import Detections
from .errors import DataError, OptionError
from .non_maximum_suppression import batched_nms

OVERLAP = 0.2
# Of two boxes of one class that overlap more than this, the better stays.
SAME_OBJECT = 0.5
# A piece of an object, cut off by a slice's edge, goes when so much of it lies inside
# a box of its class that is whole.
INSIDE = 0.7
LEAST_SIDE = 32
# In pixels: what ends so near to an edge is cut off by it.
NEAR = 2.0


@dataclass(frozen=True)
class Slice:
    """A part of a picture, in pixels."""

    left: int
    top: int
    right: int
    bottom: int


def slices_of(height: int, width: int, side: int) -> list[Slice]:
    """Cut a picture into squares that overlap by a fifth of their side.

    The last of a row or column is moved inward until it lies in the picture.

    Args:
        height: Of the picture.
        width: Of the picture.
        side: Of the squares.

    Returns:
        Row by row; one slice where the picture is no larger than a square.
    """
    return [
        Slice(left, top, min(left + side, width), min(top + side, height))
        for top in _starts(height, side)
        for left in _starts(width, side)
    ]


def detect_in_slices(
    detect: Callable[[np.ndarray], Any], pixels: np.ndarray, side: int
) -> Detections:
    """Detect in each slice and in the whole picture, and merge what was found.

    The whole picture finds what is larger than a slice. Non-maximum suppression by
    class (IoU 0.5) merges; before that count boxes that no slice's edge has cut.

    Args:
        detect: Takes (H, W, 3) uint8 BGR.
        pixels: The picture.
        side: Of the slices, in pixels.

    Returns:
        Best first; at most as many as the model gives for the slice with most.

    Raises:
        OptionError: The model gives a panoptic map, which cannot be merged.
    """
    whole = detect(pixels)
    if not isinstance(whole, Detections):
        raise OptionError("Slices are for objects, and this model gives panoptic maps.")
    if pixels.ndim != 3:
        raise DataError("Slices need a picture of the shape (H, W, 3).")
    height, width = pixels.shape[:2]
    places = slices_of(height, width, side)
    if len(places) == 1:
        return whole
    parts, cut = [whole], [np.zeros(len(whole), dtype=bool)]
    for place in places:
        part = pixels[place.top : place.bottom, place.left : place.right]
        found = detect(np.ascontiguousarray(part))
        parts.append(_moved(found, place, (height, width)))
        cut.append(_is_cut(parts[-1].boxes, place, (height, width)))
    joined = _joined(parts)
    kept = _merged(joined, np.concatenate(cut))
    return joined[kept]


def sliced(
    detect: Callable[[np.ndarray], Any], slice: bool | int | None, input_side: int
) -> Callable[[np.ndarray], Any]:
    """Return a detector that works in slices where it is asked for.

    Args:
        detect: Takes (H, W, 3) uint8 BGR.
        slice: The side of the slices in pixels, or True for that of the network's
            input; none or False to leave the detector as it is.
        input_side: Of the network's input.

    Raises:
        OptionError: The side is too small.
    """
    if slice is None or slice is False:
        return detect
    side = input_side if slice is True else slice
    if side < LEAST_SIDE:
        raise OptionError(f"Slices of {side} pixels; give {LEAST_SIDE} or more.")
    return lambda pixels: detect_in_slices(detect, pixels, side)


def _starts(length: int, side: int) -> Iterator[int]:
    if length <= side:
        yield 0
        return
    step = max(1, round(side * (1 - OVERLAP)))
    yield from range(0, length - side, step)
    yield length - side


def _moved(found: Detections, place: Slice, shape: tuple[int, int]) -> Detections:
    offset = np.array([place.left, place.top, place.left, place.top], dtype=np.float32)
    masks = None
    if found.masks is not None:
        masks = np.zeros((len(found), *shape), dtype=bool)
        masks[:, place.top : place.bottom, place.left : place.right] = found.masks
    return replace(found, boxes=found.boxes + offset, masks=masks)


def _is_cut(boxes: np.ndarray, place: Slice, shape: tuple[int, int]) -> np.ndarray:
    """Say which boxes end at an edge of the slice that is not the picture's."""
    height, width = shape
    left, top, right, bottom = boxes.T
    cut: np.ndarray = (left < place.left + NEAR) & (place.left > 0)
    cut |= (top < place.top + NEAR) & (place.top > 0)
    cut |= (right > place.right - NEAR) & (place.right < width)
    cut |= (bottom > place.bottom - NEAR) & (place.bottom < height)
    return cut


def _joined(parts: list[Detections]) -> Detections:
    first = parts[0]
    masks = None
    if first.masks is not None:
        masks = np.concatenate([part.masks for part in parts if part.masks is not None])
    return Detections(
        np.concatenate([part.boxes for part in parts]),
        np.concatenate([part.scores for part in parts]),
        np.concatenate([part.labels for part in parts]),
        first.names,
        masks,
        {
            name: np.concatenate([part.data[name] for part in parts])
            for name in first.data
        },
    )


def _merged(found: Detections, cut: np.ndarray) -> np.ndarray:
    """Return the rows to keep, best first."""
    # Whole ones come first, so that a sure piece does not take the place of the object.
    order = np.concatenate([np.flatnonzero(~cut), np.flatnonzero(cut)])
    rank = np.where(cut, found.scores - 1, found.scores).astype(np.float32)
    kept = order[
        batched_nms(
            found.boxes[order].astype(np.float32),
            rank[order],
            found.labels[order],
            SAME_OBJECT,
        )
    ]
    whole = kept[~cut[kept]]
    pieces = [
        row
        for row in kept[cut[kept]].tolist()
        if not _covered(found.boxes[row], found.boxes[whole], found, row, whole)
    ]
    rows = np.concatenate([whole, np.array(pieces, dtype=np.int64)])
    best: np.ndarray = rows[np.argsort(-found.scores[rows], kind="stable")]
    return best


def _covered(
    box: np.ndarray, others: np.ndarray, found: Detections, row: int, rows: np.ndarray
) -> bool:
    same = others[found.labels[rows] == found.labels[row]]
    if not len(same):
        return False
    wide = np.minimum(same[:, 2], box[2]) - np.maximum(same[:, 0], box[0])
    high = np.minimum(same[:, 3], box[3]) - np.maximum(same[:, 1], box[1])
    shared = np.clip(wide, 0, None) * np.clip(high, 0, None)
    area = (box[2] - box[0]) * (box[3] - box[1])
    return bool((shared >= INSIDE * area).any())
