"""Reading data roots in tests, and what came of it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from ghostnet_mm.datasets.clean_copy.copying import CleanCopy, clean_copy_of
from ghostnet_mm.datasets.reading import ReadingOptions


def copy_of(*roots: Path, **options: Any) -> CleanCopy:
    """Read data roots as a training run does."""
    return clean_copy_of(roots, ReadingOptions(**options))


def content_of(copy: CleanCopy, split: str = "train") -> dict[str, Any]:
    """Return the COCO content of a split of a clean copy."""
    return json.loads(Path(copy.summary.splits[split].file).read_text())


def kinds_found(copy: CleanCopy) -> dict[str, int]:
    """Return how many findings there are of each kind."""
    found: dict[str, int] = {}
    for entry in copy.summary.findings:
        found[entry["kind"]] = found.get(entry["kind"], 0) + entry["count"]
    return found


def objects_by_picture(copy: CleanCopy, split: str = "train") -> dict[str, list]:
    """Return (class name, box, area, iscrowd) of every object, by the file's name."""
    content = content_of(copy, split)
    names = {category["id"]: category["name"] for category in content["categories"]}
    pictures = {image["id"]: image["file_name"] for image in content["images"]}
    objects: dict[str, list] = {name: [] for name in pictures.values()}
    for annotation in content["annotations"]:
        objects[pictures[annotation["image_id"]]].append(
            (
                names[annotation["category_id"]],
                tuple(annotation["bbox"]),
                annotation["area"],
                annotation["iscrowd"],
            )
        )
    return objects
