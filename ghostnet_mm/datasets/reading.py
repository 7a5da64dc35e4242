"""From a user's folders to one data set in memory, repaired."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from ..errors import DataError
from .annotations.data_set import SPLITS, UNSPLIT, DataSet, Part, Split
from .annotations.findings import Findings, printable
from .readers.coco.reading import part_of
from .readers.json_files import parse_json, read_bytes
from .readers.listing import Listing, list_files
from .readers.looking import find_sources
from .readers.sources import Reading, Source
from .repairs.boxes import (
    choose_classes,
    clip_to_pictures,
    read_crowds_as_objects,
    without_doubles,
    without_invalid_boxes,
)
from .repairs.frames import fit_to_pictures
from .repairs.joining import joined
from .repairs.picture_files import without_lost_pictures
from .repairs.refusals import refuse_most_lost, refuse_useless
from .splitting.making import with_needed_splits

TRAINING = ("train", "val")


@dataclass(frozen=True, kw_only=True)
class ReadingOptions:
    """How a data set is to be read.

    Attributes:
        training: Whether for training, which needs no test split, rather than for
            testing, which needs the training split for the names of its classes only.
        crowd_as_objects: Whether crowd regions are objects.
        every_split: Whether all splits and all classes are wanted, whatever for.
        split_store: The folder where splits that were made are remembered; ``None``
            for nowhere.
    """

    training: bool = True
    crowd_as_objects: bool = False
    every_split: bool = False
    split_store: Path | None = field(default=None, repr=False, compare=False)


def read_data_set(
    listings: Sequence[Listing], options: ReadingOptions, findings: Findings
) -> DataSet:
    """Read data roots into one data set and repair it.

    Args:
        listings: The files of each root.
        options: What is wanted.
        findings: Where what is odd is counted.

    Raises:
        DataError: There is nothing to read, most of it is unusable, or its meaning is
            open.
    """
    parts = [
        part
        for listing in listings
        for part in _read_root(listing, options, findings, several=len(listings) > 1)
    ]
    data = joined(parts, findings, options.every_split)
    if not data.classes:
        raise DataError(
            f"{_roots(listings)} lists no classes; give the annotations a list of them."
        )
    _leave_out_unneeded(data, options)
    for name in list(data.splits):
        data.splits[name] = _repaired(data.splits[name], name, options, findings)
    _refuse_unlabelled(data, listings, options)
    roots = [str(listing.root) for listing in listings]
    with_needed_splits(data, roots, options.split_store, findings)
    data.splits = {name: _in_order(split) for name, split in data.splits.items()}
    return data


def read_coco_file(
    ann_file: str | os.PathLike[str],
    image_dir: str | os.PathLike[str],
    classes: Sequence[str],
    is_choice: bool,
    options: ReadingOptions,
    findings: Findings,
) -> DataSet:
    """Read the one COCO file of a config that names its data itself, and repair it.

    Args:
        ann_file: The file.
        image_dir: The folder of its pictures.
        classes: The names that the config expects, in label order.
        is_choice: Whether they were written to choose among the file's classes, rather
            than being the dataset's own.
        options: How it is read.
        findings: Where what is odd is counted.

    Returns:
        A data set of these classes whose only split is `UNSPLIT`.

    Raises:
        DataError: The file cannot be used, or its classes are not the config's.
    """
    reading = Reading(list_files(image_dir), findings)
    content = parse_json(read_bytes(ann_file), ann_file)
    part = part_of(content, reading, os.fspath(ann_file), None)
    data = joined([part], findings)
    split = data.splits[UNSPLIT]
    used = {data.classes[label] for label in np.unique(split.objects.labels).tolist()}
    unknown = sorted(used - set(classes))
    absent = [name for name in classes if name not in data.classes]
    if (unknown and not is_choice) or (absent and is_choice):
        wrong = absent if is_choice else unknown
        raise DataError(
            f"{ann_file} {'lacks' if is_choice else 'has boxes of'} {len(wrong)} "
            f"class{'es' * (len(wrong) > 1)} that the model "
            f"{'expects' if is_choice else 'does not know'} "
            f"({', '.join(map(printable, wrong[:3]))}{', ...' * (len(wrong) > 3)}); "
            f"point the config at the data with --data-root, or set the dataset's "
            f"metainfo.classes to the file's categories."
        )
    choose_classes(split, data.classes, classes, part.source, findings)
    repaired = _repaired(split, part.source, options, findings)
    return DataSet(tuple(classes), {UNSPLIT: _in_order(repaired)})


def _read_root(
    listing: Listing, options: ReadingOptions, findings: Findings, several: bool
) -> list[Part]:
    findings.add_all("folder-unreadable", "", listing.unreadable)
    sources = find_sources(listing, findings)
    reading = Reading(listing, findings)
    wanted = [source for source in sources if _is_wanted(source, sources, options)]
    parts = [part for source in wanted for part in source.read(reading)]
    for name in {name for source in wanted for name in source.files}:
        _refuse_changed(listing, name)
    if several:
        # Two roots may well have files of the same name.
        for part in parts:
            part.source = f"{listing.root.name}/{part.source}"
    return parts


def _is_wanted(
    source: Source, sources: Sequence[Source], options: ReadingOptions
) -> bool:
    """Say whether a split is needed: what is not used need not be readable."""
    if options.every_split or not options.training or source.split != "test":
        return True
    # A test split alone is refused later, in words of its own.
    return all(other.split == "test" for other in sources)


def _leave_out_unneeded(data: DataSet, options: ReadingOptions) -> None:
    """Leave out pictures that are for training only, where others can be tested on.

    They need be neither there nor right.
    """
    if (
        options.training
        or options.every_split
        or not {"val", "test"} & set(data.splits)
    ):
        return
    for name in ("train", UNSPLIT):
        data.splits.pop(name, None)


def _refuse_changed(listing: Listing, name: str) -> None:
    try:
        status = os.stat(listing.path(name))
    except OSError:
        status = None
    if status is None or listing.files[name] != (status.st_size, status.st_mtime_ns):
        raise DataError(
            f"{listing.path(name)} has changed while it was read; start again when it "
            f"is finished."
        )


def _repaired(
    split: Split, name: str, options: ReadingOptions, findings: Findings
) -> Split:
    place = _place(split, name)
    without_invalid_boxes(split, place, findings)
    split, headers = without_lost_pictures(split, place, findings)
    fit_to_pictures(split, headers, place, findings)
    clip_to_pictures(split, place, findings)
    without_doubles(split, place, findings)
    if options.crowd_as_objects:
        read_crowds_as_objects(split, place, findings)
    refuse_most_lost(split, place, findings)
    return split


def _place(split: Split, name: str) -> str:
    """Return what messages call a split: its file, if it has one, or its name."""
    if len(split.sources) == 1 and split.sources[0] not in ("", "."):
        return split.sources[0]
    return name or "data"


def _in_order(split: Split) -> Split:
    """Return the split with its pictures in the order of their names.

    Formats that are folders have no other order, and the same data shall be the same
    run in every format.
    """
    names = [os.path.basename(p.path) for p in split.pictures]
    order = sorted(range(len(names)), key=lambda i: (names[i], split.pictures[i].path))
    return split.of_pictures(np.array(order, dtype=np.int64).tolist())


def _refuse_unlabelled(
    data: DataSet, listings: Sequence[Listing], options: ReadingOptions
) -> None:
    for name, split in data.splits.items():
        if name == "test" and not split.is_labelled:
            continue
        refuse_useless(split, _place(split, name))
    _refuse_strange_classes(data)
    needed: Sequence[str] = TRAINING if options.training else ("val", "test")
    needed = SPLITS if options.every_split else needed
    if UNSPLIT not in data.splits and not set(needed) & set(data.splits):
        raise DataError(
            f"{_roots(listings)} has no split for "
            f"{'training' if options.training else 'testing'}: only "
            f"{', '.join(data.splits)}."
        )


def _refuse_strange_classes(data: DataSet) -> None:
    """Refuse to score what was never learnt."""
    if not {"train", "val"} <= set(data.splits):
        return
    learnt, scored = (
        set(np.unique(data.splits[name].objects.labels).tolist()) for name in TRAINING
    )
    if not learnt & scored:
        names = [
            ", ".join(printable(data.classes[label]) for label in sorted(labels)[:3])
            for labels in (learnt, scored)
        ]
        raise DataError(
            f"{_place(data.splits['train'], 'train')} and "
            f"{_place(data.splits['val'], 'val')} have no class in common ({names[0]} "
            f"and {names[1]}); give both the same names."
        )


def _roots(listings: Sequence[Listing]) -> str:
    return " and ".join(printable(listing.root) for listing in listings)


def list_roots(roots: Sequence[str | os.PathLike]) -> list[Listing]:
    """List data roots, each folder or file once however it is written.

    See `list_files`.
    """
    by_place = {
        os.path.realpath(os.path.expanduser(root)): root for root in roots[::-1]
    }
    return [list_files(root) for root in list(by_place.values())[::-1]]
