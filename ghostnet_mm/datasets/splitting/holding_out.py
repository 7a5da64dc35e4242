"""Choosing the groups of pictures that are held out, with every class on both sides."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Sequence

HELD_OUT = 0.2
# Rare classes may take more, but training keeps most of the pictures.
MOST_HELD_OUT = 0.4


def chosen_groups(
    groups: Sequence[Sequence[int]],
    labels: Sequence[Iterable[int]],
    names: Sequence[str],
    held_out: Iterable[int] = (),
    kept: Iterable[int] = (),
) -> set[int]:
    """Return the pictures to hold out.

    Classes are dealt out from the rarest to the most frequent, a fifth of each, at
    least one picture to either side where two groups have the class. The order is that
    of a hash of the names: it is the same on every machine, and pictures of one series
    do not end up on one side.

    Args:
        groups: Indices of pictures that stay together.
        labels: The classes of the objects in each picture.
        names: The pictures' names.
        held_out: Pictures held out before: their groups are again.
        kept: Pictures trained on before: their groups are again.
    """
    held_before, kept_before = set(held_out), set(kept)
    apart = [
        part for group in groups for part in _as_before(group, held_before, kept_before)
    ]
    order = sorted(apart, key=lambda group: _scattered(min(names[i] for i in group)))
    chooser = _Chooser(
        order, [[label for i in g for label in labels[i]] for g in order]
    )
    for index, group in enumerate(order):
        if held_before.intersection(group):
            chooser.take(index)
        elif kept_before.intersection(group):
            chooser.keep(index)
    for label in chooser.classes_from_the_rarest():
        chooser.fill(label)
    chooser.fill(None)
    if not chooser.taken and len(order) > 1:
        chooser.take(min(range(len(order)), key=lambda index: len(order[index])))
    return {i for index in chooser.taken for i in order[index]}


def _as_before(
    group: Sequence[int], held_out: set[int], kept: set[int]
) -> list[list[int]]:
    """Divide a group whose pictures were on both sides before: none of them moves."""
    held = [i for i in group if i in held_out]
    trained = [i for i in group if i in kept]
    new = [i for i in group if i not in held_out and i not in kept]
    if trained:
        return [part for part in (held, trained + new) if part]
    return [held + new]


def _scattered(name: str) -> bytes:
    return hashlib.blake2b(name.encode("utf-8", "surrogateescape")).digest()


class _Chooser:
    """Keeps count of what is held out while groups are chosen.

    Attributes:
        taken: Indices of the groups that are held out.
    """

    def __init__(
        self, groups: Sequence[Sequence[int]], labels: Sequence[Iterable[int]]
    ):
        self.taken: set[int] = set()
        self._groups = groups
        self._counts = [Counter(group_labels) for group_labels in labels]
        self._pictures = sum(map(len, groups))
        self._size = 0
        self._total: Counter[int] = Counter()
        self._held: Counter[int] = Counter()
        self._members: dict[int, list[int]] = {}
        self._kept: set[int] = set()
        for index, count in enumerate(self._counts):
            self._total.update(count)
            for label in count:
                self._members.setdefault(label, []).append(index)
        # How many groups with a class training still has.
        self._left = {label: len(found) for label, found in self._members.items()}

    def classes_from_the_rarest(self) -> list[int]:
        """Return the classes by the number of their objects."""
        return sorted(self._total, key=lambda label: (self._total[label], label))

    def keep(self, index: int) -> None:
        """Leave a group to training for good."""
        self._kept.add(index)

    def take(self, index: int) -> None:
        """Hold a group out."""
        self.taken.add(index)
        self._size += len(self._groups[index])
        self._held.update(self._counts[index])
        for label in self._counts[index]:
            self._left[label] -= 1

    def fill(self, label: int | None) -> None:
        """Hold out groups until a fifth of a class, or of the pictures, is."""
        members: Sequence[int] = range(len(self._groups))
        whole = self._pictures
        if label is not None:
            members, whole = self._members[label], self._total[label]
            if len(members) < 2:
                return
        for largest in (1, self._pictures):
            for index in members:
                held = self._size if label is None else self._held[label]
                missing = max(HELD_OUT * whole, 1) - held
                if missing <= 0 or (largest > 1 and held):
                    return
                size = len(self._groups[index])
                # A group far larger than what is missing waits for a smaller one.
                if size <= max(2 * missing, largest) and self._may_take(index):
                    self.take(index)

    def _may_take(self, index: int) -> bool:
        if index in self.taken or index in self._kept:
            return False
        size = self._size + len(self._groups[index])
        if size > max(MOST_HELD_OUT * self._pictures, 1):
            return False
        return all(self._left[label] > 1 for label in self._counts[index])
