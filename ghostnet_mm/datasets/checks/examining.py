"""Looking for what is wrong or strange in a data set that reading has accepted."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from ..annotations.data_set import DataSet
from .box_sizes import odd_boxes, pairs_in_one_place
from .duplicates import find_alike
from .kinds import FEWEST_BOXES, RAREST
from .looks import Look, look_at_all
from .suspects import Suspects


def odd_classes(
    names: Sequence[str], counts: Mapping[str, Sequence[int]]
) -> Iterator[tuple[str, str, str]]:
    """Yield the classes that cannot be learnt or scored, or hardly.

    Args:
        names: The classes.
        counts: Objects by label, for each split.

    Yields:
        The kind, the split, and what the class is called.
    """
    learnt = counts.get("train", [0] * len(names))
    scored = counts.get("val", learnt)
    most = max(learnt, default=0)
    for name, count, tested in zip(names, learnt, scored, strict=True):
        if not count:
            yield "class-unlearnt", "train", name
        elif count < FEWEST_BOXES:
            yield "class-few", "train", f"{name}: {count}"
        elif count * RAREST < most:
            yield "class-rare", "train", f"{name}: {count}"
        if count and not tested:
            yield "class-unscored", "val", name


def examine_boxes(suspects: Suspects, data: DataSet) -> None:
    """Look for boxes that are slips of the mouse, or drawn twice."""
    for name, split in data.splits.items():
        for kind, rows in odd_boxes(split).items():
            suspects.add_boxes(kind, name, np.flatnonzero(rows).tolist())
        labels = split.objects.labels
        pairs = pairs_in_one_place(split.objects)
        same = labels[pairs[:, 0]] == labels[pairs[:, 1]]
        for kind, chosen in (("box-doubled", same), ("box-two-classes", ~same)):
            # The later of the two is the one too many.
            rows = np.unique(pairs[chosen, 1])
            suspects.add_boxes(kind, name, rows.tolist())


def examine_pictures(suspects: Suspects, data: DataSet) -> None:
    """Decode every picture; look for damage, odd pixels and near duplicates."""
    places = [
        (name, index)
        for name, split in data.splits.items()
        for index in range(len(split.pictures))
    ]
    pictures = [data.splits[split].pictures[index] for split, index in places]
    looks = look_at_all(pictures)
    for name in data.splits:
        own = {
            index: look
            for (split, index), look in zip(places, looks, strict=True)
            if split == name
        }
        _examine_looks(suspects, name, own)
    find_alike(suspects, places, [look.fingerprint for look in looks])


def _examine_looks(suspects: Suspects, split: str, looks: dict[int, Look]) -> None:
    damaged = [index for index, look in looks.items() if look.damage]
    reasons = [looks[index].damage for index in damaged]
    suspects.add_pictures("picture-damaged", split, damaged, reasons)
    for kind, chosen in (
        ("picture-flat", [i for i, look in looks.items() if look.is_flat]),
        ("picture-grey", [i for i, look in looks.items() if look.is_grey]),
        ("picture-exif", [i for i, look in looks.items() if look.orientation != 1]),
    ):
        suspects.add_pictures(kind, split, chosen)
