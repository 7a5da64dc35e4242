"""Timing functions side by side."""

import statistics
import time
from collections.abc import Callable, Mapping


def alternating_medians(
    passes: Mapping[str, Callable[[], object]], rounds: int, warm_up: int = 3
) -> dict[str, float]:
    """Time functions in turns and return the median milliseconds of each.

    Each is called once per round, so that a busy moment of the machine meets all of
    them.

    Args:
        passes: What to time, by name.
        rounds: Timed rounds, at least 1.
        warm_up: Rounds before these that are not timed.
    """
    seconds: dict[str, list[float]] = {name: [] for name in passes}
    for index in range(warm_up + rounds):
        for name, run in passes.items():
            start = time.perf_counter()
            run()
            if index >= warm_up:
                seconds[name].append(time.perf_counter() - start)
    return {name: statistics.median(times) * 1e3 for name, times in seconds.items()}
