"""Making the clean copy of data roots, or finding it made."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ghostnet_runtime.atomic_writing import finished_folder

from ..annotations.data_set import DataSet
from ..annotations.findings import Findings
from ..annotations.kinds import new_findings
from ..readers.json_files import read_bytes
from ..readers.listing import Listing, list_files
from ..reading import ReadingOptions, list_roots, read_coco_file, read_data_set
from .cache import cache_folder, fingerprint, forget_unused, mark_used, only_run
from .coco_files import write_coco_file
from .summary import (
    CopySummary,
    Origins,
    SplitSummary,
    origins_of,
    read_origins,
    read_summary,
    summarize,
    write_origins,
    write_summary,
)

SUMMARY = "summary.json"


@dataclass(frozen=True)
class CleanCopy:
    """A clean copy, and how it came about.

    Attributes:
        summary: What is in it.
        findings: What was repaired or left out.
        roots: The data roots, absolute.
    """

    summary: CopySummary
    findings: Findings
    roots: tuple[str, ...]


def clean_copy_of(
    roots: Sequence[str | os.PathLike], options: ReadingOptions
) -> CleanCopy:
    """Return the clean copy of data roots, made now if their files have changed.

    Args:
        roots: Folders, or annotation files in them.
        options: How they are read.

    Raises:
        DataError: They cannot be used; see `read_data_set`.
    """
    listings = list_roots(roots)
    options = replace(options, split_store=cache_folder().with_name("splits"))
    return _made_or_make(
        listings, options, lambda found: read_data_set(listings, options, found)
    )


def clean_copy_of_file(
    ann_file: str | os.PathLike[str],
    image_dir: str | os.PathLike[str],
    classes: Sequence[str],
    is_choice: bool,
    options: ReadingOptions,
) -> CleanCopy:
    """Return the clean copy of a COCO file that a config names itself.

    Args:
        ann_file: The file.
        image_dir: The folder of its pictures.
        classes: The names that the config expects, in label order.
        is_choice: Whether the config chooses them, see `read_coco_file`.
        options: How it is read.

    Returns:
        The copy, whose only split is `UNSPLIT`.

    Raises:
        DataError: It cannot be used; see `read_coco_file`.
    """
    listing = list_files(image_dir)
    content = hashlib.blake2b(read_bytes(ann_file), digest_size=16).hexdigest()
    key = (os.fspath(ann_file), content, tuple(classes), is_choice, options)
    return _made_or_make(
        [listing],
        key,
        lambda found: read_coco_file(
            ann_file, image_dir, classes, is_choice, options, found
        ),
    )


def _made_or_make(
    listings: Sequence[Listing], key: object, read: Callable[[Findings], DataSet]
) -> CleanCopy:
    folder = cache_folder()
    target = folder / fingerprint(listings, key)
    summary = _made_before(target)
    if summary is None:
        with only_run(target):
            summary = _made_before(target)
            if summary is None:
                findings = new_findings()
                summary = _write(target, read(findings), findings)
                forget_unused(folder)
    mark_used(target)
    findings = new_findings()
    findings.take(summary.findings)
    return CleanCopy(
        summary, findings, tuple(str(listing.root) for listing in listings)
    )


def origins_for(coco_file: str | os.PathLike) -> Origins | None:
    """Return the user's ids behind a COCO file, if it is one of a clean copy."""
    path = Path(coco_file)
    origins = path.with_name(f"{path.stem}.origins.json")
    if not (path.with_name(SUMMARY).is_file() and origins.is_file()):
        return None
    return read_origins(origins)


def copy_behind(coco_file: str | os.PathLike[str]) -> CopySummary | None:
    """Return the summary of the clean copy that a COCO file is of, if it is of one."""
    try:
        return read_summary(Path(coco_file).with_name(SUMMARY))
    except (OSError, ValueError):
        return None


def split_behind(coco_file: str | os.PathLike[str]) -> SplitSummary | None:
    """Return the summary of the split that a COCO file of a clean copy holds."""
    copy = copy_behind(coco_file)
    if copy is None:
        return None
    file = os.path.abspath(coco_file)
    return next((s for s in copy.splits.values() if s.file == file), None)


def _made_before(target: Path) -> CopySummary | None:
    try:
        summary = read_summary(target / SUMMARY)
        new_findings().take(summary.findings)
    except (OSError, ValueError, KeyError):
        return None
    if any(not Path(split.file).is_file() for split in summary.splits.values()):
        return None
    return summary


def _write(target: Path, data: DataSet, findings: Findings) -> CopySummary:
    with finished_folder(target) as scratch:
        splits = {}
        for name, split in data.splits.items():
            name = name or "data"
            folder = write_coco_file(scratch / f"{name}.json", split, data.classes)
            origins = origins_of(split, data.classes)
            write_origins(scratch / f"{name}.origins.json", origins)
            splits[name] = summarize(
                split, target / f"{name}.json", folder, len(data.classes)
            )
        summary = CopySummary(data.classes, splits, findings.listed())
        write_summary(scratch / SUMMARY, summary)
    return summary
