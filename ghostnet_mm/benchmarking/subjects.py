"""Candidates, opened and ready to be timed."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from ..errors import OptionError
from . import eager, exported
from .candidates import BenchmarkCandidate
from .pictures import batches
from .settings import (
    BOTH,
    END_TO_END,
    NETWORK,
    SETTLING_SECONDS,
    BenchmarkSettings,
)
from .turns import Turns, picture_turns, same_turns, time_turn


@dataclass(frozen=True)
class ScopedCandidate:
    """One candidate in one scope.

    Attributes:
        label: The candidate.
        runs_in: Its form and runtime.
        scope: ``network`` or ``end-to-end``.
        size: Height and width of the network's input in pixels.
    """

    label: str
    runs_in: str
    scope: str
    size: tuple[int, int] | None


@dataclass(frozen=True)
class Subject:
    """A candidate in one scope, ready to be timed.

    Attributes:
        scoped: Which.
        measure: Times its next turn, in milliseconds.
    """

    scoped: ScopedCandidate
    measure: Callable[[], float]


def open_candidate(
    candidate: BenchmarkCandidate,
    settings: BenchmarkSettings,
    pictures: Sequence[np.ndarray],
    threads: int,
) -> tuple[list[Subject], list[str]]:
    """Open one candidate in this process, in every scope that is asked for.

    Returns:
        What can be timed, and sentences that a reader of the numbers has to know.

    Raises:
        UserError: It cannot be loaded, or cannot do what is asked.
    """
    turns_of: Callable[[str], tuple[Turns, tuple[int, int] | None]]
    if candidate.is_exported:
        turns_of = partial(_exported_turns, candidate, settings, pictures, threads)
    else:
        detector = eager.load_eager(candidate, settings.size, settings.device)
        turns_of = partial(_eager_turns, detector, settings, pictures)
    settling = SETTLING_SECONDS if settings.isolated else 0.0
    subjects: list[Subject] = []
    notes: list[str] = []
    size = None
    for scope in settings.scopes:
        try:
            turns, found = turns_of(scope)
        except OptionError as error:
            # Asked for both, one that only has a network still has that.
            if settings.scope != BOTH or scope == NETWORK:
                raise
            notes.append(f"{candidate.label}: not timed end to end. {error}")
            continue
        size = found or size
        scoped = ScopedCandidate(candidate.label, candidate.runs_in, scope, size)
        subjects.append(Subject(scoped, partial(time_turn, turns, settling)))
    if END_TO_END in settings.scopes and not candidate.has_weights:
        notes.append(
            f"{candidate.label}: random weights, so that the post-processing meets "
            f"scores that a trained detector does not give; add a checkpoint for a "
            f"true end-to-end time."
        )
    return subjects, notes


def _eager_turns(
    detector: eager.EagerDetector,
    settings: BenchmarkSettings,
    pictures: Sequence[np.ndarray],
    scope: str,
) -> tuple[Turns, tuple[int, int]]:
    if scope == NETWORK:
        first = next(batches(pictures, settings.batch))
        return same_turns(eager.network_run(detector, first)), detector.size
    run = eager.end_to_end_run(detector)
    return picture_turns(run, pictures, settings.batch), detector.size


def _exported_turns(
    candidate: BenchmarkCandidate,
    settings: BenchmarkSettings,
    pictures: Sequence[np.ndarray],
    threads: int,
    scope: str,
) -> tuple[Turns, tuple[int, int] | None]:
    """Return the turns of a file, and its size where the network alone tells it."""
    if scope == NETWORK:
        first = next(batches(pictures, settings.batch))
        run, size = exported.network_run(candidate, first, settings.size, threads)
        return same_turns(run), size
    if settings.batch != 1:
        raise OptionError(
            f"{candidate.path} is timed from picture to boxes one picture at a time; "
            f"use --batch 1, or --scope network."
        )
    return picture_turns(exported.end_to_end_run(candidate, threads), pictures), None
