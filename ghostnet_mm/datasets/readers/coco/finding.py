"""Which of the JSON files of a folder are COCO's, and of which split."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Sequence

from ..sources import Source
from ..split_names import split_in, split_of
from .reading import read_coco_part

FORMAT = "COCO"
# COCO's own files for other tasks, which lie beside those for boxes.
OTHER_TASKS = ("captions_", "image_info_", "panoptic_", "person_keypoints_", "stuff_")


def find_coco(names: Sequence[str]) -> tuple[list[Source], list[str]]:
    """Return the sources among COCO files, and the files that are not used.

    Where a split has COCO's own files of several tasks, those for boxes are taken. A
    file whose split nothing tells is not used beside files for training and validation.

    Args:
        names: Files that look like COCO's, relative to the root.
    """
    splits = {name: _split_of_file(name) for name in names}
    others: list[str] = []
    for split in set(splits.values()):
        same = [name for name in names if splits[name] == split]
        of_others = [name for name in same if _is_other_task(name)]
        if len(of_others) < len(same):
            others += of_others
        elif split != "test":
            # Keypoints have boxes; a list of pictures or captions have not.
            others += [n for n in same if not _base(n).startswith(BOXES_TOO)]
    named = {split for name, split in splits.items() if name not in others}
    unused: list[str] = []
    if {"train", "val"} <= named:
        unused = [name for name in names if splits[name] is None]
    elif "val" in named:
        # What is left beside a validation split is for training.
        splits = {name: split or "train" for name, split in splits.items()}
    return _sources(names, splits, [*others, *unused]), unused


BOXES_TOO = ("person_keypoints_", "stuff_", "panoptic_")


def _sources(
    names: Iterable[str], splits: dict[str, str | None], unused: Sequence[str]
) -> list[Source]:
    left_out = set(unused)
    return [
        Source(
            FORMAT,
            name,
            splits[name],
            (name,),
            functools.partial(read_coco_part, name=name, split=splits[name]),
        )
        for name in names
        if name not in left_out
    ]


def _split_of_file(name: str) -> str | None:
    folder, _, base = name.rpartition("/")
    return split_in(base) or split_of(folder)


def _is_other_task(name: str) -> bool:
    return _base(name).startswith(OTHER_TASKS)


def _base(name: str) -> str:
    return name.rpartition("/")[2].lower()
