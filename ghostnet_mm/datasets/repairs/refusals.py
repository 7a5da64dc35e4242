"""When a data set is refused: most of it is lost, or its meaning is open."""

from __future__ import annotations

import numpy as np

from ...errors import DataError
from ..annotations.data_set import Split
from ..annotations.findings import Findings, printable
from ..annotations.kinds import KINDS

# More than this share of the objects left out is a sign of wrong coordinates or ids.
MOST_LOST = 0.25
LOSSES = (
    "box-outside",
    "box-empty",
    "box-invalid",
    "object-of-no-picture",
    "object-of-no-class",
    "object-entry",
    "line-unusable",
)
ADVICE = {
    "box-outside": "boxes are left, top, width and height in pixels of the picture",
    "box-empty": "boxes are left, top, width and height in pixels of the picture",
    "box-invalid": "boxes are left, top, width and height in pixels of the picture",
    "object-of-no-picture": "every image_id must be the id of one of the images",
    "object-of-no-class": "every class of an object must be in the list of classes",
    "object-entry": "export the annotations again",
    "line-unusable": "a line is a class number and a box or polygon in shares of the "
    "picture",
}


def refuse_most_lost(split: Split, place: str, findings: Findings) -> None:
    """Refuse a split if too much of it had to be left out.

    Args:
        split: What is left.
        place: What messages call it.
        findings: What was left out of it, by the split or its files.

    Raises:
        DataError: More than a quarter of the objects are lost.
    """
    places = dict.fromkeys((place, *split.sources))
    lost = {
        kind: sum(findings.count(kind, where) for where in places) for kind in LOSSES
    }
    total = len(split.objects) + sum(lost.values())
    if sum(lost.values()) <= MOST_LOST * total:
        return
    worst = max(lost, key=lambda kind: lost[kind])
    names = [name for where in places for name in findings.names(worst, where)]
    kind = KINDS[worst]
    text = kind.one if lost[worst] == 1 else kind.many
    raise DataError(
        f"{printable(place)} has {lost[worst]} {text} among its {total} objects "
        f"({', '.join(names[:3])}{', ...' if lost[worst] > 3 else ''}); "
        f"{ADVICE[worst]}."
    )


def refuse_useless(split: Split, place: str) -> None:
    """Refuse a split that nothing can be learnt from or scored on.

    Raises:
        DataError: It has no objects, or crowd regions only.
    """
    crowds = int(np.sum(split.objects.crowds))
    refuse_useless_counts(len(split.pictures), len(split.objects), crowds, place)


def refuse_useless_counts(pictures: int, objects: int, crowds: int, place: str) -> None:
    """Refuse a split by what it holds; see `refuse_useless`.

    Args:
        pictures: How many.
        objects: How many, crowds included.
        crowds: How many are crowd regions.
        place: What messages call the split.

    Raises:
        DataError: It has no objects, or crowd regions only.
    """
    if not pictures:
        raise DataError(
            f"{printable(place)} has no pictures; check the folder that it names."
        )
    if not objects:
        raise DataError(
            f"{printable(place)} has no object in its {pictures} pictures, "
            f"so there is nothing to learn or to score; check its annotations."
        )
    if crowds == objects:
        raise DataError(
            f"{printable(place)} has nothing but crowd regions: all of its "
            f"{objects} objects are marked iscrowd, ignored or difficult, and "
            f"these are neither learnt nor scored; pass --crowd-as-objects to read "
            f"them as objects."
        )
