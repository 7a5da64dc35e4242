"""What was odd in a data set: counted, named, told in one line per kind."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

NAMES_TOLD = 3
PLACES_TOLD = 3
NAMES_KEPT = 20
ACTIONS = ("left out", "repaired", "note")


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of finding.

    Attributes:
        action: ``repaired``, ``left out``, or ``note`` for what is only worth knowing.
        one: What one of them is.
        many: What several are.
    """

    action: str
    one: str
    many: str


@dataclass(slots=True)
class Finding:
    """Everything of one kind in one place.

    Attributes:
        kind: A key of the table of kinds.
        place: The split or the file.
        count: How many.
        names: The first of them.
    """

    kind: str
    place: str
    count: int = 0
    names: list[str] = field(default_factory=list)


class Findings:
    """Collects findings while a data set is read and repaired.

    Args:
        kinds: What may be found, by key.
    """

    def __init__(self, kinds: dict[str, Kind]):
        self._kinds = kinds
        self._found: dict[tuple[str, str], Finding] = {}

    def add(self, kind: str, place: str, name: object = None) -> None:
        """Count one more of a kind.

        Args:
            kind: A key of the table of kinds.
            place: The split or the file.
            name: What to call it; ``None`` for nothing worth telling.
        """
        self.add_all(kind, place, [name])

    def add_all(self, kind: str, place: str, names: Sequence[object]) -> None:
        """Count as many of a kind as there are names."""
        if not names:
            return
        finding = self._found.setdefault((kind, place), Finding(kind, place))
        assert kind in self._kinds, kind
        finding.count += len(names)
        room = NAMES_KEPT - len(finding.names)
        finding.names += [
            printable(name) for name in names[: max(room, 0)] if name is not None
        ]

    def count(self, kind: str, place: str | None = None) -> int:
        """Return how many of a kind there are, in one place or everywhere."""
        return sum(
            finding.count
            for finding in self._found.values()
            if finding.kind == kind and place in (None, finding.place)
        )

    def names(self, kind: str, place: str) -> list[str]:
        """Return the first names of a kind in one place."""
        finding = self._found.get((kind, place))
        return finding.names if finding else []

    def listed(self) -> list[dict[str, object]]:
        """Return everything as plain values, for a JSON file."""
        return [
            {
                "kind": finding.kind,
                "action": self._kinds[finding.kind].action,
                "place": printable(finding.place),
                "count": finding.count,
                "first": finding.names,
            }
            for finding in self._found.values()
        ]

    def take(self, listed: Iterable[dict]) -> None:
        """Take back what `listed` returned.

        Raises:
            KeyError: It is of another version.
        """
        for entry in listed:
            if entry["kind"] not in self._kinds:
                raise KeyError(entry["kind"])
            self._found[entry["kind"], entry["place"]] = Finding(
                entry["kind"], entry["place"], entry["count"], list(entry["first"])
            )

    def lines(self, actions: Iterable[str] = ACTIONS) -> list[str]:
        """Return one line per kind, what was left out first."""
        told = []
        for action in actions:
            for key, kind in self._kinds.items():
                places = [f for f in self._found.values() if f.kind == key]
                if kind.action == action and places:
                    told.append(_line(kind, places))
        return told


def _line(kind: Kind, places: Sequence[Finding]) -> str:
    total = sum(finding.count for finding in places)
    text = kind.one if total == 1 else kind.many
    described = list(filter(None, map(_details, places)))
    more = len(described) - PLACES_TOLD
    if more > 0:
        described[PLACES_TOLD:] = [f"and {more:,} more place{'s' * (more > 1)}"]
    details = "; ".join(described)
    prefix = "" if kind.action == "note" else f"{kind.action}: "
    line = f"{prefix}{total:,} {text}"
    return f"{line} ({details})" if details else line


def _details(finding: Finding) -> str:
    if not finding.names:
        return printable(finding.place)
    more = ", ..." if finding.count > NAMES_TOLD else ""
    names = ", ".join(finding.names[:NAMES_TOLD]) + more
    return f"{printable(finding.place)}: {names}" if finding.place else names


def printable(value: object, longest: int = 120) -> str:
    """Return a text on one line that every console can be given.

    Names of files and classes come from strangers: control characters and lone
    surrogates are escaped, and long ones are cut in the middle.
    """
    text = str(value)
    if not text.isprintable():
        text = "".join(
            letter if letter.isprintable() else json.dumps(letter)[1:-1]
            for letter in text
        )
    if len(text) > longest:
        half = (longest - 3) // 2
        text = f"{text[:half]}...{text[-half:]}"
    return text
