"""The pictures of a data set on their way to another folder."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from ..annotations.data_set import Split
from ..clean_copy.coco_files import picture_folder

COPY, LINK = "copy", "link"


def names_of(split: Split, taken: set[str], prefix: str, flat: bool) -> list[str]:
    """Return a name for each picture of a split, none of them taken.

    Args:
        split: The split.
        taken: Stems that are taken, in small letters; the new ones are added.
        prefix: What goes before a name that is taken.
        flat: Whether folders become part of the names.
    """
    base = picture_folder(split)
    names = []
    for picture in split.pictures:
        name = os.path.relpath(picture.path, base) if base else picture.path
        name = name.replace(os.sep, "/").lstrip("/").replace(":", "_")
        if flat:
            name = name.replace("/", "__")
        folder, _, last = name.rpartition("/")
        stem, dot, suffix = last.rpartition(".")
        stem, suffix = (stem, dot + suffix) if dot else (last, "")
        free = stem
        number = 0
        while f"{folder}/{free}".casefold() in taken:
            free = f"{prefix}_{stem}" if not number else f"{prefix}_{stem}_{number}"
            number += 1
        taken.add(f"{folder}/{free}".casefold())
        names.append("/".join(part for part in (folder, free + suffix) if part))
    return names


def bring(source: str, target: Path, how: str) -> None:
    """Copy a picture, or link to it.

    Raises:
        OSError: It cannot be written.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    if how == LINK:
        target.symlink_to(os.path.abspath(source))
    else:
        shutil.copyfile(source, target)
