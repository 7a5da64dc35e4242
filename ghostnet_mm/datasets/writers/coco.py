"""Writing a data set in COCO's own layout."""

from __future__ import annotations

from pathlib import Path

from ..annotations.data_set import DataSet, Picture, Split
from ..clean_copy.coco_files import write_coco_file
from .pictures import bring, names_of


def write_coco(data: DataSet, folder: Path, how: str) -> list[str]:
    """Write ``train2017/``, ``val2017/`` and ``annotations/instances_*.json``.

    Args:
        data: The data set, repaired.
        folder: Where to, an empty folder.
        how: Whether pictures are copied or linked to.

    Returns:
        What could not be written, in words: nothing.
    """
    (folder / "annotations").mkdir()
    for name, split in data.splits.items():
        place = folder / f"{name}2017"
        place.mkdir()
        moved = []
        for picture, new in zip(
            split.pictures, names_of(split, set(), name, flat=False), strict=True
        ):
            bring(picture.path, place / new, how)
            moved.append(Picture(new, str(place / new), picture.width, picture.height))
        file = folder / "annotations" / f"instances_{name}2017.json"
        write_coco_file(file, Split(moved, split.objects), data.classes)
    return []
