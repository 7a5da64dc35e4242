"""Pictures that look the same, within a split and across splits."""

from __future__ import annotations

from collections.abc import Sequence

from ..splitting.near_duplicates import near_pairs
from .suspects import Suspects

# What is learnt from comes first: a picture of a later split is the one that leaks.
ORDER = ("train", "val", "test")
Place = tuple[str, int]


def alike_groups(
    places: Sequence[Place], fingerprints: Sequence[int | None]
) -> list[list[Place]]:
    """Return the groups of two and more pictures that look the same.

    Args:
        places: Split and index of each picture.
        fingerprints: What each looks like; ``None`` is like no other.
    """
    same: dict[int, list[Place]] = {}
    for place, value in zip(places, fingerprints, strict=True):
        if value is not None:
            same.setdefault(value, []).append(place)
    # Thousands of copies of one picture are one look: their pairs are never listed.
    values = list(same)
    parent = list(range(len(values)))

    def root(index: int) -> int:
        while parent[index] != index:
            parent[index] = parent[parent[index]]
            index = parent[index]
        return index

    for first, second in near_pairs(values):
        parent[root(second)] = root(first)
    groups: dict[int, list[Place]] = {}
    for index, value in enumerate(values):
        groups.setdefault(root(index), []).extend(same[value])
    return [sorted(group, key=_rank) for group in groups.values() if len(group) > 1]


def find_alike(
    suspects: Suspects,
    places: Sequence[Place],
    fingerprints: Sequence[int | None],
) -> None:
    """Count the pictures that look like one of an earlier split, or of their own.

    Args:
        suspects: Where they are counted.
        places: Split and index of each picture.
        fingerprints: What each looks like.
    """
    for group in alike_groups(places, fingerprints):
        first: dict[str, Place] = {}
        for place in group:
            split = place[0]
            earlier = next((first[s] for s in first if s != split), None)
            if earlier is not None:
                suspects.add_alike("near-across", place, earlier)
            if split in first:
                suspects.add_alike("near-within", place, first[split])
            first.setdefault(split, place)


def _rank(place: Place) -> tuple[int, int]:
    return ORDER.index(place[0]), place[1]
