"""Boxes, areas and masks as every library expects them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ..annotations.data_set import Objects, Split
from ..annotations.findings import Findings
from ..annotations.masks import clipped_mask, mask_area

# Coordinates are kept to a thousandth of a pixel: the same boxes written as shares of
# the picture come back as the same numbers.
DECIMALS = 3
# What rounding adds to a box is not worth a line.
UNTOLD_OVERHANG = 0.01


def without_invalid_boxes(split: Split, place: str, findings: Findings) -> None:
    """Leave out boxes that are no numbers, and turn inverted ones round, in place.

    Args:
        split: The split.
        place: What messages call it.
        findings: Where what is repaired is counted.
    """
    valid = np.asarray(np.isfinite(split.objects.boxes).all(axis=1))
    # Beyond any picture, where sums of float64 lose the pixels.
    valid &= (np.abs(np.where(valid[:, None], split.objects.boxes, 0)) < 1e12).all(
        axis=1
    )
    _leave_out(split, ~valid, "box-invalid", place, findings)
    objects = split.objects
    inverted = np.asarray((objects.boxes[:, 2:] < 0).any(axis=1))
    findings.add_all("box-inverted", place, _names(objects, inverted))
    objects.boxes[:, :2] += np.minimum(objects.boxes[:, 2:], 0)
    objects.boxes[:, 2:] = np.abs(objects.boxes[:, 2:])


def clip_to_pictures(split: Split, place: str, findings: Findings) -> None:
    """Clip boxes and masks to their pictures, and leave out what is outside, in place.

    Areas that are missing or impossible become the mask's or the box's.

    Args:
        split: The split; its pictures have their sizes.
        place: What messages call it.
        findings: Where what is repaired is counted.
    """
    sizes = np.array([(p.width, p.height) for p in split.pictures], float)
    frames = sizes.reshape(-1, 2)[split.objects.pictures]
    boxes = split.objects.boxes
    starts = np.clip(boxes[:, :2], 0, frames)
    ends = np.clip(boxes[:, :2] + boxes[:, 2:], 0, frames)
    clipped = np.concatenate([starts, ends - starts], axis=1).round(DECIMALS)
    overhang = np.abs(clipped[:, 2:] - boxes[:, 2:]).max(axis=1, initial=0)
    was_empty = (boxes[:, 2:] < 1).any(axis=1)
    is_empty = (clipped[:, 2:] < 1).any(axis=1)
    is_clipped = (overhang > UNTOLD_OVERHANG) & ~is_empty
    findings.add_all("box-clipped", place, _names(split.objects, is_clipped))
    split.objects.boxes = clipped
    reason = np.where(was_empty & is_empty, 1, np.where(is_empty, 2, 0))
    split.objects.areas[is_clipped] = np.nan
    _leave_out(split, reason == 1, "box-empty", place, findings)
    _leave_out(split, reason[reason != 1] == 2, "box-outside", place, findings)
    _clip_masks(split, place, findings)
    _fill_areas(split.objects)


def without_doubles(split: Split, place: str, findings: Findings) -> None:
    """Leave out objects that are there twice: same picture, class, box and mask."""
    objects = split.objects
    if not len(objects):
        return
    keys = np.column_stack(
        [objects.pictures, objects.labels, objects.crowds, objects.boxes]
    )
    _, first, group = np.unique(keys, axis=0, return_index=True, return_inverse=True)
    candidates = np.flatnonzero(first[group.reshape(-1)] != np.arange(len(objects)))
    double = np.zeros(len(objects), bool)
    for row in candidates.tolist():
        original = first[group.reshape(-1)[row]]
        double[row] = objects.masks[row] in (None, objects.masks[original])
    _leave_out(split, double, "object-twice", place, findings)


def read_crowds_as_objects(split: Split, place: str, findings: Findings) -> None:
    """Make every crowd region an object, in place."""
    findings.add_all(
        "crowd-as-object", place, _names(split.objects, split.objects.crowds)
    )
    split.objects.crowds[:] = False


def choose_classes(
    split: Split,
    names: Sequence[str],
    chosen: Sequence[str],
    place: str,
    findings: Findings,
) -> None:
    """Number the classes as chosen, and leave out the objects of others, in place.

    Args:
        split: The split.
        names: The names of its labels.
        chosen: The names in the order wanted.
        place: What messages call it.
        findings: Where what is left out is counted.
    """
    places = {name: label for label, name in enumerate(chosen)}
    of_label = np.array([places.get(name, -1) for name in names], np.int64)
    split.objects.labels = of_label[split.objects.labels]
    _leave_out(split, split.objects.labels < 0, "class-not-chosen", place, findings)


def _clip_masks(split: Split, place: str, findings: Findings) -> None:
    objects = split.objects
    lost = []
    for row, mask in enumerate(objects.masks):
        if mask is None:
            continue
        picture = split.pictures[objects.pictures[row]]
        objects.masks[row] = clipped_mask(mask, picture.width, picture.height)
        if objects.masks[row] is None:
            lost.append(objects.names[row])
    findings.add_all("mask-unusable", place, lost)


def _fill_areas(objects: Objects) -> None:
    of_boxes = objects.boxes[:, 2] * objects.boxes[:, 3]
    # Computed from a box before it was rounded: formats that state no area agree.
    rounded = np.abs(objects.areas - of_boxes) <= of_boxes * 0.01 + 1
    rounded &= np.array([mask is None for mask in objects.masks], bool)
    objects.areas = np.where(rounded, of_boxes, objects.areas)
    wrong = ~(objects.areas > 0) | (objects.areas > of_boxes * 1.01 + 1)
    for row in np.flatnonzero(wrong).tolist():
        mask = objects.masks[row]
        area = 0.0 if mask is None else mask_area(mask)
        objects.areas[row] = min(area, of_boxes[row]) if area > 0 else of_boxes[row]
    objects.areas = objects.areas.round(DECIMALS)


def _leave_out(
    split: Split,
    rows: NDArray[np.bool_],
    kind: str,
    place: str,
    findings: Findings,
) -> None:
    if not rows.any():
        return
    findings.add_all(kind, place, _names(split.objects, rows))
    split.objects = split.objects.of_rows(~rows)


def _names(objects: Objects, rows: NDArray[np.bool_]) -> list[object]:
    return [objects.names[row] for row in np.flatnonzero(rows).tolist()]
