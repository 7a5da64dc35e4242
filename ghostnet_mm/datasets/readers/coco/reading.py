"""Reading one COCO file into memory, whatever it leaves out."""

from __future__ import annotations

from typing import Any

import numpy as np

from ....errors import DataError
from ...annotations.data_set import ObjectColumns, Part, Picture
from ...annotations.findings import Findings, printable
from ...annotations.masks import checked_mask, mask_bounds
from ..json_files import parse_json, read_bytes
from ..numbers import number, numbers, side, without_fraction
from ..sources import Reading
from .categories import Categories

NO_BOX = (np.nan, np.nan, np.nan, np.nan)
NAME_KEYS = ("file_name", "filename", "path", "name", "coco_url")


def read_coco_part(reading: Reading, name: str, split: str | None) -> list[Part]:
    """Read a COCO file of a data root.

    Args:
        reading: The files and the findings.
        name: The file, relative to the root.
        split: The split it describes.

    Raises:
        DataError: It cannot be read, is not COCO, or gives one id two meanings.
    """
    path = reading.listing.path(name)
    content = parse_json(read_bytes(path), path)
    return [part_of(content, reading, name, split)]


def part_of(content: object, reading: Reading, name: str, split: str | None) -> Part:
    """Return what the content of a COCO file says; see `read_coco_part`."""
    problem = _why_not_coco(content)
    if problem:
        raise DataError(
            f"The annotation file {reading.listing.path(name)} is not COCO object "
            f"detection: {problem}; export it again in COCO format."
        )
    assert isinstance(content, dict)
    pictures, by_id = _pictures(content["images"], reading, name, split)
    annotations = content.get("annotations")
    # An empty list is how tools export test pictures that nobody has labelled.
    is_labelled = isinstance(annotations, list) and (
        bool(annotations) or split != "test"
    )
    annotations = annotations if isinstance(annotations, list) else []
    categories = Categories(
        content.get("categories"),
        (a.get("category_id") for a in annotations if isinstance(a, dict)),
        name,
        reading.findings,
    )
    objects = _Objects(by_id, categories, name, reading.findings)
    for position, annotation in enumerate(annotations):
        objects.take(annotation, position)
    objects.count_ids()
    return Part(
        split,
        name,
        categories.entries,
        pictures,
        objects.columns.finished(),
        is_labelled,
    )


def _why_not_coco(content: object) -> str | None:
    if not isinstance(content, dict):
        return f"its top level is a {type(content).__name__}, not an object"
    if not isinstance(content.get("images"), list):
        return "it has no list 'images'"
    if not content["images"]:
        return "its list 'images' is empty"
    annotations = content.get("annotations")
    first = annotations[0] if isinstance(annotations, list) and annotations else None
    if isinstance(first, dict) and "segments_info" in first:
        return "it is COCO's panoptic format"
    if isinstance(first, dict) and "caption" in first and "bbox" not in first:
        return "it has captions, not boxes"
    return None


def _pictures(
    entries: list, reading: Reading, place: str, split: str | None
) -> tuple[list[Picture], dict[object, int]]:
    """Return the pictures, and by the ids of the file which one it means."""
    named: list[tuple[int | str, str, dict]] = []
    for position, entry in enumerate(entries):
        name = _file_name(entry)
        if name is None:
            reading.findings.add("picture-entry", place, f"images[{position}]")
            continue
        source_id = without_fraction(entry.get("id"))
        if not isinstance(source_id, int | str) or isinstance(source_id, bool):
            source_id = name
        named.append((source_id, name, entry))
    names = [name for _, name, _ in named]
    found = reading.search.find_all(names, place, split)
    found = reading.search.without_doubtful(names, found)
    pictures: list[Picture] = []
    by_id: dict[object, int] = {}
    by_file: dict[str, int] = {}
    for (source_id, name, entry), location in zip(named, found, strict=True):
        path = reading.picture_path(location, name, place)
        known = by_file.get(path or name)
        if known is not None:
            reading.findings.add("picture-twice", place, name)
        else:
            known = by_file[path or name] = len(pictures)
            width, height = side(entry.get("width")), side(entry.get("height"))
            pictures.append(Picture(name, path, width, height, source_id))
        if by_id.setdefault(source_id, known) != known:
            raise DataError(
                f"{place} gives the image id {printable(source_id)} to two pictures, "
                f"{printable(pictures[by_id[source_id]].name)} and {printable(name)}; "
                f"give each its own id."
            )
    # An id may be a number here and text there.
    for source_id, index in list(by_id.items()):
        by_id.setdefault(str(source_id), index)
    return pictures, by_id


