"""A candidate's turns: each takes the next batch, settles on it, and times it."""

import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np

from ..measuring.latency import milliseconds_of
from .pictures import batches
from .settings import SETTLING_CALLS

# Gives the call of one turn; candidates of one benchmark get the same batches, however
# often their calls are repeated.
Turns = Callable[[], Callable[[], object]]


def same_turns(run: Callable[[], object]) -> Turns:
    """Return turns that always call the same."""
    return lambda: run


def picture_turns(
    detect: Callable[[list[np.ndarray]], Any],
    pictures: Sequence[np.ndarray],
    batch: int = 1,
) -> Turns:
    """Return turns that detect on one batch after the other, going round."""
    supply = batches(pictures, batch)
    return lambda: partial(detect, next(supply))


def time_turn(turns: Turns, settling_seconds: float = 0.0) -> float:
    """Time the call of the next turn in milliseconds, after some that do not count.

    Args:
        turns: Of the candidate.
        settling_seconds: How long to repeat the call before.
    """
    run = turns()
    until = time.perf_counter() + settling_seconds
    while time.perf_counter() < until:
        run()
    return milliseconds_of(run, SETTLING_CALLS)
