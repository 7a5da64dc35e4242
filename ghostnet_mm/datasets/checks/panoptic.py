"""Checks of COCO panoptic annotations before a run depends on them.

mmdet meets a missing PNG only when an epoch has come that far, and counts labels in the
file's order, whatever the model was made for.
"""

import json
import os
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

from ...errors import DataError

NAMES_SHOWN = 3
REQUIRED = {
    "images": {"id": int, "file_name": str, "width": int, "height": int},
    "categories": {"id": int, "name": str, "isthing": int},
    "annotations": {"image_id": int, "segments_info": list},
}
SEGMENT_FIELDS = {
    "id": int,
    "category_id": int,
    "iscrowd": int,
    "bbox": list,
    "area": int | float,
}


def png_name(image: dict) -> str:
    """Return the name under which mmdet reads an image's segments."""
    return image["file_name"].replace(".jpg", ".png")


def read_panoptic(ann_file: str | os.PathLike) -> dict:
    """Read an annotation file and make sure that it is COCO panoptic segmentation.

    Raises:
        DataError: The file is missing, not JSON, or of another format.
    """
    path = Path(ann_file)
    try:
        content = json.loads(path.read_bytes())
    except OSError as error:
        raise DataError(
            f"The annotation file {path} cannot be read ({error.strerror}); check the "
            "path."
        ) from error
    except (ValueError, RecursionError) as error:
        raise DataError(
            f"The annotation file {path} is not JSON ({error}); fetch or export it "
            "again."
        ) from error
    problem = _why_not_panoptic(content)
    if problem:
        raise DataError(
            f"The annotation file {path} is not COCO panoptic segmentation: {problem}; "
            "export it again in that format, or choose a detection config."
        )
    return content


def check_categories(
    path: Path, content: dict, classes: Sequence[str], thing_classes: Iterable[str]
) -> None:
    """Make sure that a file's categories are the model's, in the same order.

    Raises:
        DataError: Names, their order, or what is a thing differ.
    """
    categories = content["categories"]
    names = [category["name"] for category in categories]
    different = sorted(set(names) ^ set(classes))
    if different or len(names) != len(classes):
        twice = sorted(name for name, count in Counter(names).items() if count > 1)
        raise DataError(
            f"{path} does not have the {len(classes)} categories of the panoptic model "
            f"({_first(different or twice)}); use COCO's own annotations, or write a "
            "config for yours."
        )
    if names != list(classes):
        first = next(i for i, name in enumerate(names) if name != classes[i])
        raise DataError(
            f"{path} lists its categories in another order than the model "
            f"({names[first]} instead of {classes[first]}), and labels are counted in "
            "the file's order; put them in the model's."
        )
    things = set(thing_classes)
    flagged = {category["name"] for category in categories if category["isthing"]}
    wrong = sorted(flagged ^ things)
    if wrong:
        raise DataError(
            f"{path} and the model do not agree on which categories are things "
            f"({_first(wrong)}); correct their 'isthing'."
        )


def check_panoptic_annotations(
    ann_file: str | os.PathLike,
    image_dir: str | os.PathLike,
    seg_dir: str | os.PathLike,
    classes: Sequence[str],
    thing_classes: Iterable[str],
) -> None:
    """Make sure that panoptic annotations can be trained on and evaluated.

    The PNGs are not opened: a hundred thousand of them take minutes.

    Args:
        ann_file: The annotation file.
        image_dir: The folder of the pictures.
        seg_dir: The folder of the PNGs.
        classes: The names the model was made for, in label order.
        thing_classes: Those of them that are things.

    Raises:
        DataError: With the first of: the file is of another format; the categories do
            not match; pictures or PNGs are missing; an annotation names an unknown
            image or category, or a segment twice.
    """
    content, path = read_panoptic(ann_file), Path(ann_file)
    check_categories(path, content, classes, thing_classes)
    pictures = [image["file_name"] for image in content["images"]]
    _refuse_missing(path, pictures, Path(image_dir), "pictures")
    # As mmdet does, without a look at the annotation's own file_name.
    pngs = [png_name(image) for image in content["images"]]
    _refuse_missing(path, pngs, Path(seg_dir), "segment PNGs")
    _check_segments(path, content)


def _why_not_panoptic(content: object) -> str | None:
    if not isinstance(content, dict):
        return f"its top level is a {type(content).__name__}, not an object"
    for key, fields in REQUIRED.items():
        entries = content.get(key)
        if not isinstance(entries, list) or not entries:
            return f"it has no list '{key}', or an empty one"
        for index, entry in enumerate(entries):
            problem = _missing_field(entry, fields, f"{key}[{index}]")
            if problem:
                return problem
    for index, annotation in enumerate(content["annotations"]):
        for number, segment in enumerate(annotation["segments_info"]):
            place = f"annotations[{index}].segments_info[{number}]"
            problem = _missing_field(segment, SEGMENT_FIELDS, place)
            if problem:
                return problem
    return None


def _missing_field(entry: object, fields: dict, place: str) -> str | None:
    if not isinstance(entry, dict):
        return f"{place} is not an object"
    for field, kind in fields.items():
        if not isinstance(entry.get(field), kind):
            return f"{place} has no usable '{field}'"
    return None


def _refuse_missing(path: Path, names: list[str], folder: Path, what: str) -> None:
    # One listing per folder; a call per file takes minutes on network storage.
    listings: dict[str, set[str]] = {}
    missing = []
    for name in names:
        parent, base = os.path.split(name)
        if parent not in listings:
            inner = folder / parent
            listings[parent] = set(os.listdir(inner)) if inner.is_dir() else set()
        if base not in listings[parent]:
            missing.append(name)
    if missing:
        raise DataError(
            f"{len(missing)} of the {len(names)} {what} of {path} are not in {folder} "
            f"({_first(missing)}); check the folder or the names in the file."
        )


def _check_segments(path: Path, content: dict) -> None:
    image_ids = {image["id"] for image in content["images"]}
    category_ids = {category["id"] for category in content["categories"]}
    faults: dict[str, list] = {}
    for annotation in content["annotations"]:
        image_id = annotation["image_id"]
        segments = annotation["segments_info"]
        ids = {segment["id"] for segment in segments}
        if image_id not in image_ids:
            faults.setdefault("an unknown image_id", []).append(image_id)
        if len(ids) < len(segments):
            faults.setdefault("a segment id used twice", []).append(image_id)
        if any(segment["category_id"] not in category_ids for segment in segments):
            faults.setdefault("an unknown category_id", []).append(image_id)
        if any(len(segment["bbox"]) != 4 for segment in segments):
            faults.setdefault("a bbox that is not four numbers", []).append(image_id)
    if faults:
        summary = "; ".join(
            f"{len(ids)} with {fault} (image_id {_first(ids)})"
            for fault, ids in faults.items()
        )
        raise DataError(
            f"{path} has annotations that are wrong: {summary}; correct them."
        )


def _first(items: Iterable) -> str:
    shown = [str(item) for item in items]
    ending = ", ..." if len(shown) > NAMES_SHOWN else ""
    return ", ".join(shown[:NAMES_SHOWN]) + ending
