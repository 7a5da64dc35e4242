"""The frame that boxes are measured in: the picture as it is read, and nothing else.

A file may state another size than the picture's: because nobody looked, because a
camera's EXIF tag turns the picture when it is read, or because the boxes were drawn on
a smaller copy. Which of these it was shows in where the boxes are.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from ..annotations.data_set import Objects, Split
from ..annotations.findings import Findings
from ..annotations.masks import decoded, mask_of_pixels, scaled_mask
from ..readers.picture_headers import PictureHeader

# Rounding in annotation tools puts edges up to this far outside, in pixels.
TOLERANCE = 2.0
# Two ratios of sides are one within this share.
SAME_SHAPE = 0.02
# So few boxes may lie outside the frame that the others speak for.
OUTLIERS = 0.02
_NO_ROWS = np.zeros(0, np.int64)


def fit_to_pictures(
    split: Split, headers: Sequence[PictureHeader], place: str, findings: Findings
) -> None:
    """Give pictures their sizes as read, and measure the boxes in them, in place.

    Args:
        split: The split; its boxes are finite.
        headers: Of its pictures.
        place: What messages call it.
        findings: Where what is repaired is counted.
    """
    sizes = np.array([(h.width, h.height) for h in headers], float).reshape(-1, 2)
    stated = np.array([(p.width, p.height) for p in split.pictures], float)
    stated = stated.reshape(-1, 2)
    units = np.array([p.unit for p in split.pictures], int)
    _measure_in_pixels(split.objects, sizes, units)
    if _are_shares(split.objects.boxes) and not units.any():
        findings.add_all("boxes-shares", place, split.objects.names)
        _measure_in_pixels(split.objects, sizes, np.ones(len(units), int))
    known = (stated > 0).all(axis=1)
    unstated = (stated == 0).any(axis=1)
    turned = np.array([header.is_turned for header in headers], bool)
    differs = known & (np.abs(stated - sizes) > 0.5).any(axis=1)
    before_turning = differs & turned & (stated == sizes[:, ::-1]).all(axis=1)
    resized = differs & ~before_turning & _same_shape(stated, sizes)
    resized &= (np.abs(stated - sizes) > TOLERANCE).any(axis=1)
    resized = _confirmed_by_boxes(split.objects, resized, stated)
    drawn_before = _drawn_before(split.objects, before_turning, sizes)
    _resize(split.objects, resized, stated, sizes)
    _turn(split.objects, drawn_before, headers)
    for kind, chosen in (
        ("picture-size-missing", unstated),
        ("picture-size", differs & ~before_turning & ~resized),
        ("boxes-resized", resized),
        ("picture-turned", before_turning & ~drawn_before),
        ("boxes-turned", drawn_before),
    ):
        names = [split.pictures[i].name for i in np.flatnonzero(chosen).tolist()]
        findings.add_all(kind, place, names)
    for picture, header in zip(split.pictures, headers, strict=True):
        picture.width, picture.height, picture.unit = header.width, header.height, 0


def _measure_in_pixels(
    objects: Objects, sizes: NDArray[np.float64], units: NDArray[np.int64]
) -> None:
    rows = _rows_of(objects, units > 0)
    pictures = objects.pictures[rows]
    _scale(objects, rows, sizes[pictures] / units[pictures, None])


def _rows_of(objects: Objects, pictures: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Return the rows of the objects of the pictures chosen."""
    return np.flatnonzero(pictures[objects.pictures]) if pictures.any() else _NO_ROWS


def _scale(
    objects: Objects, rows: NDArray[np.int64], scales: NDArray[np.float64]
) -> None:
    objects.boxes[rows] *= np.tile(scales, 2)
    objects.areas[rows] *= scales.prod(axis=1)
    for row, (x_scale, y_scale) in zip(rows.tolist(), scales.tolist(), strict=True):
        mask = objects.masks[row]
        if mask is not None and not isinstance(mask, dict):
            objects.masks[row] = scaled_mask(mask, x_scale, y_scale)


def _are_shares(boxes: NDArray[np.float64]) -> bool:
    """Say whether all boxes lie in the first pixel: nobody draws such boxes."""
    if not len(boxes):
        return False
    ends = boxes[:, :2] + boxes[:, 2:]
    return bool(boxes.min() >= -1e-3 and ends.max() <= 1.001 and boxes[:, 2:].max() > 0)


def _same_shape(stated: NDArray, sizes: NDArray) -> NDArray[np.bool_]:
    ratios = stated / np.maximum(sizes, 1)
    return np.abs(ratios[:, 0] - ratios[:, 1]) <= SAME_SHAPE * np.abs(ratios[:, 0])