def _file_name(entry: object) -> str | None:
    if not isinstance(entry, dict):
        return None
    for key in NAME_KEYS:
        value = entry.get(key)
        if isinstance(value, str) and value.strip() and "\0" not in value:
            return value
    return None


class _Objects:
    """Takes the annotations of one file."""

    def __init__(
        self,
        pictures: dict[object, int],
        categories: Categories,
        place: str,
        findings: Findings,
    ):
        self.columns = ObjectColumns()
        self._pictures = pictures
        self._categories = categories
        self._place = place
        self._findings = findings
        self._ids: set[object] = set()
        self._odd_ids: list[object] = []

    def take(self, annotation: object, position: int) -> None:
        """Add an annotation to the columns, or count why not."""
        if not isinstance(annotation, dict):
            self._count("object-entry", f"annotations[{position}]")
            return
        name = self._name(annotation, position)
        picture = self._picture(annotation.get("image_id"))
        if picture is None:
            self._count("object-of-no-picture", name)
            return
        label, by_text = self._categories.label_of(annotation.get("category_id"))
        if label is None:
            self._count("object-of-no-class", name)
            return
        if by_text:
            self._count("class-by-text", name)
        segmentation = annotation.get("segmentation")
        mask = checked_mask(segmentation)
        if mask is None and segmentation:
            self._count("mask-unusable", name)
        box = numbers(annotation.get("bbox"), 4)
        if box is None and mask is not None and not annotation.get("bbox"):
            box = list(mask_bounds(mask))
            self._count("box-from-mask", name)
        area = number(annotation.get("area"))
        if area is None or area <= 0:
            self._count("area-missing", name)
            area = np.nan
        self.columns.add(
            picture,
            label,
            NO_BOX if box is None else box,
            crowd=self._is_crowd(annotation, name),
            area=area,
            mask=mask,
            name=name,
        )

    def count_ids(self) -> None:
        """Count the ids that nobody could refer to."""
        self._findings.add_all("ids-renumbered", self._place, self._odd_ids)

    def _name(self, annotation: dict[str, Any], position: int) -> int | str:
        value = without_fraction(annotation.get("id"))
        if not isinstance(value, int | str) or isinstance(value, bool):
            self._odd_ids.append(f"annotations[{position}]")
            return f"annotations[{position}]"
        if value in self._ids or value == 0:
            self._odd_ids.append(value)
        self._ids.add(value)
        return value

    def _picture(self, value: object) -> int | None:
        if not isinstance(value, int | str | float):
            return None
        value = without_fraction(value)
        found = self._pictures.get(value)
        return self._pictures.get(str(value)) if found is None else found

    def _is_crowd(self, annotation: dict[str, Any], name: int | str) -> bool:
        if annotation.get("ignore") in (1, True, "1"):
            self._count("ignored", name)
            return True
        value = annotation.get("iscrowd")
        if value is None or not isinstance(value, int | float | str):
            self._count("crowd-missing", name)
            return False
        crowd = number(int(value) if isinstance(value, bool) else value)
        if crowd is None:
            self._count("crowd-missing", name)
        return bool(crowd)

    def _count(self, kind: str, name: int | str) -> None:
        self._findings.add(kind, self._place, name)
