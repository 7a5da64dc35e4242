"""Pascal VOC: one XML file per picture, lists of names for the splits, and masks.

VOC counts pixels from 1 and names the last pixel of a box. Most tools that write the
format count from 0 and name the border behind it; a coordinate of 0, or a fraction,
shows which it is.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Sequence
from xml.etree.ElementTree import Element

from ...errors import DataError
from ..annotations.data_set import ClassEntry, ObjectColumns, Part, Picture
from ..annotations.masks import Mask
from .json_files import read_bytes
from .listing import Listing
from .numbers import number, side
from .shapes import Point, outline
from .sources import Reading, Source
from .split_names import split_of
from .voc_masks import mask_files, object_masks
from .xml_files import parse_xml, text_of

FORMAT = "Pascal VOC"
LISTS = {"train": "train", "val": "val", "test": "test", "trainval": None}
NOT_FROM_1 = re.compile(rb"<[xy](?:min|max)>\s*(?:0+(?:\.0*)?\s*<|\d+\.\d*[1-9])")
NO_BOX = (float("nan"),) * 4


def find_voc(listing: Listing, names: Sequence[str]) -> list[Source]:
    """Return a source for each split of VOC's XML files.

    The lists in ``ImageSets/Main`` say which file is in which split; without them the
    names of the folders do.

    Args:
        listing: The files of the root.
        names: The XML files that are VOC's, relative to the root.
    """
    folder = _VocFolder(listing, names)
    by_split = _listed_splits(listing, names) or _splits_by_folder(names)
    return [
        Source(
            FORMAT,
            place,
            split,
            tuple(members),
            functools.partial(folder.read, place, split, tuple(members)),
        )
        for (split, place), members in by_split.items()
    ]


def _listed_splits(
    listing: Listing, names: Sequence[str]
) -> dict[tuple[str | None, str], list[str]]:
    by_stem = {name.rpartition("/")[2].rpartition(".")[0]: name for name in names}
    found: dict[tuple[str | None, str], list[str]] = {}
    for list_name in listing.with_suffix(".txt"):
        parts = list_name.split("/")
        stem = parts[-1].rpartition(".")[0].lower()
        if "ImageSets" not in parts[:-1] or stem not in LISTS:
            continue
        if parts[-2] not in ("ImageSets", "Main"):
            continue
        lines = read_bytes(listing.path(list_name)).decode("utf-8", "replace")
        words = [line.split()[0] for line in lines.splitlines() if line.split()]
        members = [by_stem[word] for word in words if word in by_stem]
        if members:
            found.setdefault((LISTS[stem], list_name), []).extend(members)
    named = {split for split, _ in found}
    if {"train", "val"} <= named:
        return {key: members for key, members in found.items() if key[0] is not None}
    if None in named:
        # All that is not for testing, of which one of the two parts is missing.
        return {key: members for key, members in found.items() if key[0] != "val"}
    return found


def _splits_by_folder(
    names: Sequence[str],
) -> dict[tuple[str | None, str], list[str]]:
    found: dict[tuple[str | None, str], list[str]] = {}
    for name in names:
        folder = name.rpartition("/")[0]
        found.setdefault((split_of(folder), folder or "."), []).append(name)
    return found


class _VocFolder:
    """All XML files of a root: how they count pixels is found out once."""

    def __init__(self, listing: Listing, names: Sequence[str]):
        self._listing = listing
        self._names = names

    @functools.cached_property
    def counts_from_0(self) -> bool:
        """Whether any coordinate is 0 or a fraction."""
        return any(
            NOT_FROM_1.search(read_bytes(self._listing.path(name)))
            for name in self._names
        )

    @functools.cached_property
    def mask_files(self) -> dict[str, str]:
        """The pictures of masks, by their name without folder and suffix."""
        return mask_files(self._listing)

    def read(
        self, place: str, split: str | None, names: Sequence[str], reading: Reading
    ) -> list[Part]:
        """Read the files of one split.

        Raises:
            DataError: Most of them cannot be read.
        """
        roots: list[tuple[str, Element]] = []
        broken = []
        for name in names:
            path = self._listing.path(name)
            try:
                roots.append((name, parse_xml(read_bytes(path), path)))
            except DataError as error:
                broken.append((name, error))
        reading.findings.add_all("file-unreadable", place, [name for name, _ in broken])
        if 2 * len(broken) > len(names):
            raise broken[0][1]
        if self.counts_from_0:
            reading.findings.add("corners-from-0", place)
        files = [name for name, _ in roots]
        stated = [text_of(root, "filename") for _, root in roots]
        pictures, columns = [], ObjectColumns()
        labels: dict[str, int] = {}
        located = reading.find_beside(files, stated, split)
        for (name, root), (picture, path) in zip(roots, located, strict=True):
            width, height = side(text_of(root, "size/width")), 0
            height = side(text_of(root, "size/height"))
            pictures.append(Picture(picture, path, width, height))
            elements = root.findall("object")
            masks = self._masks(name, len(elements), place, reading)
            for element, mask in zip(elements, masks, strict=True):
                index = len(pictures) - 1
                self._add(element, mask, index, place, name, labels, columns, reading)
        classes = [ClassEntry(name) for name in labels]
        objects = columns.finished()
        return [Part(split, place, classes, pictures, objects, lists_classes=False)]

    def _masks(
        self, name: str, objects: int, place: str, reading: Reading
    ) -> list[Mask | None]:
        file = self.mask_files.get(name.rpartition("/")[2].rpartition(".")[0])
        if file is None or not objects:
            return [None] * objects
        masks = object_masks(self._listing.path(file), objects)
        if masks is None:
            reading.findings.add("mask-unusable", place, file)
            return [None] * objects
        return masks

    def _add(
        self,
        element: Element,
        mask: Mask | None,
        picture: int,
        place: str,
        name: str,
        labels: dict[str, int],
        columns: ObjectColumns,
        reading: Reading,
    ) -> None:
        class_name = text_of(element, "name")
        if not class_name:
            reading.findings.add("object-of-no-class", place, name)
            return
        box = self._box(element.find("bndbox"))
        points = _polygon(element.find("polygon"))
        if points:
            around, drawn = outline(points)
            box = around if box is None else box
            mask = mask or drawn
        difficult = number(text_of(element, "difficult"))
        if difficult:
            reading.findings.add("ignored", place, f"{name}: {class_name}")
        columns.add(
            picture,
            labels.setdefault(class_name, len(labels)),
            NO_BOX if box is None else box,
            crowd=bool(difficult),
            mask=mask,
            name=f"{name}: {class_name}",
        )

    def _box(self, element: Element | None) -> list[float] | None:
        if element is None:
            return None
        corners = [number(text_of(element, key)) for key in _CORNERS]
        left, top, right, bottom = corners
        if left is None or top is None or right is None or bottom is None:
            return None
        left, right = min(left, right), max(left, right)
        top, bottom = min(top, bottom), max(top, bottom)
        if not self.counts_from_0:
            left, top = left - 1, top - 1
        return [left, top, right - left, bottom - top]


_CORNERS = ("xmin", "ymin", "xmax", "ymax")


def _polygon(element: Element | None) -> list[Point]:
    """Return the points of Roboflow's polygons: x1, y1, x2, y2, ..."""
    if element is None:
        return []
    points = []
    for index in range(1, len(element) // 2 + 1):
        x = number(text_of(element, f"x{index}"))
        y = number(text_of(element, f"y{index}"))
        if x is None or y is None:
            break
        points.append((x, y))
    return points
