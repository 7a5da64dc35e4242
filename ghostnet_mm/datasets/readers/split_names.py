"""Which split a file or folder belongs to, by its name."""

from __future__ import annotations

import re

WORDS = {
    "train": "train",
    "training": "train",
    "trn": "train",
    "val": "val",
    "valid": "val",
    "validation": "val",
    "dev": "val",
    "minival": "val",
    "test": "test",
    "testing": "test",
}
BOUNDARY = re.compile(r"[^a-z]+")


def split_in(text: str) -> str | None:
    """Return the split that one file or folder name means, if it is a single one.

    >>> split_in("instances_Train2017.json"), split_in("trainval.txt")
    ('train', None)
    """
    found = {WORDS[word] for word in BOUNDARY.split(text.lower()) if word in WORDS}
    return found.pop() if len(found) == 1 else None


def split_of(path: str) -> str | None:
    """Return the split of a relative path: the last of its parts that names one.

    >>> split_of("train/labels/0001.txt"), split_of("images/0001.jpg")
    ('train', None)
    """
    for part in reversed(path.split("/")):
        split = split_in(part)
        if split is not None:
            return split
    return None
