"""From a user's folders to another format."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path

from ghostnet_runtime.atomic_writing import finished_folder

from ...errors import OptionError
from ..annotations.data_set import DataSet
from ..annotations.kinds import new_findings
from ..clean_copy.cache import cache_folder
from ..reading import ReadingOptions, list_roots, read_data_set
from .coco import write_coco
from .pictures import COPY
from .voc import write_voc
from .yolo import write_yolo

WRITERS: dict[str, Callable[[DataSet, Path, str], list[str]]] = {
    "coco": write_coco,
    "voc": write_voc,
    "yolo": write_yolo,
}


def convert(
    roots: Sequence[str | os.PathLike[str]],
    out: str | os.PathLike[str],
    form: str,
    pictures: str = COPY,
) -> list[str]:
    """Write a user's data, repaired, in another format.

    Args:
        roots: The folders, in any format.
        out: The new folder.
        form: ``coco``, ``yolo`` or ``voc``.
        pictures: ``copy`` or ``link``.

    Returns:
        What was repaired, left out, or cannot be written in the format, a line each.

    Raises:
        DataError: The data cannot be used.
        OptionError: The new folder has something in it, or lies in the old one.
    """
    target = Path(out).expanduser().absolute()
    if target.is_dir() and any(target.iterdir()):
        raise OptionError(f"The output {out} is not empty; name a new folder.")
    listings = list_roots(roots)
    if any(target.is_relative_to(listing.root) for listing in listings):
        raise OptionError(
            f"The output {out} lies in the data itself, where the next run would find "
            f"it; name a folder elsewhere."
        )
    findings = new_findings()
    store = cache_folder().with_name("splits")
    options = ReadingOptions(every_split=True, split_store=store)
    data = read_data_set(listings, options, findings)
    with finished_folder(target) as scratch:
        lost = WRITERS[form](data, scratch, pictures)
    return findings.lines() + [f"not written: {line}" for line in lost]