def _overhang(objects: Objects, frames: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return how far each box reaches out of its picture's frame, (N,) pixels."""
    if not len(objects):
        return np.zeros(0)
    ends = objects.boxes[:, :2] + objects.boxes[:, 2:]
    over = (ends - frames[objects.pictures]).max(axis=1)
    return np.maximum(over, -objects.boxes[:, :2].min(axis=1))


def _confirmed_by_boxes(
    objects: Objects, chosen: NDArray[np.bool_], stated: NDArray[np.float64]
) -> NDArray[np.bool_]:
    """Keep the choice if the boxes of the chosen pictures lie in the stated sizes."""
    if not chosen.any():
        return chosen
    over = _overhang(objects, stated) > TOLERANCE
    of_chosen = over[chosen[objects.pictures]] if len(objects) else over
    if len(of_chosen) and of_chosen.mean() > OUTLIERS:
        return np.zeros_like(chosen)
    return chosen


def _drawn_before(
    objects: Objects, chosen: NDArray[np.bool_], sizes: NDArray[np.float64]
) -> NDArray[np.bool_]:
    """Say which of the chosen pictures' boxes were drawn before they were turned.

    Boxes that fit a picture in one frame alone say so for it. One tool has drawn them
    all, so that most of these speak for the pictures whose boxes fit both; where none
    speaks, or as many say one thing as the other, the stated size does, which is that
    before turning.

    Args:
        objects: The objects.
        chosen: (N,) which pictures are turned and stated in their size before.
        sizes: (N, 2) of the pictures after turning.
    """
    count = len(sizes)
    if not len(objects) or not chosen.any():
        return np.zeros(count, bool)
    after = _overhang(objects, sizes) > TOLERANCE
    before = _overhang(objects, sizes[:, ::-1]) > TOLERANCE
    bad_after = np.bincount(objects.pictures, after, count) > 0
    bad_before = np.bincount(objects.pictures, before, count) > 0
    fits_before = chosen & bad_after & ~bad_before
    fits_after = chosen & bad_before & ~bad_after
    if fits_after.sum() > fits_before.sum():
        return fits_before
    has_boxes = np.bincount(objects.pictures, minlength=count) > 0
    return chosen & has_boxes & ~fits_after


def _resize(
    objects: Objects,
    chosen: NDArray[np.bool_],
    stated: NDArray[np.float64],
    sizes: NDArray[np.float64],
) -> None:
    rows = _rows_of(objects, chosen)
    pictures = objects.pictures[rows]
    _scale(objects, rows, sizes[pictures] / stated[pictures])
    for row, picture in zip(rows.tolist(), pictures.tolist(), strict=True):
        mask = objects.masks[row]
        if isinstance(mask, dict):
            width, height = sizes[picture].astype(int).tolist()
            pixels: np.ndarray = cv2.resize(
                decoded(mask).astype(np.uint8),
                (width, height),
                interpolation=cv2.INTER_NEAREST,
            )
            objects.masks[row] = mask_of_pixels(pixels.astype(bool))


def _turn(
    objects: Objects, chosen: NDArray[np.bool_], headers: Sequence[PictureHeader]
) -> None:
    for row in _rows_of(objects, chosen).tolist():
        header = headers[objects.pictures[row]]
        left, top, width, height = objects.boxes[row].tolist()
        x1, y1 = _turned(left, top, header)
        x2, y2 = _turned(left + width, top + height, header)
        objects.boxes[row] = min(x1, x2), min(y1, y2), abs(x2 - x1), abs(y2 - y1)
        mask = objects.masks[row]
        if isinstance(mask, dict):
            objects.masks[row] = mask_of_pixels(_turned_pixels(decoded(mask), header))
        elif mask is not None:
            objects.masks[row] = [
                [
                    value
                    for x, y in zip(polygon[0::2], polygon[1::2], strict=True)
                    for value in _turned(x, y, header)
                ]
                for polygon in mask
            ]


def _turned(x: float, y: float, header: PictureHeader) -> tuple[float, float]:
    """Return where a point of the file's own rows is after EXIF's turning."""
    # Before turning the picture is header.height wide and header.width high.
    across, down = header.width - y, header.height - x
    return {5: (y, x), 6: (across, x), 7: (across, down), 8: (y, down)}[
        header.orientation
    ]


def _turned_pixels(
    pixels: NDArray[np.bool_], header: PictureHeader
) -> NDArray[np.bool_]:
    return {
        5: pixels.T,
        6: np.rot90(pixels, -1),
        7: np.rot90(pixels, 2).T,
        8: np.rot90(pixels),
    }[header.orientation]
