"""Giving a data set the splits that a run needs, and remembering them."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from ghostnet_runtime.atomic_writing import write_text

from ..annotations.data_set import UNSPLIT, DataSet, Objects, Split
from ..annotations.findings import Findings
from .groups import groups_of
from .holding_out import chosen_groups
from .near_duplicates import near_pairs, perceptual_hashes

# Looking at so many pictures takes a minute or two; more are grouped by name alone.
MOST_LOOKED_AT = 5000


def with_needed_splits(
    data: DataSet, roots: Sequence[str], store: Path | None, findings: Findings
) -> None:
    """Give a data set a training and a validation split, in place, if it has a part.

    A set with neither, or with training pictures only, has a fifth of its pictures held
    out; which ones is remembered, so that pictures added later move no other.

    Args:
        data: The data set, repaired.
        roots: Its data roots, absolute.
        store: The folder where splits are remembered; ``None`` for nowhere.
        findings: Where it is told.
    """
    names = set(data.splits)
    if UNSPLIT in names:
        whole = data.splits.pop(UNSPLIT)
        if "train" not in names and "val" in names:
            data.splits["train"] = whole
            return
        if "train" in names and "val" not in names:
            whole = _joined(data.splits.pop("train"), whole)
        elif {"train", "val"} <= names:
            findings.add_all("file-unused", "", whole.sources)
            return
    elif "train" in names and "val" not in names:
        whole = data.splits.pop("train")
    else:
        return
    train, val = _held_out(whole, roots, store, findings)
    data.splits = {"train": train, "val": val, **data.splits}


def _held_out(
    whole: Split, roots: Sequence[str], store: Path | None, findings: Findings
) -> tuple[Split, Split]:
    paths = [picture.path for picture in whole.pictures]
    if len(paths) < 2:
        findings.add_all("split-same", "", [p.name for p in whole.pictures])
        return whole, replace(whole)
    base = os.path.commonpath([*roots, *map(os.path.dirname, paths)])
    names = [os.path.relpath(path, base).replace(os.sep, "/") for path in paths]
    file = None if store is None else store / f"{_digest(roots)}.json"
    before = {} if file is None else _remembered(file)
    looks = perceptual_hashes(paths) if len(paths) <= MOST_LOOKED_AT else []
    if not looks:
        findings.add_all("split-unseen", "", [None] * len(paths))
    groups, is_cut = groups_of(names, near_pairs(looks))
    if is_cut:
        findings.add("split-cut", "")
    labels: list[list[int]] = [[] for _ in paths]
    objects = whole.objects
    for picture, label in zip(
        objects.pictures.tolist(), objects.labels.tolist(), strict=True
    ):
        labels[picture].append(label)
    known = [before.get(name) for name in names]
    held = chosen_groups(
        groups,
        labels,
        names,
        held_out=[i for i, split in enumerate(known) if split == "val"],
        kept=[i for i, split in enumerate(known) if split == "train"],
    )
    if file is not None:
        sides = ["val" if i in held else "train" for i in range(len(names))]
        # Pictures that are away today keep their side for when they come back.
        _remember(file, before | dict(zip(names, sides, strict=True)))
    findings.add_all("split-made", "", [names[i] for i in sorted(held)])
    everyone = range(len(paths))
    return (
        whole.of_pictures(i for i in everyone if i not in held),
        whole.of_pictures(i for i in everyone if i in held),
    )


def _joined(first: Split, second: Split) -> Split:
    moved = replace(
        second.objects, pictures=second.objects.pictures + len(first.pictures)
    )
    return replace(
        first,
        pictures=[*first.pictures, *second.pictures],
        objects=Objects.joined([first.objects, moved]),
        sources=(*first.sources, *second.sources),
    )


def _digest(roots: Sequence[str]) -> str:
    text = "\0".join(roots).encode("utf-8", "surrogateescape")
    return hashlib.blake2b(text, digest_size=16).hexdigest()


def _remembered(file: Path) -> dict[str, str]:
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def _remember(file: Path, splits: dict[str, str]) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    write_text(file, json.dumps(splits, indent=0))
