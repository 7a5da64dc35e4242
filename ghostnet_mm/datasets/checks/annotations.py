"""Checks of a COCO annotation file before a run depends on it.

mmdet drops a box it cannot use and a category it does not know without a word, and
meets a missing image only when an epoch has come that far. Here all of that is found
in one pass, before the run starts.
"""

import json
import logging
import math
import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from mmengine.logging import print_log

from ...errors import DataError

# Rounding in annotation tools puts edges up to this far outside the image, in pixels.
BORDER_TOLERANCE = 2.0
# Share of the boxes that may be empty by an annotator's slip.
EMPTY_BOX_SHARE = 0.001
NAMES_SHOWN = 3

INVERTED = "an inverted box (negative width or height)"
EMPTY = "an empty box (under a pixel wide or high)"


def read_coco(ann_file: str | os.PathLike) -> dict:
    """Read an annotation file and make sure that it is COCO object detection.

    Raises:
        DataError: The file is missing, not JSON, or not COCO.
    """
    path = Path(ann_file)
    try:
        content = json.loads(path.read_bytes())
    except FileNotFoundError as error:
        raise DataError(
            f"The annotation file {path} does not exist; check the path."
        ) from error
    except OSError as error:
        raise DataError(
            f"The annotation file {path} cannot be read ({error.strerror})."
        ) from error
    except (ValueError, RecursionError) as error:
        raise DataError(
            f"The annotation file {path} is not JSON ({error}); "
            "export it again in COCO format."
        ) from error
    problem = _why_not_coco(content)
    if problem:
        raise DataError(
            f"The annotation file {path} is not COCO object detection: {problem}; "
            "export it again in COCO format."
        )
    return content


def classes_in(ann_file: str | os.PathLike) -> tuple[str, ...]:
    """Return the category names of a COCO file in the file's order.

    That order, not the order of the ids, is the one in which mmdet's ``CocoDataset``
    counts labels.

    Raises:
        DataError: The file is missing, not JSON, or not COCO.
    """
    return tuple(category["name"] for category in read_coco(ann_file)["categories"])


def check_annotations(
    ann_file: str | os.PathLike,
    image_dir: str | os.PathLike,
    classes: Sequence[str] | None = None,
) -> None:
    """Make sure that a COCO annotation file can be trained on.

    Crowd regions and boxes up to 2 pixels over the image's border pass. Boxes under a
    pixel wide or high, which mmdet leaves out, pass with a warning as long as they are
    at most one in a thousand: the official train2017 has two of zero width. More of
    them mean that the file is in other units, such as shares of the image.

    Args:
        ann_file: The annotation file.
        image_dir: The folder that the images' ``file_name`` is relative to.
        classes: The names the model was made for, in label order.

    Raises:
        DataError: With the first of: the file is not COCO; ids are used twice; the
            categories do not match ``classes``; images are missing; an annotation
            names an unknown image or category, or its box is NaN, inverted or outside
            the image. It states how many there are and names the first ones.
    """
    content = read_coco(ann_file)
    path = Path(ann_file)
    for key, what in (
        ("images", "image"),
        ("annotations", "annotation"),
        ("categories", "category"),
    ):
        _refuse_duplicate_ids(path, content[key], what)
    if classes is not None:
        _check_classes(path, content, classes)
    _check_images(path, content["images"], Path(image_dir))
    _check_boxes(path, content)


def _why_not_coco(content: object) -> str | None:
    if not isinstance(content, dict):
        return f"its top level is a {type(content).__name__}, not an object"
    required: dict[str, dict[str, Any]] = {
        "images": {"id": int | str, "file_name": str, "width": int, "height": int},
        "categories": {"id": int, "name": str},
        "annotations": {
            "id": int | str,
            "image_id": int | str,
            "category_id": int,
            "bbox": list,
            "area": int | float,
        },
    }
    for key, fields in required.items():
        entries = content.get(key)
        if not isinstance(entries, list):
            return f"it has no list '{key}'"
        for index, entry in enumerate(entries):
            if not isinstance(entry, dict):
                return f"{key}[{index}] is not an object"
            for field, kind in fields.items():
                if not isinstance(entry.get(field), kind):
                    return f"{key}[{index}] has no usable '{field}'"
    if not content["images"]:
        return "its list 'images' is empty"
    if not content["categories"]:
        return "its list 'categories' is empty"
    names = [category["name"] for category in content["categories"]]
    twice = [name for name in dict.fromkeys(names) if names.count(name) > 1]
    if twice:
        return f"two categories have the name {twice[0]}"
    return None


def _refuse_duplicate_ids(path: Path, entries: list[dict], what: str) -> None:
    ids = [entry["id"] for entry in entries]
    if len(set(ids)) == len(ids):
        return
    seen, repeated = set(), []
    for entry_id in ids:
        if entry_id in seen:
            repeated.append(entry_id)
        seen.add(entry_id)
    raise DataError(
        f"{path} uses {_count(repeated, f'{what} id')} more than once "
        f"({_first(repeated)}); give every {what} its own id."
    )


