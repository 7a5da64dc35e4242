"""What a check finds, with the pictures and boxes to look at."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ..annotations.data_set import DataSet
from ..annotations.findings import Findings
from .kinds import CHECK_KINDS

SHOWN_PER_KIND = 24


@dataclass(frozen=True)
class Suspect:
    """A picture to look at.

    Attributes:
        split: Its split.
        picture: Its index there.
        rows: The objects that it is about, by their rows in the split.
        beside: Split and index of the picture that it looks like, if that is why.
    """

    split: str
    picture: int
    rows: tuple[int, ...] = ()
    beside: tuple[str, int] | None = None


class Suspects:
    """Counts what is found, and keeps the first of each kind to look at.

    Attributes:
        findings: The counts and first names, by kind and split.
        shown: The first pictures of each kind.

    Args:
        data: The data set.
    """

    def __init__(self, data: DataSet):
        self.findings = Findings(CHECK_KINDS)
        self.shown: dict[str, list[Suspect]] = {}
        self._data = data

    def add_boxes(self, kind: str, split: str, rows: Iterable[int]) -> None:
        """Count objects, and show each of their pictures once."""
        objects = self._data.splits[split].objects
        pictures = self._data.splits[split].pictures
        by_picture: dict[int, list[int]] = {}
        for row in rows:
            by_picture.setdefault(int(objects.pictures[row]), []).append(int(row))
        names = [
            f"{pictures[picture].name} ({self.described(split, row)})"
            for picture, own in by_picture.items()
            for row in own
        ]
        self.findings.add_all(kind, split, names)
        for picture, own in by_picture.items():
            self._show(kind, Suspect(split, picture, tuple(own)))

    def add_pictures(
        self, kind: str, split: str, indices: Iterable[int], reasons: Sequence[str] = ()
    ) -> None:
        """Count pictures, each with the reason of the same place if there are any."""
        pictures = self._data.splits[split].pictures
        chosen = list(indices)
        names = [pictures[index].name for index in chosen]
        if reasons:
            names = [f"{n} ({why})" for n, why in zip(names, reasons, strict=True)]
        self.findings.add_all(kind, split, names)
        for index in chosen:
            self._show(kind, Suspect(split, index))

    def add_alike(
        self, kind: str, this: tuple[str, int], other: tuple[str, int]
    ) -> None:
        """Count a picture that looks like another; both are split and index."""
        names = [self._data.splits[s].pictures[i].name for s, i in (this, other)]
        place = this[0] if this[0] == other[0] else f"{this[0]} and {other[0]}"
        self.findings.add(kind, place, f"{names[0]} like {names[1]}")
        self._show(kind, Suspect(*this, beside=other))

    def described(self, split: str, row: int) -> str:
        """Return the class and size in pixels of an object."""
        objects = self._data.splits[split].objects
        width, height = objects.boxes[row, 2:].tolist()
        name = self._data.classes[int(objects.labels[row])]
        return f"{name}, {width:.0f} x {height:.0f}"

    def _show(self, kind: str, suspect: Suspect) -> None:
        shown = self.shown.setdefault(kind, [])
        if len(shown) < SHOWN_PER_KIND:
            shown.append(suspect)
