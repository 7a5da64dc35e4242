"""Candidates, opened and ready to be timed."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from ..configuration.console import tell
from ..errors import OptionError
from . import eager, exported
from .candidates import Candidate
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
class Subject(ScopedCandidate):
    """A candidate in one scope, ready to be timed.

    Attributes:
        measure: Times its next turn, in milliseconds.
    """

    measure: Callable[[], float]


def open_subjects(
    candidates: Sequence[Candidate],
    settings: BenchmarkSettings,
    pictures: list[np.ndarray],
    threads: int,
) -> tuple[list[Subject], list[str]]:
    """Open every candidate in this process.

    Returns:
        What can be timed, and sentences that a reader of the numbers has to know.

    Raises:
        UserError: A candidate cannot be loaded, or cannot do what is asked.
    """
    subjects, notes = [], []
    for index, candidate in enumerate(candidates):
        tell(f"[{index + 1}/{len(candidates)}] opening {candidate.label}")
        found, said = open_candidate(candidate, settings, pictures, threads)
        subjects += found
        notes += said
    return subjects, notes


def open_candidate(
    candidate: Candidate,
    settings: BenchmarkSettings,
    pictures: list[np.ndarray],
    threads: int,
) -> tuple[list[Subject], list[str]]:
    """Open one candidate; see :func:`open_subjects`."""
    subjects, notes, loaded = [], [], None
    if not candidate.is_exported:
        loaded = eager.load_eager(candidate, settings.size, settings.device)
    size = loaded.size if loaded else None
    settling = SETTLING_SECONDS if settings.isolated else 0.0
    for scope in settings.scopes:
        try:
            turns, size = _turns_of(
                candidate, loaded, scope, settings, pictures, threads, size
            )
        except OptionError as error:
            # Asked for both, one that only has a network still has that.
            if settings.scope != BOTH or scope == NETWORK:
                raise
            notes.append(f"{candidate.label}: not timed end to end. {error}")
            continue
        subjects.append(
            Subject(
                candidate.label,
                candidate.runs_in,
                scope,
                size,
                partial(time_turn, turns, settling),
            )
        )
    if END_TO_END in settings.scopes and not candidate.has_weights:
        notes.append(
            f"{candidate.label}: random weights, so that the post-processing meets "
            f"scores that a trained detector does not give; add a checkpoint for a "
            f"true end-to-end time."
        )
    return subjects, notes


def _turns_of(
    candidate: Candidate,
    loaded: eager.EagerDetector | None,
    scope: str,
    settings: BenchmarkSettings,
    pictures: list[np.ndarray],
    threads: int,
    size: tuple[int, int] | None,
) -> tuple[Turns, tuple[int, int] | None]:
    first = next(batches(pictures, settings.batch))
    if loaded is not None:
        if scope == NETWORK:
            return same_turns(eager.network_run(loaded, first)), size
        detect = eager.end_to_end_run(loaded)
        return picture_turns(detect, pictures, settings.batch), size
    if scope == NETWORK:
        run, size = exported.network_run(candidate, first, settings.size, threads)
        return same_turns(run), size
    if settings.batch != 1:
        raise OptionError(
            f"{candidate.path} is timed from picture to boxes one picture at a time; "
            f"use --batch 1, or --scope network."
        )
    return picture_turns(exported.end_to_end_run(candidate, threads), pictures), size
