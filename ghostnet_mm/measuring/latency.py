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


def alternating_measurements(
    measures: Mapping[str, Callable[[], float]],
    rounds: int,
    warm_up: int = 3,
    after_round: Callable[[int], None] | None = None,
) -> dict[str, list[float]]:
    """Measure in turns and return every measurement.

    Each is measured once per round, so that a busy moment of the machine meets all of
    them.

    Args:
        measures: What gives one measurement, by name.
        rounds: Rounds that count, at least 1.
        warm_up: Rounds before these that do not.
        after_round: Called with the number of rounds done, warm-up included.

    Raises:
        OptionError: There is no round that counts.
    """
    if rounds < 1:
        raise OptionError(f"--rounds {rounds} is not possible: give at least 1.")
    found: dict[str, list[float]] = {name: [] for name in measures}
    for index in range(warm_up + rounds):
        for name, measure in measures.items():
            measurement = measure()
            if index >= warm_up:
                found[name].append(measurement)
        if after_round is not None:
            after_round(index + 1)
    return found


def alternating_times(
    passes: Mapping[str, Callable[[], object]],
    rounds: int,
    warm_up: int = 3,
    settling: int = 0,
    after_round: Callable[[int], None] | None = None,
) -> dict[str, list[float]]:
    """Time functions in turns and return the milliseconds of every call.

    Args:
        passes: What to time, by name.
        rounds: Timed rounds, at least 1.
        warm_up: Rounds before these that are not timed.
        settling: See :func:`milliseconds_of`.
        after_round: Called with the number of rounds done, warm-up included.

    Raises:
        OptionError: There is no round to time.
    """
    measures = {
        name: partial(milliseconds_of, run, settling) for name, run in passes.items()
    }
    return alternating_measurements(measures, rounds, warm_up, after_round)


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


def paired_ratios(
    reference: Sequence[float], variant: Sequence[float]
) -> tuple[float, float, float]:
    """Return how many times faster a variant is: median, lower and upper quartile.

    Args:
        reference: Milliseconds of each round.
        variant: Milliseconds of the same rounds: what disturbed a round disturbed both.
    """
    ratios = np.asarray(reference) / np.asarray(variant)
    median, low, high = np.percentile(ratios, (50, 25, 75))
    return float(median), float(low), float(high)


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