def _check_classes(path: Path, content: dict, classes: Sequence[str]) -> None:
    used = {annotation["category_id"] for annotation in content["annotations"]}
    categories = content["categories"]
    names = [category["name"] for category in categories]
    absent = [name for name in classes if name not in names]
    if absent:
        raise DataError(
            f"{path} lacks {_count(absent, 'class', 'classes')} of the model "
            f"({_first(absent)}); point the config at the data with --data-root, or "
            "set the dataset's metainfo.classes to the file's categories."
        )
    unknown = [
        category["name"]
        for category in categories
        if category["name"] not in classes and category["id"] in used
    ]
    if unknown:
        raise DataError(
            f"{path} has boxes of {_count(unknown, 'class', 'classes')} that the model "
            f"does not know ({_first(unknown)}); point the config at the data with "
            "--data-root, or set the dataset's metainfo.classes to the file's "
            "categories."
        )
    in_file_order = [name for name in names if name in classes]
    if in_file_order != list(classes):
        raise DataError(
            f"{path} lists the classes in another order than the model "
            f"({_first(in_file_order)} ... instead of {_first(classes)} ...), and "
            "labels are counted in the file's order; set the dataset's "
            "metainfo.classes to the order of the file."
        )


def _check_images(path: Path, images: list[dict], image_dir: Path) -> None:
    if not image_dir.is_dir():
        raise DataError(f"The image folder {image_dir} of {path} does not exist.")
    # One listing per folder; a call per file takes minutes on network storage.
    listings: dict[str, set[str]] = {}
    missing = []
    for image in images:
        folder, name = os.path.split(image["file_name"])
        if folder not in listings:
            listings[folder] = _file_names(image_dir / folder)
        if name not in listings[folder]:
            missing.append(image["file_name"])
    if missing:
        raise DataError(
            f"{_count(missing, 'image')} of {len(images)} in {path} "
            f"{'is' if len(missing) == 1 else 'are'} not in {image_dir} "
            f"({_first(missing)}); check the folder or the names in the file."
        )


def _file_names(folder: Path) -> set[str]:
    try:
        with os.scandir(folder) as entries:
            return {entry.name for entry in entries}
    except OSError:
        return set()


def _check_boxes(path: Path, content: dict) -> None:
    sizes = {
        image["id"]: (image["width"], image["height"]) for image in content["images"]
    }
    category_ids = {category["id"] for category in content["categories"]}
    faults: dict[str, list] = {}
    for annotation in content["annotations"]:
        fault = _box_fault(annotation, sizes, category_ids)
        if fault:
            faults.setdefault(fault, []).append(annotation["id"])
    empty = faults.get(EMPTY, [])
    if 0 < len(empty) <= EMPTY_BOX_SHARE * len(content["annotations"]):
        del faults[EMPTY]
        print_log(
            f"{path}: mmdet leaves out {_count(empty, 'annotation')} with {EMPTY} "
            f"(ids {_first(empty)}).",
            logger="current",
            level=logging.WARNING,
        )
    if faults:
        summary = "; ".join(
            f"{_count(ids, 'annotation')} with {fault} (ids {_first(ids)})"
            for fault, ids in faults.items()
        )
        raise DataError(f"{path} has {summary}; correct or remove them.")


def _box_fault(
    annotation: dict, sizes: dict[int, tuple[int, int]], category_ids: set[int]
) -> str | None:
    size = sizes.get(annotation["image_id"])
    if size is None:
        return "an unknown image_id"
    if annotation["category_id"] not in category_ids:
        return "an unknown category_id"
    box = annotation["bbox"]
    if len(box) != 4 or not all(isinstance(value, int | float) for value in box):
        return "a box that is not four numbers [x, y, width, height]"
    x, y, width, height = box
    if not math.isfinite(x + y + width + height):
        return "a box that is NaN or infinite"
    if width < 0 or height < 0:
        return INVERTED
    if width < 1 or height < 1:
        return EMPTY
    if (
        x < -BORDER_TOLERANCE
        or y < -BORDER_TOLERANCE
        or x + width > size[0] + BORDER_TOLERANCE
        or y + height > size[1] + BORDER_TOLERANCE
    ):
        return "a box outside its image"
    return None


def _count(items: Sequence, singular: str, plural: str | None = None) -> str:
    return f"{len(items)} {singular if len(items) == 1 else plural or singular + 's'}"


def _first(items: Iterable) -> str:
    shown = [str(item) for item in items]
    ending = ", ..." if len(shown) > NAMES_SHOWN else ""
    return ", ".join(shown[:NAMES_SHOWN]) + ending
