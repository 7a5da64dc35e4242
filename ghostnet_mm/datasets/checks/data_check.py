"""The result of a check, as it is shown and written."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import ClassVar

from ...reporting.records import Record
from ..annotations.findings import Findings
from ..annotations.kinds import KINDS, LEFT_OUT
from .config_fit import ConfigFit
from .contents import ClassContents, SplitContents
from .kinds import CHECK_KINDS, WARNING

FORMAT = "ghostnet_mm.check/1"


@dataclass(frozen=True)
class Found:
    """Everything of one kind in one place.

    Attributes:
        kind: Its key.
        action: ``warning``, ``left out``, ``repaired`` or ``note``.
        text: What it is.
        place: The split or the file.
        count: How many.
        first: What the first of them are called.
    """

    kind: str
    action: str
    text: str
    place: str
    count: int
    first: tuple[str, ...]


@dataclass(frozen=True)
class DataCheck(Record):
    """What is in a data set and what is odd about it.

    Attributes:
        format: Of the file.
        roots: The folders.
        splits: What is in each.
        classes: What is in each, in the order of their labels.
        findings: What is odd; warnings first.
        lines: The same as the console shows it, a line per kind.
        fit: The data against a config; ``None`` for none.
        seconds: What it took.
    """

    KIND: ClassVar[tuple[str, str]] = ("data check", "run ghostnet check again")

    format: str
    roots: tuple[str, ...]
    splits: Mapping[str, SplitContents]
    classes: tuple[ClassContents, ...]
    findings: tuple[Found, ...]
    lines: tuple[str, ...]
    fit: ConfigFit | None
    seconds: float

    @property
    def warnings(self) -> int:
        """How many kinds of things are wrong, or were left out of the data."""
        return len({f.kind for f in self.findings if f.action in (WARNING, LEFT_OUT)})


def listed_findings(repairs: Findings, odd: Findings) -> Iterator[Found]:
    """Yield what reading has found and what the check has, warnings first."""
    words = {**KINDS, **CHECK_KINDS}
    entries = [*odd.listed(), *repairs.listed()]
    order = (WARNING, LEFT_OUT, "repaired", "note")
    for entry in sorted(entries, key=lambda entry: order.index(str(entry["action"]))):
        kind = words[str(entry["kind"])]
        names = entry["first"]
        count = int(str(entry["count"]))
        yield Found(
            str(entry["kind"]),
            kind.action,
            kind.one if count == 1 else kind.many,
            str(entry["place"]),
            count,
            tuple(names) if isinstance(names, list) else (),
        )


def told_lines(repairs: Findings, odd: Findings) -> list[str]:
    """Return the same a line per kind."""
    return [
        *odd.lines((WARNING,)),
        *repairs.lines((LEFT_OUT, "repaired")),
        *odd.lines(("note",)),
        *repairs.lines(("note",)),
    ]
