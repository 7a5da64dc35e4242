"""What COCO-layout folders have in common: the names of splits, files and images."""

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from mmengine.logging import print_log

from ...errors import DataError, OptionError
from ..wrappers import inner_datasets

SPLIT_NAMES = {
    "train": ("train2017", "train"),
    "val": ("val2017", "val", "valid", "validation"),
    "test": ("test2017", "test"),
}
# {name} is one of the names above.
IMAGE_DIRS = ("{name}", "images/{name}", "{name}/images", "images", "")
# How many file names decide which folder holds a split's images.
PROBED_IMAGES = 20


def find_annotation_files(
    root: Path, patterns: Iterable[str], wanted: Iterable[str], what: str
) -> dict[str, tuple[str, str] | None]:
    """Return each split's annotation file, relative to the root, and its name there.

    Args:
        root: The data root.
        patterns: Where a file may lie, with ``{name}`` for the split's name.
        wanted: The splits that must be there.
        what: What to expect, for the message; ``{split}`` is filled in.

    Raises:
        DataError: The root is not a folder, or a wanted split has no file.
    """
    if not root.is_dir():
        raise DataError(f"The data root {root} is not a folder; check --data-root.")
    patterns = tuple(patterns)
    files = {split: _find_file(root, split, patterns) for split in SPLIT_NAMES}
    for split in wanted:
        if files[split] is None:
            expected = what.format(split=SPLIT_NAMES[split][0])
            raise DataError(
                f"The data root {root} has no {split} annotations; expected {expected}."
            )
    return files


def _find_file(
    root: Path, split: str, patterns: tuple[str, ...]
) -> tuple[str, str] | None:
    for name in SPLIT_NAMES[split]:
        for pattern in patterns:
            candidate = pattern.format(name=name)
            if (root / candidate).is_file():
                return candidate, name
    return None


def find_image_dir(root: Path, ann_file: str, name: str, images: list[dict]) -> str:
    """Return the folder, relative to the root, that holds most of the first images.

    Args:
        root: The data root.
        ann_file: The split's annotation file, relative to it.
        name: The split's name in the folder.
        images: The file's images.

    Raises:
        DataError: No folder holds any of them.
    """
    year_or_not = (name, name.removesuffix("2017"), name.removesuffix("2017") + "2017")
    candidates = [
        pattern.format(name=variant)
        for pattern in IMAGE_DIRS
        for variant in year_or_not
    ]
    candidates.append(os.path.dirname(ann_file))
    existing = [c for c in dict.fromkeys(candidates) if (root / c).is_dir()]
    probed = [image["file_name"] for image in images[:PROBED_IMAGES]]

    def found_in(folder: str) -> int:
        return sum((root / folder / file_name).is_file() for file_name in probed)

    best = max(existing, key=found_in)
    if not found_in(best):
        looked_in = ", ".join(f"{folder or '.'}" for folder in existing)
        raise DataError(
            f"The images of {root / ann_file} (such as {probed[0]}) are in none of the "
            f"folders {looked_in} of {root}; put them into {name}/."
        )
    return best


def use_validation_for_testing(root: Path, splits: dict) -> None:
    """Let a folder without a test split have its validation split tested, and say so.

    Args:
        root: The data root.
        splits: What was found, by split; ``test`` is added where it lacks.
    """
    if "test" not in splits:
        splits["test"] = splits["val"]
        print_log(
            f"{root} has no annotated test split: testing uses "
            f"{splits['val'].ann_file}.",
            logger="current",
        )


def is_of_type(part: Mapping, name: str) -> bool:
    """Say whether a config's ``type`` is ``name``, with or without a scope."""
    return str(part.get("type")).rpartition(".")[2] == name


def is_coco_metric(metric: Mapping) -> bool:
    """Say whether an evaluator's config is mmdet's ``CocoMetric`` or our fast one."""
    return any(is_of_type(metric, name) for name in ("CocoMetric", "FastCocoMetric"))


def evaluators_in(evaluators: Any) -> list[Any]:
    """Return the configs of ``val_evaluator``, which may be one, several or none."""
    if isinstance(evaluators, list | tuple):
        return list(evaluators)
    return [] if evaluators is None else [evaluators]


def only_dataset(loader: dict, split: str, kind: str) -> dict:
    """Return the one dataset of a dataloader, through any wrapper.

    Raises:
        OptionError: It is not of the type ``kind``, or there are several.
    """
    leaves = [leaf for _, leaf in inner_datasets(loader["dataset"])]
    for leaf in leaves:
        if not is_of_type(leaf, kind):
            raise OptionError(
                f"{split}_dataloader reads a {leaf.get('type')}, and --data-root works "
                "with CocoDataset, or CocoPanopticDataset in every dataloader; set the "
                f"dataset's type to '{kind}'."
            )
    if len(leaves) > 1:
        raise OptionError(
            f"{split}_dataloader joins {len(leaves)} datasets, and --data-root names "
            "one folder; leave one dataset in the config."
        )
    return leaves[0]
