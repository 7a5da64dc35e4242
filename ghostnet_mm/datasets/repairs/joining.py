"""Joining what several files say: one list of classes, every picture once."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from ..annotations.data_set import (
    UNSPLIT,
    ClassEntry,
    DataSet,
    Objects,
    Part,
    Picture,
    SourceId,
    Split,
)
from ..annotations.findings import Findings

# Testing shall number the classes as training does, which reads no test split.
ORDER = ("train", "val", None, "test")


def joined(
    parts: Sequence[Part], findings: Findings, every_class: bool = False
) -> DataSet:
    """Return one data set of all parts.

    Classes are joined by name. Their order is that of the training file, then that of
    the others for what it lacks; formats that list no classes have the alphabet's. What
    only a test split has is no class, as training does not read it: with it the model
    would have another number of classes.

    Args:
        parts: What the files say.
        findings: Where what is odd is counted.
        every_class: Whether the classes of a test split count like any other's.
    """
    parts = sorted(parts, key=lambda part: ORDER.index(part.split))
    learnt = [part for part in parts if part.split != "test" and part.classes]
    classes = _classes(parts, parts if every_class else learnt or parts, findings)
    labels = {name: label for label, name in enumerate(classes)}
    splits = {
        split or UNSPLIT: _split(
            [p for p in parts if p.split == split], labels, findings
        )
        for split in dict.fromkeys(part.split for part in parts)
    }
    return DataSet(classes, splits)


def _classes(
    parts: Sequence[Part], learnt: Sequence[Part], findings: Findings
) -> tuple[str, ...]:
    """Return the classes of the parts to learn from, and count what is odd in any."""
    dropped = _placeholders(learnt)
    listing = [part for part in parts if part.lists_classes and part.classes]
    names: dict[str, None] = {}
    for part in listing:
        own = list(dict.fromkeys(e.name for e in part.classes if e.name not in dropped))
        known = [name for name in own if name in names]
        if known != [name for name in names if name in set(known)]:
            findings.add("class-order", part.source)
        if any(part is other for other in learnt):
            names |= dict.fromkeys(own)
        _count_doubles(part, findings)
    others = {
        entry.name
        for part in learnt
        if not part.lists_classes
        for entry in part.classes
    }
    names |= dict.fromkeys(sorted(others - set(names) - dropped))
    findings.add_all("class-placeholder", "", sorted(dropped))
    for name in names:
        if any(all(e.name != name for e in part.classes) for part in listing):
            findings.add("class-set", "", name)
    return tuple(names)


def _placeholders(parts: Iterable[Part]) -> set[str]:
    """Return classes that no object has and that others name as their parent.

    Roboflow's exports begin with such an entry, the name of the project.
    """
    used: set[str] = set()
    parents: set[str] = set()
    for part in parts:
        used |= {part.classes[i].name for i in np.unique(part.objects.labels).tolist()}
        parents |= {e.parent for e in part.classes if e.parent not in (None, e.name)}
    listed = {entry.name for part in parts for entry in part.classes}
    return (parents & listed) - used


def _count_doubles(part: Part, findings: Findings) -> None:
    used = set(np.unique(part.objects.labels).tolist())
    seen: dict[str, int] = {}
    for label, entry in enumerate(part.classes):
        first = seen.setdefault(entry.name, label)
        if first != label:
            both = {first, label} <= used
            kind = "class-twice" if both else "class-placeholder"
            findings.add(kind, part.source, entry.name)


def _split(parts: Sequence[Part], labels: dict[str, int], findings: Findings) -> Split:
    pictures: list[Picture] = []
    tables: list[Objects] = []
    places: dict[str, int] = {}
    for part in parts:
        moved = np.empty(len(part.pictures), dtype=np.int64)
        for index, picture in enumerate(part.pictures):
            key = picture.path or f"{part.source}\0{picture.name}"
            known = places.setdefault(key, len(pictures))
            moved[index] = known
            if known == len(pictures):
                pictures.append(picture)
            elif picture.source_id != pictures[known].source_id:
                pictures[known] = replace(pictures[known], source_id=None)
        of_class = np.array([labels.get(e.name, -1) for e in part.classes], np.int64)
        table = _of_known_classes(part, of_class, findings)
        tables.append(
            replace(
                table,
                pictures=moved[table.pictures] if len(table) else table.pictures,
                labels=of_class[table.labels] if len(table) else table.labels,
            )
        )
    return Split(
        pictures,
        Objects.joined(tables),
        tuple(part.source for part in parts),
        any(part.is_labelled for part in parts),
        _class_ids(part.classes for part in parts),
    )


def _of_known_classes(
    part: Part, of_class: NDArray[np.int64], findings: Findings
) -> Objects:
    table = part.objects
    if not len(table):
        return table
    unknown = of_class[table.labels] < 0
    if not unknown.any():
        return table
    names = [
        f"{table.names[row]} ({part.classes[table.labels[row]].name})"
        for row in np.flatnonzero(unknown).tolist()
    ]
    findings.add_all("class-not-learnt", part.source, names)
    return table.of_rows(~unknown)


def _class_ids(lists: Iterable[Sequence[ClassEntry]]) -> dict[str, SourceId]:
    """Return the ids of the classes, without those that the files disagree on."""
    found: dict[str, SourceId] = {}
    for entries in lists:
        for name, source_id in {e.name: e.source_id for e in entries}.items():
            if found.setdefault(name, source_id) != source_id:
                found[name] = None
    return found
