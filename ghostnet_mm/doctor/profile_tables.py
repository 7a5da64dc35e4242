"""Where the time of one picture went."""

import statistics
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from .ceilings import Ceilings


@dataclass(frozen=True)
class Share:
    """One part of a detector, or one kind of operator.

    Attributes:
        name: Which.
        milliseconds: Of one picture: the median over rounds.
        macs: Multiply-accumulates.
        bytes_moved: What its operators read and write, in bytes.
    """

    name: str
    milliseconds: float
    macs: int = 0
    bytes_moved: int = 0

    @property
    def gmacs_per_second(self) -> float:
        """Achieved multiply-accumulates in 10^9 per second."""
        return self.macs / self.milliseconds / 1e6 if self.milliseconds else 0.0

    @property
    def gbytes_per_second(self) -> float:
        """Achieved memory traffic in 10^9 bytes per second."""
        return self.bytes_moved / self.milliseconds / 1e6 if self.milliseconds else 0.0

    def of_ceiling(self, ceilings: Ceilings) -> float:
        """Return how near it comes to what the machine can do at best, 0 to 1.

        The nearer of the two ceilings counts: who moves much need not compute much.
        """
        return max(
            self.gmacs_per_second / ceilings.gmacs_per_second,
            self.gbytes_per_second / ceilings.gbytes_per_second,
        )


@dataclass(frozen=True)
class Profile:
    """Where one runtime's time went.

    Attributes:
        runtime: Such as ``eager PyTorch``.
        parts: By part of the detector, in order of execution.
        kinds: By kind of operator, most expensive first.
        note: How the times were taken.
    """

    runtime: str
    parts: tuple[Share, ...]
    kinds: tuple[Share, ...]
    note: str = ""

    @property
    def milliseconds(self) -> float:
        """The whole picture's."""
        return total_milliseconds(self.parts or self.kinds)


@dataclass
class Round:
    """What one run added up to, by name.

    Attributes:
        seconds: Of each.
        macs: Multiply-accumulates.
        bytes_moved: Read and written.
    """

    seconds: dict[str, float] = field(default_factory=lambda: defaultdict(float))
    macs: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    bytes_moved: dict[str, int] = field(default_factory=lambda: defaultdict(int))

    def charge(self, name: str, seconds: float, macs: int, moved: int) -> None:
        """Add to what a name has."""
        self.seconds[name] += seconds
        self.macs[name] += macs
        self.bytes_moved[name] += moved


def shares(
    rounds: Sequence[Round], names: Iterable[str] | None = None
) -> Iterator[Share]:
    """Yield the median share of each name; counts are those of the last round.

    Args:
        rounds: At least one.
        names: By default all, in the order in which they occur.
    """
    if names is None:
        names = dict.fromkeys(name for each in rounds for name in each.seconds)
    for name in names:
        yield Share(
            name,
            statistics.median(each.seconds.get(name, 0.0) for each in rounds) * 1e3,
            rounds[-1].macs.get(name, 0),
            rounds[-1].bytes_moved.get(name, 0),
        )


def with_rest(rows: Iterable[Share], name: str, whole: float) -> tuple[Share, ...]:
    """Return rows with what they leave of the whole, in milliseconds.

    Timing operators one by one can take longer than they do undisturbed: the rest is 0
    then.
    """
    rows = tuple(rows)
    return (*rows, Share(name, max(whole - total_milliseconds(rows), 0.0)))


def most_expensive_first(rows: Iterable[Share]) -> tuple[Share, ...]:
    """Return rows in order of their time."""
    return tuple(sorted(rows, key=lambda row: -row.milliseconds))


def total_milliseconds(rows: Iterable[Share]) -> float:
    """Return the time of all rows."""
    return sum(row.milliseconds for row in rows)
