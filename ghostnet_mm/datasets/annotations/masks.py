"""Masks as COCO writes them: lists of polygons, or run lengths.

A mask from a stranger's file goes through `checked_mask` before any library sees it:
pycocotools trusts lengths and coordinates, and an absurd one costs all memory.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from ghostnet_runtime.run_lengths import encode_mask
from numpy.typing import NDArray
from pycocotools import mask as coco_mask

RunLengths = dict[str, "list[int] | str"]
Mask = list[list[float]] | RunLengths
Box = tuple[float, float, float, float]
FEWEST_POINTS = 3
_NUMBERS = frozenset({int, float})
# A mask of more pixels than any picture that OpenCV reads.
MOST_PIXELS = 2**30
MOST_MASK_PIXELS = 2**28


def checked_mask(value: object) -> Mask | None:
    """Return a mask that libraries can be given, or ``None`` if there is none.

    Polygons of fewer than three points are left out, as mmdet does; one flat list of
    coordinates, as VIA writes it, is one polygon. Lists of run lengths become COCO's
    text.

    Args:
        value: A ``segmentation`` from a file.
    """
    if isinstance(value, dict):
        return _checked_run_lengths(value)
    if not isinstance(value, list) or not value:
        return None
    if _NUMBERS.issuperset(map(type, value)):
        value = [value]
    polygons = [_checked_polygon(polygon) for polygon in value]
    return [polygon for polygon in polygons if polygon is not None] or None


def polygon_of(points: Sequence[tuple[float, float]]) -> Mask | None:
    """Return the mask of one polygon of (x, y) points, if it is one."""
    return checked_mask([[float(value) for point in points for value in point]])


def mask_of_pixels(pixels: NDArray[np.bool_]) -> Mask | None:
    """Return the run lengths of a mask (H, W) of bool; ``None`` for an empty one."""
    return dict(encode_mask(pixels)) if pixels.any() else None


def mask_in_picture(
    pixels: NDArray[np.bool_], left: int, top: int, width: int, height: int
) -> Mask | None:
    """Return a mask of a part of a picture as one of the whole.

    Args:
        pixels: (H, W) of bool.
        left: Column of its first pixel in the picture.
        top: Row of its first pixel.
        width: Of the picture.
        height: Of the picture.
    """
    if width * height > MOST_PIXELS or height * pixels.shape[1] > MOST_MASK_PIXELS:
        return None
    x, y = max(left, 0), max(top, 0)
    inner = pixels[y - top : height - top, x - left : width - left]
    if left >= width or top >= height or not inner.any():
        return None
    # Run lengths go down the columns: those without any of the mask are one run.
    columns = np.zeros((height, inner.shape[1]), bool)
    columns[y : y + inner.shape[0]] = inner
    flat = columns.ravel(order="F")
    edges = np.flatnonzero(np.diff(flat.astype(np.int8), prepend=0, append=0))
    ends = np.concatenate([[0], edges + x * height, [width * height]])
    packed = coco_mask.frPyObjects(
        {"size": [height, width], "counts": np.diff(ends).tolist()}, height, width
    )
    return {"size": [height, width], "counts": packed["counts"].decode("ascii")}


def mask_area(mask: Mask) -> float:
    """Return the area in square pixels; overlapping polygons count twice."""
    if isinstance(mask, dict):
        return float(coco_mask.area(mask))
    return float(sum(_polygon_area(polygon) for polygon in mask))


def mask_bounds(mask: Mask) -> Box:
    """Return left, top, width and height of a mask."""
    if isinstance(mask, dict):
        left, top, width, height = coco_mask.toBbox(mask).tolist()
        return left, top, width, height
    xs = [x for polygon in mask for x in polygon[0::2]]
    ys = [y for polygon in mask for y in polygon[1::2]]
    return min(xs), min(ys), max(xs) - min(xs), max(ys) - min(ys)


def clipped_mask(mask: Mask, width: int, height: int) -> Mask | None:
    """Return the mask with its points moved into a picture.

    Run lengths of another size than the picture's are no mask of it.
    """
    if isinstance(mask, dict):
        return mask if mask["size"] == [height, width] else None
    return [
        clipped
        for polygon in mask
        if (clipped := _clipped_polygon(polygon, width, height)) is not None
    ] or None


def scaled_mask(
    mask: list[list[float]], x_scale: float, y_scale: float
) -> list[list[float]]:
    """Return the polygons of a picture resized by these factors."""
    scales = (x_scale, y_scale)
    return [
        [value * scales[i % 2] for i, value in enumerate(polygon)] for polygon in mask
    ]


def decoded(mask: RunLengths) -> NDArray[np.bool_]:
    """Return the pixels (H, W) of run lengths that were checked."""
    return coco_mask.decode(mask).astype(bool)


def _checked_polygon(polygon: object) -> list[float] | None:
    if not isinstance(polygon, list) or len(polygon) < 2 * FEWEST_POINTS:
        return None
    if len(polygon) % 2 or not _NUMBERS.issuperset(map(type, polygon)):
        return None
    try:
        total = math.fsum(map(abs, polygon))
    except OverflowError:
        return None  # A whole number beyond every float.
    return polygon if math.isfinite(total) else None


def _checked_run_lengths(value: dict) -> RunLengths | None:
    size, counts = value.get("size"), value.get("counts")
    if not isinstance(size, list) or len(size) != 2:
        return None
    if not all(type(side) is int and side > 0 for side in size):
        return None
    pixels = size[0] * size[1]
    if pixels > MOST_PIXELS:
        return None
    if isinstance(counts, list):
        runs = counts
        if not all(type(run) is int and 0 <= run <= pixels for run in runs):
            return None
        if sum(runs) != pixels:
            return None
        packed = coco_mask.frPyObjects({"size": size, "counts": runs}, *size)
        return {"size": size, "counts": packed["counts"].decode("ascii")}
    if not isinstance(counts, str) or not _runs_fill(counts, pixels):
        return None
    return {"size": size, "counts": counts}


def _runs_fill(counts: str, pixels: int) -> bool:
    """Say whether COCO's text is whole and its runs are those of so many pixels."""
    try:
        codes = np.frombuffer(counts.encode("ascii"), dtype=np.uint8).astype(np.int64)
    except UnicodeEncodeError:
        return False
    codes -= 48
    if not len(codes) or codes.min() < 0 or codes.max() > 63 or codes[-1] & 0x20:
        return False
    ends = np.flatnonzero((codes & 0x20) == 0)
    starts = np.concatenate([[0], ends[:-1] + 1])
    groups = np.arange(len(codes)) - np.repeat(starts, ends - starts + 1)
    if groups.max() > 6:
        return False  # More than 35 bits: no run of any picture.
    numbers = np.add.reduceat((codes & 0x1F) << (5 * groups), starts)
    negative = (codes[ends] & 0x10) != 0
    numbers[negative] -= 1 << (5 * (ends - starts + 1))[negative]
    # From the third on each is the difference to the one two before.
    numbers[1::2] = np.cumsum(numbers[1::2])
    numbers[2::2] = np.cumsum(numbers[2::2])
    return bool(numbers.min() >= 0 and numbers.sum() == pixels)


def _clipped_polygon(
    polygon: list[float], width: int, height: int
) -> list[float] | None:
    xs, ys = polygon[0::2], polygon[1::2]
    if min(polygon) >= 0 and max(xs) <= width and max(ys) <= height:
        return polygon
    clipped = list(polygon)
    clipped[0::2] = [min(max(x, 0), width) for x in xs]
    clipped[1::2] = [min(max(y, 0), height) for y in ys]
    return clipped if _polygon_area(clipped) > 0 else None


def _polygon_area(polygon: list[float]) -> float:
    xs, ys = polygon[0::2], polygon[1::2]
    twice = sum(xs[i - 1] * ys[i] - xs[i] * ys[i - 1] for i in range(len(xs)))
    return abs(twice) / 2
