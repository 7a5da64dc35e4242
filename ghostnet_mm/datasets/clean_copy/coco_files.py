"""Writing a split as a COCO file that no library finds fault with."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TextIO

from ..annotations.data_set import Split

CHUNK = 4096


def write_coco_file(target: Path, split: Split, classes: Sequence[str]) -> str:
    """Write a split with ids from 1 on, sizes, areas and ``iscrowd``.

    Args:
        target: The file.
        split: The split, repaired.
        classes: The names by label.

    Returns:
        The folder that the file names are relative to, absolute.
    """
    prefix = picture_folder(split)
    with target.open("w", encoding="utf-8") as file:
        file.write('{"categories": ')
        categories = [{"id": i, "name": name} for i, name in enumerate(classes, 1)]
        json.dump(categories, file)
        file.write(',\n"images": [')
        _write_all(file, _images(split, prefix))
        file.write('],\n"annotations": [')
        _write_all(file, _annotations(split))
        file.write("]}\n")
    return prefix


def picture_folder(split: Split) -> str:
    """Return the deepest folder that holds all pictures of a split, absolute.

    It is empty where they lie on several drives: their names are absolute then.
    """
    try:
        return os.path.commonpath(
            {os.path.dirname(picture.path) for picture in split.pictures}
        )
    except ValueError:
        return ""


def _images(split: Split, prefix: str) -> Iterator[dict]:
    for index, picture in enumerate(split.pictures, 1):
        name = os.path.relpath(picture.path, prefix) if prefix else picture.path
        yield {
            "id": index,
            "file_name": name.replace(os.sep, "/"),
            "width": picture.width,
            "height": picture.height,
        }


def _annotations(split: Split) -> Iterator[dict]:
    objects = split.objects
    columns = zip(
        objects.pictures.tolist(),
        objects.labels.tolist(),
        objects.boxes.tolist(),
        objects.areas.tolist(),
        objects.crowds.tolist(),
        objects.masks,
        strict=True,
    )
    for index, (picture, label, box, area, crowd, mask) in enumerate(columns, 1):
        annotation = {
            "id": index,
            "image_id": picture + 1,
            "category_id": label + 1,
            "bbox": box,
            "area": area,
            "iscrowd": int(crowd),
        }
        if mask is not None:
            annotation["segmentation"] = mask
        yield annotation


def _write_all(file: TextIO, entries: Iterator[dict]) -> None:
    """Write a list, some entries at a time: never all of them as text at once."""
    first, chunk = True, []
    for entry in entries:
        chunk.append(entry)
        if len(chunk) == CHUNK:
            file.write(("\n" if first else ",\n") + _lines(chunk))
            first, chunk = False, []
    if chunk:
        file.write(("\n" if first else ",\n") + _lines(chunk))


def _lines(entries: Sequence[dict]) -> str:
    return ",\n".join(map(json.dumps, entries))
