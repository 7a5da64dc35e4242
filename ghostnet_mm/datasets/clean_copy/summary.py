"""What is known of a clean copy without reading it."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np

from ..annotations.data_set import SourceId, Split
from ..checks.box_sizes import odd_boxes

# No recipe's filter_cfg.min_size is larger.
LONGEST_SHORT_SIDE = 256


@dataclass(frozen=True)
class SplitSummary:
    """One split of a clean copy.

    Attributes:
        file: Its COCO file, absolute.
        picture_folder: What the file's names are relative to, absolute.
        sources: The user's files, relative to the data root.
        pictures: How many.
        empty: How many of them have no object, not even a crowd region.
        objects: How many, crowds included.
        crowds: How many are crowd regions.
        without_mask: How many have no mask, crowds included.
        first_without_mask: What the first of these are called.
        short_sides: How many pictures have which shorter side, up to 256 pixels.
        class_counts: Objects by label.
        is_labelled: Whether it could have objects.
        odd: How many boxes are suspicious, by kind, see `odd_boxes`.
    """

    file: str
    picture_folder: str
    sources: tuple[str, ...]
    pictures: int
    empty: int
    objects: int
    crowds: int
    without_mask: int
    first_without_mask: tuple[str, ...]
    short_sides: dict[int, int]
    class_counts: tuple[int, ...]
    is_labelled: bool
    odd: dict[str, int]


@dataclass(frozen=True)
class CopySummary:
    """A clean copy.

    Attributes:
        classes: Names by label.
        splits: By name.
        findings: What was repaired or left out, as `Findings.listed` returns it.
    """

    classes: tuple[str, ...]
    splits: dict[str, SplitSummary]
    findings: list[dict[str, object]] = field(default_factory=list)


def summarize(split: Split, file: Path, folder: str, class_count: int) -> SplitSummary:
    """Return the summary of a split that was written to a file."""
    objects = split.objects
    sides = Counter(min(picture.width, picture.height) for picture in split.pictures)
    bare = [row for row, mask in enumerate(objects.masks) if mask is None]
    return SplitSummary(
        str(file),
        folder,
        split.sources,
        len(split.pictures),
        int((split.counts() == 0).sum()),
        len(objects),
        int(objects.crowds.sum()),
        len(bare),
        tuple(str(objects.names[row]) for row in bare[:3]),
        {side: n for side, n in sorted(sides.items()) if side <= LONGEST_SHORT_SIDE},
        tuple(np.bincount(objects.labels, minlength=class_count).tolist()),
        split.is_labelled,
        {kind: int(rows.sum()) for kind, rows in odd_boxes(split).items()},
    )


def write_summary(target: Path, summary: CopySummary) -> None:
    """Write a summary as JSON."""
    target.write_text(json.dumps(asdict(summary), indent=1), encoding="utf-8")


def read_summary(source: Path) -> CopySummary:
    """Read a summary.

    Raises:
        OSError: It cannot be read.
        ValueError: It is of another version.
    """
    content = json.loads(source.read_text(encoding="utf-8"))
    try:
        splits = {
            name: SplitSummary(
                **{
                    **split,
                    "sources": tuple(split["sources"]),
                    "first_without_mask": tuple(split["first_without_mask"]),
                    "class_counts": tuple(split["class_counts"]),
                    "short_sides": {int(k): n for k, n in split["short_sides"].items()},
                }
            )
            for name, split in content["splits"].items()
        }
        return CopySummary(tuple(content["classes"]), splits, content["findings"])
    except (AttributeError, KeyError, TypeError) as error:
        raise ValueError(str(error)) from error


@dataclass(frozen=True)
class Origins:
    """The ids of the user's own file.

    Attributes:
        pictures: By the clean copy's id less 1; all ``None`` where the file has none,
            a negative id for those it lacks among others.
        classes: By label, as the pictures'.
    """

    pictures: tuple[SourceId, ...]
    classes: tuple[SourceId, ...]


def origins_of(split: Split, classes: Iterable[str]) -> Origins:
    """Return the user's ids of a split; none at all where they are not unique."""
    pictures = [picture.source_id for picture in split.pictures]
    known = [source_id for source_id in pictures if source_id is not None]
    if len(set(known)) < len(known):
        pictures = [None] * len(pictures)
    ids = [split.class_ids.get(name) for name in classes]
    return Origins(
        _completed(pictures, pictures), _completed(ids, split.class_ids.values())
    )


def _completed(
    ids: Sequence[SourceId], used: Iterable[SourceId]
) -> tuple[SourceId, ...]:
    """Give what has no id among others that have one a negative id that nobody has.

    The clean copy's own id could be the id of something else in the user's file.
    """
    if all(source_id is None for source_id in ids):
        return tuple(ids)
    free = min([0, *(i for i in used if isinstance(i, int))])
    completed: list[SourceId] = []
    for source_id in ids:
        if source_id is None:
            free -= 1
            source_id = free
        completed.append(source_id)
    return tuple(completed)


def write_origins(target: Path, origins: Origins) -> None:
    """Write the user's ids as JSON."""
    target.write_text(json.dumps(asdict(origins)), encoding="utf-8")


def read_origins(source: Path) -> Origins:
    """Read the user's ids.

    Raises:
        OSError: They cannot be read.
    """
    content = json.loads(source.read_text(encoding="utf-8"))
    return Origins(tuple(content["pictures"]), tuple(content["classes"]))
