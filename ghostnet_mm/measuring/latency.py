"""Timing functions side by side."""

import contextlib
import statistics
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch

from ..errors import OptionError


@dataclass(frozen=True)
class Timing:
    """The times of one function.

    Attributes:
        milliseconds: Of each timed call, in order; at least one.
        images: Images that one call works on.
    """

    milliseconds: tuple[float, ...]
    images: int = 1

    @property
    def median(self) -> float:
        """The median call, in milliseconds."""
        return statistics.median(self.milliseconds)

    @property
    def p90(self) -> float:
        """What nine of ten calls stay below, in milliseconds."""
        return self.percentile(90)

    @property
    def spread(self) -> float:
        """The interquartile range, in milliseconds."""
        return self.percentile(75) - self.percentile(25)

    @property
    def images_per_second(self) -> float:
        """Images per second at the median."""
        return self.images * 1e3 / self.median

    def percentile(self, percent: float) -> float:
        """Return a percentile of the calls in milliseconds, interpolated linearly."""
        return float(np.percentile(self.milliseconds, percent))


@dataclass(frozen=True)
class Gain:
    """How many times as fast something is, over timed rounds.

    Attributes:
        median: Of all rounds.
        low: The lower quartile.
        high: The upper quartile.
    """

    median: float
    low: float
    high: float

    @property
    def is_sure(self) -> bool:
        """Whether three rounds of four found it faster."""
        return self.low > 1

    def __str__(self) -> str:
        return f"{self.median:.2f} ({self.low:.2f} to {self.high:.2f})"


def milliseconds_of(run: Callable[[], object], settling: int = 0) -> float:
    """Call a function and return how long it took.

    Args:
        run: The function.
        settling: Calls before the timed one. They bring its data back into the caches,
            and let the threads of the function before it, which may still be spinning,
            go to sleep.
    """
    for _ in range(settling):
        run()
    start = time.perf_counter()
    run()
    return (time.perf_counter() - start) * 1e3


def rounds_in_turns(
    measures: Mapping[str, Callable[[], float]], rounds: int, warm_up: int = 3
) -> Iterator[dict[str, float]]:
    """Measure in turns and yield each round that counts as soon as it is complete.

    Each is measured once per round, so that a busy moment of the machine meets all of
    them.

    Args:
        measures: What gives one measurement, by name.
        rounds: Rounds that count, at least 1.
        warm_up: Rounds before these that do not.

    Raises:
        OptionError: There is no round that counts.
    """
    if rounds < 1:
        raise OptionError(f"--rounds {rounds} is not possible: give at least 1.")
    for index in range(warm_up + rounds):
        found = {name: measure() for name, measure in measures.items()}
        if index >= warm_up:
            yield found


def alternating_times(
    passes: Mapping[str, Callable[[], object]],
    rounds: int,
    warm_up: int = 3,
    settling: int = 0,
) -> dict[str, list[float]]:
    """Time functions in turns and return the milliseconds of every call.

    Args:
        passes: What to time, by name.
        rounds: Timed rounds, at least 1.
        warm_up: Rounds before these that are not timed.
        settling: See :func:`milliseconds_of`.

    Raises:
        OptionError: There is no round to time.
    """
    measures = {
        name: partial(milliseconds_of, run, settling) for name, run in passes.items()
    }
    done = list(rounds_in_turns(measures, rounds, warm_up))
    return {name: [found[name] for found in done] for name in passes}


def alternating_medians(
    passes: Mapping[str, Callable[[], object]], rounds: int, warm_up: int = 3
) -> dict[str, float]:
    """Time functions in turns and return the median milliseconds of each.

    Args:
        passes: What to time, by name.
        rounds: Timed rounds, at least 1.
        warm_up: Rounds before these that are not timed.
    """
    times = alternating_times(passes, rounds, warm_up)
    return {name: statistics.median(each) for name, each in times.items()}


def paired_ratios(reference: Sequence[float], variant: Sequence[float]) -> Gain:
    """Return how many times as fast a variant is.

    Args:
        reference: Milliseconds of each round.
        variant: Milliseconds of the same rounds: what disturbed a round disturbed both.
    """
    ratios = np.asarray(reference) / np.asarray(variant)
    median, low, high = np.percentile(ratios, (50, 25, 75))
    return Gain(float(median), float(low), float(high))


@contextlib.contextmanager
def torch_threads(count: int | None) -> Iterator[None]:
    """Let PyTorch use ``count`` threads for a while; None changes nothing.

    Raises:
        OptionError: ``count`` is not positive.
    """
    if count is not None and count < 1:
        raise OptionError(f"--threads {count} is not possible: give at least 1.")
    before = torch.get_num_threads()
    try:
        if count is not None:
            torch.set_num_threads(count)
        yield
    finally:
        torch.set_num_threads(before)
