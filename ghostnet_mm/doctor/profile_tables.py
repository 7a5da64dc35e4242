"""Where the time of one picture went."""

import statistics
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

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
        return sum(one.milliseconds for one in self.parts or self.kinds)


@dataclass
class Round:
    """What one run added up to, by name."""

    seconds: dict[str, float]
    macs: dict[str, int]
    bytes_moved: dict[str, int]


def shares(rounds: Sequence[Round], names: Iterable[str]) -> Iterator[Share]:
    """Yield the median share of each name; counts are those of the last round."""
    for name in names:
        yield Share(
            name,
            statistics.median(one.seconds.get(name, 0.0) for one in rounds) * 1e3,
            rounds[-1].macs.get(name, 0),
            rounds[-1].bytes_moved.get(name, 0),
        )


def fractions(rows: Sequence[Share]) -> Mapping[str, float]:
    """Return each row's fraction of the rows' time."""
    total = sum(one.milliseconds for one in rows)
    return {one.name: one.milliseconds / total if total else 0.0 for one in rows}
