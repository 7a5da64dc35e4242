"""Label Studio's own JSON: a list of tasks, sizes in percent."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence

from ...errors import DataError
from ..annotations.data_set import ClassEntry, ObjectColumns, Part, Picture
from ..annotations.masks import Mask
from .json_files import parse_json, read_bytes
from .numbers import number, numbers
from .shapes import ellipse, outline, rotated_rectangle
from .sources import Reading, Source
from .split_names import split_of

FORMAT = "Label Studio"
PERCENT = 100
KINDS = ("rectanglelabels", "polygonlabels", "ellipselabels")
WITHOUT_AREA = ("keypointlabels", "choices", "taxonomy", "textarea", "rating")


def find_label_studio(names: Sequence[str]) -> list[Source]:
    """Return a source for each of Label Studio's files."""
    return [
        Source(FORMAT, name, split_of(name), (name,), functools.partial(_read, name))
        for name in names
    ]


def _read(name: str, reading: Reading) -> list[Part]:
    path = reading.listing.path(name)
    content = parse_json(read_bytes(path), path)
    tasks = content if isinstance(content, list) else [content]
    named = [(task, _picture_name(task)) for task in tasks if isinstance(task, dict)]
    usable = [(task, picture) for task, picture in named if picture]
    if not usable:
        raise DataError(
            f"The annotation file {path} lists no tasks with pictures; export it again "
            f"from Label Studio."
        )
    split = split_of(name)
    names = [picture for _, picture in usable]
    found = reading.search.find_all(names, name, split)
    labels: dict[str, int] = {}
    columns = ObjectColumns()
    pictures = []
    for (task, picture), place in zip(usable, found, strict=True):
        path = reading.picture_path(place, picture, name)
        source_id = task.get("id")
        source_id = source_id if isinstance(source_id, int | str) else None
        pictures.append(Picture(picture, path, source_id=source_id, unit=PERCENT))
        for result in _results(task):
            _add(result, len(pictures) - 1, name, picture, labels, columns, reading)
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


def _picture_name(task: dict) -> str:
    """Return the address of a task's picture: the text that looks like one."""
    data = task.get("data")
    fields = data if isinstance(data, dict) else task
    texts = {
        key: value
        for key, value in fields.items()
        if isinstance(value, str) and value.strip() and "\0" not in value
    }
    for key in ("image", "img", "picture", "photo", "url"):
        if key in texts:
            return texts[key]
    for value in texts.values():
        if "/" in value or "." in value[-6:]:
            return value
    return ""


def _results(task: dict) -> Iterator[object]:
    """Yield what was drawn: of several opinions the one marked as the truth, or first.

    The short export has lists of shapes among the task's own keys.
    """
    opinions = task.get("annotations", task.get("completions"))
    if not isinstance(opinions, list):
        for value in task.values():
            if isinstance(value, list):
                yield from value
        return
    usable = [
        opinion
        for opinion in opinions
        if isinstance(opinion, dict)
        and not opinion.get("was_cancelled")
        and isinstance(opinion.get("result"), list)
    ]
    usable.sort(key=lambda opinion: not opinion.get("ground_truth"))
    if usable:
        yield from usable[0]["result"]


def _add(
    result: object,
    picture: int,
    file: str,
    picture_name: str,
    labels: dict[str, int],
    columns: ObjectColumns,
    reading: Reading,
) -> None:
    if not isinstance(result, dict):
        reading.findings.add("object-entry", file, picture_name)
        return
    value = result.get("value")
    value = value if isinstance(value, dict) else result
    kind = next((key for key in KINDS if isinstance(value.get(key), list)), None)
    if kind is None:
        is_known = any(key in value for key in WITHOUT_AREA) or "points" not in value
        reading.findings.add(
            "shape-without-area" if is_known else "object-entry", file, picture_name
        )
        return
    names = [label for label in value[kind] if isinstance(label, str) and label.strip()]
    if not names:
        reading.findings.add("object-of-no-class", file, picture_name)
        return
    found = _box_and_mask(value, kind, _original_size(result, value))
    if found is None:
        reading.findings.add("object-entry", file, picture_name)
        return
    box, mask = found
    label = labels.setdefault(names[0].strip(), len(labels))
    columns.add(picture, label, box, mask=mask, name=f"{picture_name}: {names[0]}")


def _original_size(result: dict, value: dict) -> tuple[float, float]:
    """Return the picture's width and height in pixels; a square where none are stated.

    They stand beside the shape, or in it in the short export.
    """
    keys = ("original_width", "original_height")
    for holder in (result, value):
        width, height = (number(holder.get(key)) or 0.0 for key in keys)
        if width > 0 and height > 0:
            return width, height
    return 1.0, 1.0


def _box_and_mask(
    value: dict, kind: str, size: tuple[float, float]
) -> tuple[list[float], Mask | None] | None:
    if kind == "polygonlabels":
        points = value.get("points")
        found = [numbers(p, 2) for p in points] if isinstance(points, list) else []
        if not found or None in found:
            return None
        return outline([(point[0], point[1]) for point in found if point])
    turn = number(value.get("rotation", 0)) or 0.0
    if kind == "ellipselabels":
        keys = ("x", "y", "radiusX", "radiusY")
    else:
        keys = ("x", "y", "width", "height")
    values = [number(value.get(key)) for key in keys]
    sides = [found for found in values if found is not None]
    if len(sides) < 4:
        return None
    x, y, first, second = sides
    if kind == "ellipselabels":
        return outline(ellipse(x, y, first, second, turn))
    if turn % 360 == 0:
        return sides, None
    # Turned around its corner, in pixels: percent of two sides are no pixels.
    width, height = size
    corners = rotated_rectangle(0, 0, first * width, second * height, turn)
    dx, dy = corners[0]
    return outline(
        [(x + (cx - dx) / width, y + (cy - dy) / height) for cx, cy in corners]
    )
