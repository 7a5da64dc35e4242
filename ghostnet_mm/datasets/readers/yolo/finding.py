"""Finding YOLO's splits, and reading them."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence

from ...annotations.data_set import ClassEntry, ObjectColumns, Part, Picture
from ..json_files import read_bytes
from ..listing import Listing
from ..picture_search import PictureSearch
from ..sources import Reading, Source
from ..split_names import split_of
from .lines import parse_line
from .places import label_files, pictures_at
from .settings import YoloSettings, find_settings

FORMAT = "YOLO"
SHARES = 1
# Text files that are no labels, whatever lies beside them.
NOT_LABELS = ("classes", "requirements", "readme", "license", "train", "val", "test")


def find_yolo(listing: Listing) -> list[Source]:
    """Return a source for each split of a YOLO folder; none if it is not one.

    With a YAML file the splits are what it says; without, the folders' names say it.

    Raises:
        DataError: A file cannot be read.
    """
    settings = find_settings(listing)
    by_split: dict[str | None, list[str]] = {}
    if settings is not None and settings.splits:
        search = PictureSearch(listing)
        for split, places in settings.splits.items():
            found = [pictures_at(p, settings, listing, search)[0] for p in places]
            pictures = [name for names in found for name in names]
            by_split[split] = list(dict.fromkeys(pictures))
    else:
        settings = settings or YoloSettings()
        for name in listing.pictures():
            by_split.setdefault(split_of(name), []).append(name)
        if not any(_has_labels(names, listing) for names in by_split.values()):
            return []
    return [
        _source(split, pictures, settings, listing)
        for split, pictures in by_split.items()
        if pictures or settings.splits
    ]


def _has_labels(pictures: Sequence[str], listing: Listing) -> bool:
    """Say whether the first label files that have lines have lines of YOLO's."""
    files = label_files(pictures, listing).values()
    for name in files:
        base = name.rpartition("/")[2].rpartition(".")[0].lower()
        if base in NOT_LABELS or not listing.files[name][0]:
            continue
        lines = _lines(read_bytes(listing.path(name)))
        if lines:
            return parse_line(lines[0][1], {}, None) is not None
    return False


def _source(
    split: str | None,
    pictures: Sequence[str],
    settings: YoloSettings,
    listing: Listing,
) -> Source:
    labels = label_files(pictures, listing)
    place = split or "."
    if settings.file and settings.splits.get(split or ""):
        place = f"{settings.file}:{split}"
    files = [*labels.values(), *([settings.file] if settings.file else [])]
    return Source(
        FORMAT,
        place,
        split,
        tuple(files),
        functools.partial(_read, place, split, pictures, labels, settings),
    )


def _read(
    place: str,
    split: str | None,
    names: Sequence[str],
    labels: Mapping[str, str],
    settings: YoloSettings,
    reading: Reading,
) -> list[Part]:
    if split is not None and settings.splits.get(split):
        for written in settings.splits[split]:
            _, is_elsewhere = pictures_at(
                written, settings, reading.listing, reading.search
            )
            if is_elsewhere:
                reading.findings.add("path-elsewhere", place, written)
    numbers = {name: number for number, name in settings.names.items()}
    columns = ObjectColumns()
    class_numbers: list[int] = []
    pictures = []
    for index, name in enumerate(names):
        base = name.rpartition("/")[2]
        pictures.append(Picture(base, reading.listing.path(name), unit=SHARES))
        file = labels.get(name)
        if file is None:
            continue
        for number, line in _lines(read_bytes(reading.listing.path(file))):
            row = parse_line(line, numbers, settings.keypoint_values)
            called = f"{file}:{number}"
            if row is None:
                reading.findings.add("line-unusable", place, called)
                continue
            label, box, mask = row
            if settings.names and label not in settings.names:
                reading.findings.add("object-of-no-class", place, called)
                continue
            class_numbers.append(label)
            columns.add(index, 0, box, mask=mask, name=called)
    classes = settings.names or {
        number: str(number) for number in sorted(set(class_numbers))
    }
    order = {number: label for label, number in enumerate(sorted(classes))}
    columns.labels = [order[number] for number in class_numbers]
    return [
        Part(
            split,
            place,
            [ClassEntry(classes[number], number) for number in sorted(classes)],
            pictures,
            columns.finished(),
            is_labelled=bool(labels) or split != "test",
            lists_classes=bool(settings.names),
        )
    ]


def _lines(content: bytes) -> list[tuple[int, str]]:
    """Return the lines that are not empty, with their numbers from 1."""
    text = content.decode("utf-8-sig", "replace")
    return [
        (number, line)
        for number, line in enumerate(text.splitlines(), 1)
        if line.strip() and not line.lstrip().startswith("#")
    ]
