"""Making the clean copy of data roots, or finding it made."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ghostnet_runtime.atomic_writing import finished_folder

from ..annotations.data_set import DataSet
from ..annotations.findings import Findings
from ..annotations.kinds import new_findings
from ..reading import ReadingOptions, list_roots, read_data_set
from .cache import cache_folder, fingerprint, forget_unused, mark_used, only_run
from .coco_files import write_coco_file
from .summary import (
    CopySummary,
    Origins,
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
    folder = cache_folder()
    target = folder / fingerprint(listings, options)
    summary = _made_before(target)
    if summary is None:
        with only_run(target):
            summary = _made_before(target)
            if summary is None:
                findings = new_findings()
                data = read_data_set(listings, options, findings)
                summary = _write(target, data, findings)
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


def is_clean_copy(coco_file: str | os.PathLike) -> bool:
    """Say whether a COCO file is one of a clean copy."""
    return Path(coco_file).with_name(SUMMARY).is_file()


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
            folder = write_coco_file(scratch / f"{name}.json", split, data.classes)
            origins = origins_of(split, data.classes)
            write_origins(scratch / f"{name}.origins.json", origins)
            splits[name] = summarize(
                split, target / f"{name}.json", folder, len(data.classes)
            )
        summary = CopySummary(data.classes, splits, findings.listed())
        write_summary(scratch / SUMMARY, summary)
    return summary
