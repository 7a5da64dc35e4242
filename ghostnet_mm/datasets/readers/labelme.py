"""LabelMe: one JSON file per picture, with shapes."""

from __future__ import annotations

import base64
import binascii
import functools
from collections.abc import Iterable, Sequence

import cv2
import numpy as np

from ...errors import DataError
from ..annotations.data_set import ClassEntry, ObjectColumns, Part, Picture
from ..annotations.masks import Mask, mask_in_picture
from .json_files import parse_json, read_bytes
from .numbers import numbers, side
from .shapes import Point, box_of_corners, ellipse, outline
from .sources import Reading, Source
from .split_names import split_of

FORMAT = "LabelMe"
OUTLINES = ("polygon", "oriented_rectangle")


def find_labelme(names: Sequence[str]) -> list[Source]:
    """Return a source for each split of LabelMe's files, by the folders' names."""
    by_folder: dict[tuple[str | None, str], list[str]] = {}
    for name in names:
        folder = name.rpartition("/")[0]
        by_folder.setdefault((split_of(folder), folder or "."), []).append(name)
    return [
        Source(
            FORMAT,
            place,
            split,
            tuple(members),
            functools.partial(_read, place, split, tuple(members)),
        )
        for (split, place), members in by_folder.items()
    ]


def _read(
    place: str, split: str | None, names: Sequence[str], reading: Reading
) -> list[Part]:
    contents: list[tuple[str, dict]] = []
    broken: list[tuple[str, DataError | None]] = []
    for name in names:
        path = reading.listing.path(name)
        try:
            content = parse_json(read_bytes(path), path)
        except DataError as error:
            broken.append((name, error))
            continue
        if isinstance(content, dict) and isinstance(content.get("shapes"), list):
            contents.append((name, content))
        else:
            broken.append((name, None))
    reading.findings.add_all("file-unreadable", place, [name for name, _ in broken])
    if 2 * len(broken) > len(names):
        raise broken[0][1] or DataError(
            f"The annotation file {reading.listing.path(broken[0][0])} has no list of "
            f"shapes; save it again with LabelMe."
        )
    files = [name for name, _ in contents]
    stated = [_text(content.get("imagePath")) for _, content in contents]
    located = reading.find_beside(files, stated, split)
    pictures, columns = [], ObjectColumns()
    labels: dict[str, int] = {}
    for (name, content), (picture, path) in zip(contents, located, strict=True):
        size = side(content.get("imageWidth")), side(content.get("imageHeight"))
        pictures.append(Picture(picture, path, *size))
        for shapes in _joined_groups(content["shapes"]):
            index = len(pictures) - 1
            _add(shapes, size, index, place, name, labels, columns, reading)
    return [
        Part(
            split,
            place,
            [ClassEntry(name) for name in labels],
            pictures,
            columns.finished(),
            lists_classes=False,
        )
    ]


def _joined_groups(shapes: Iterable[object]) -> list[list[dict]]:
    """Return the shapes, those of one label and group together: parts of one object."""
    groups: dict[object, list[dict]] = {}
    for index, shape in enumerate(shapes):
        if not isinstance(shape, dict):
            groups[index] = []
            continue
        group, label = shape.get("group_id"), shape.get("label")
        # Only the parts of an outline make one object; two boxes are two.
        is_part = isinstance(group, int | str) and shape.get("shape_type") == "polygon"
        key = (str(label), str(group)) if is_part else index
        groups.setdefault(key, []).append(shape)
    return list(groups.values())


def _add(
    shapes: Sequence[dict],
    size: tuple[int, int],
    picture: int,
    place: str,
    file: str,
    labels: dict[str, int],
    columns: ObjectColumns,
    reading: Reading,
) -> None:
    if not shapes:
        reading.findings.add("object-entry", place, file)
        return
    label = _text(shapes[0].get("label"))
    if not label:
        reading.findings.add("object-of-no-class", place, file)
        return
    name = f"{file}: {label}"
    found = [_box_and_mask(shape, size) for shape in shapes]
    parts = [part for part in found if part is not None]
    if not parts:
        is_odd = any(shape.get("shape_type") not in _NO_AREA for shape in shapes)
        kind = "object-entry" if is_odd else "shape-without-area"
        reading.findings.add(kind, place, name)
        return
    boxes = [box for box, _ in parts]
    corners = [(x, y) for x, y, _, _ in boxes]
    corners += [(x + w, y + h) for x, y, w, h in boxes]
    masks = [mask for _, mask in parts]
    mask = masks[0]
    if len(masks) > 1:
        mask = [polygon for part in masks if isinstance(part, list) for polygon in part]
    label_index = labels.setdefault(label, len(labels))
    columns.add(picture, label_index, box_of_corners(corners), mask=mask, name=name)


_NO_AREA = ("point", "points", "line", "linestrip")


def _box_and_mask(
    shape: dict, size: tuple[int, int]
) -> tuple[list[float], Mask | None] | None:
    kind = shape.get("shape_type") or "polygon"
    points = _points(shape.get("points"))
    if not points:
        return None
    if kind == "rectangle" and len(points) >= 2:
        return box_of_corners(points), None
    if kind == "circle" and len(points) == 2:
        (x, y), (edge_x, edge_y) = points
        radius = float(np.hypot(edge_x - x, edge_y - y))
        return outline(ellipse(x, y, radius, radius))
    if kind == "mask":
        return box_of_corners(points), _pixel_mask(shape, points[0], size)
    if kind in OUTLINES and len(points) >= 3:
        return outline(points)
    return None


def _points(value: object) -> list[Point]:
    if not isinstance(value, list):
        return []
    points = [numbers(point, 2) for point in value]
    return [] if None in points else [(p[0], p[1]) for p in points if p]


def _pixel_mask(shape: dict, corner: Point, size: tuple[int, int]) -> Mask | None:
    """Return LabelMe's ``mask``, a PNG of the box, as it is in the whole picture."""
    text = shape.get("mask")
    if not isinstance(text, str):
        return None
    try:
        content = np.frombuffer(base64.b64decode(text), np.uint8)
        pixels = cv2.imdecode(content, cv2.IMREAD_GRAYSCALE)
    except (binascii.Error, ValueError, cv2.error):
        return None
    if pixels is None:
        return None
    return mask_in_picture(pixels > 0, int(corner[0]), int(corner[1]), *size)


def _text(value: object) -> str:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return ""
    return str(value).strip()
