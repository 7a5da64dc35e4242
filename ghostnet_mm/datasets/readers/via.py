"""VIA's own JSON, exported annotations or a whole project."""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Iterator, Sequence

from ...errors import DataError
from ..annotations.data_set import ClassEntry, ObjectColumns, Part, Picture
from ..annotations.masks import Mask
from .json_files import parse_json, read_bytes
from .numbers import number, numbers
from .shapes import ellipse, outline
from .sources import Reading, Source
from .split_names import split_of

FORMAT = "VIA"
WITHOUT_AREA = ("point", "polyline", "line")
# What people call the attribute that holds the class.
CLASS_ATTRIBUTES = ("class", "label", "name", "type", "category", "object")
ONLY_CLASS = "object"


def find_via(names: Sequence[str]) -> list[Source]:
    """Return a source for each of VIA's files."""
    return [
        Source(FORMAT, name, split_of(name), (name,), functools.partial(_read, name))
        for name in names
    ]


def _read(name: str, reading: Reading) -> list[Part]:
    path = reading.listing.path(name)
    content = parse_json(read_bytes(path), path)
    if isinstance(content, dict) and isinstance(content.get("_via_img_metadata"), dict):
        content = content["_via_img_metadata"]
    entries = list(content.values()) if isinstance(content, dict) else []
    files = [entry for entry in entries if _is_file(entry)]
    if not files:
        raise DataError(
            f"The annotation file {path} lists no files with regions; export it again "
            f"with VIA."
        )
    split = split_of(name)
    attribute = _class_attribute(files)
    labels: dict[str, int] = {}
    columns = ObjectColumns()
    stated = [str(entry["filename"]) for entry in files]
    found = reading.search.find_all(stated, name, split)
    pictures = []
    for entry, file, place in zip(files, stated, found, strict=True):
        pictures.append(Picture(file, reading.picture_path(place, file, name)))
        for region in _regions(entry):
            index = len(pictures) - 1
            _add(region, attribute, index, name, file, labels, columns, reading)
    return [
        Part(
            split,
            name,
            [ClassEntry(label) for label in labels],
            pictures,
            columns.finished(),
            lists_classes=False,
        )
    ]


def _is_file(entry: object) -> bool:
    if not isinstance(entry, dict) or not isinstance(entry.get("filename"), str):
        return False
    return bool(entry["filename"].strip()) and "\0" not in entry["filename"]


def _regions(entry: dict) -> Iterator[dict]:
    regions = entry.get("regions")
    if isinstance(regions, dict):
        regions = list(regions.values())
    for region in regions if isinstance(regions, list) else ():
        yield region if isinstance(region, dict) else {}


def _attributes(region: dict) -> dict:
    found = region.get("region_attributes")
    return found if isinstance(found, dict) else {}


def _class_attribute(files: Sequence[dict]) -> str | None:
    """Return the attribute that names the classes; ``None`` if no region has any."""
    filled = Counter(
        key
        for entry in files
        for region in _regions(entry)
        for key, value in _attributes(region).items()
        if isinstance(key, str) and _class_name(value)
    )
    for usual in CLASS_ATTRIBUTES:
        for key in filled:
            if key.strip().lower() == usual:
                return key
    return filled.most_common(1)[0][0] if filled else None


def _class_name(value: object) -> str:
    """Return what an attribute says: a text, or the one option that is ticked."""
    if isinstance(value, dict):
        ticked = [key for key, is_on in value.items() if is_on is True]
        value = ticked[0] if len(ticked) == 1 else None
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return ""
    return str(value).strip()


def _add(
    region: dict,
    attribute: str | None,
    picture: int,
    place: str,
    file: str,
    labels: dict[str, int],
    columns: ObjectColumns,
    reading: Reading,
) -> None:
    shape = region.get("shape_attributes")
    if not isinstance(shape, dict):
        reading.findings.add("object-entry", place, file)
        return
    label = ONLY_CLASS
    if attribute is not None:
        label = _class_name(_attributes(region).get(attribute))
    if not label:
        reading.findings.add("object-of-no-class", place, file)
        return
    found = _box_and_mask(shape)
    if found is None:
        is_odd = shape.get("name") not in WITHOUT_AREA
        reading.findings.add(
            "object-entry" if is_odd else "shape-without-area",
            place,
            f"{file}: {label}",
        )
        return
    box, mask = found
    index = labels.setdefault(label, len(labels))
    columns.add(picture, index, box, mask=mask, name=f"{file}: {label}")


def _box_and_mask(shape: dict) -> tuple[list[float], Mask | None] | None:
    kind = shape.get("name")
    if kind == "rect":
        box = [number(shape.get(key)) for key in ("x", "y", "width", "height")]
        values = [value for value in box if value is not None]
        return (values, None) if len(values) == 4 else None
    if kind == "polygon":
        xs, ys = numbers(shape.get("all_points_x")), numbers(shape.get("all_points_y"))
        if not xs or not ys or len(xs) != len(ys):
            return None
        return outline(list(zip(xs, ys, strict=True)))
    if kind not in ("circle", "ellipse"):
        return None
    x, y = number(shape.get("cx")), number(shape.get("cy"))
    x_radius = number(shape.get("r" if kind == "circle" else "rx"))
    y_radius = number(shape.get("r" if kind == "circle" else "ry"))
    if x is None or y is None or x_radius is None or y_radius is None:
        return None
    # VIA turns by radians.
    degrees = (number(shape.get("theta", 0)) or 0.0) * 57.29577951308232
    return outline(ellipse(x, y, x_radius, y_radius, degrees))
