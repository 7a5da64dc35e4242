"""Timing any mix of configs, checkpoints and exported files side by side."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial

import numpy as np
import torch
from ghostnet_runtime.status_line import StatusLine, plain_duration

from ..configuration.console import tell
from ..errors import UserError
from ..measuring.latency import Timing, rounds_in_turns, torch_threads
from .candidates import BenchmarkCandidate, refuse_equal_labels
from .isolation import IsolatedCandidate
from .settings import WARM_UP, BenchmarkSettings
from .subjects import ScopedCandidate, Subject, open_candidate

# What a candidate may fail with without ending the benchmark of the others.
FAILURES = (UserError, RuntimeError)


@dataclass(frozen=True)
class BenchmarkRow:
    """A measured candidate in one scope.

    Attributes:
        scoped: Which.
        timing: Of its calls.
    """

    scoped: ScopedCandidate
    timing: Timing


@dataclass
class Benchmark:
    """What was measured.

    Attributes:
        threads: Threads of every runtime.
        rows: The measurements, in the order of scopes and candidates.
        notes: Sentences that a reader of the numbers has to know.
        was_interrupted: Whether Ctrl-C ended it early.
    """

    threads: int
    rows: list[BenchmarkRow] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    was_interrupted: bool = False

    def times(self, scope: str) -> dict[str, Timing]:
        """Return the times of each candidate in a scope, by label."""
        return {
            row.scoped.label: row.timing
            for row in self.rows
            if row.scoped.scope == scope
        }


def run_benchmark(
    candidates: Sequence[BenchmarkCandidate],
    settings: BenchmarkSettings,
    pictures: Sequence[np.ndarray],
    *,
    leave_out: bool = False,
    after_scope: Callable[[Benchmark], object] = lambda measured: None,
) -> Benchmark:
    """Time candidates in turns, one call of each per round.

    Every scope is a series of rounds of its own. A candidate that fails while it is
    timed is left out with a note. Ctrl-C ends the benchmark, and the rounds that are
    done count. PyTorch's number of threads is what it was when this returns.

    Args:
        candidates: What to time.
        settings: How.
        pictures: (H, W, 3) uint8 BGR.
        leave_out: Whether what cannot be opened is left out with a note, too.
        after_scope: Called with what was measured so far.

    Raises:
        UserError: A candidate cannot be opened, or none can be timed.
        KeyboardInterrupt: There was no round to keep.
    """
    refuse_equal_labels(candidates)
    with torch_threads(settings.threads):
        done = Benchmark(torch.get_num_threads())
        with _opened(candidates, settings, pictures, done, leave_out) as subjects:
            for scope in settings.scopes:
                chosen = [each for each in subjects if each.scoped.scope == scope]
                _time_scope(chosen, scope, settings, done)
                if done.was_interrupted:
                    break
                after_scope(done)
    return done


@contextmanager
def _opened(
    candidates: Sequence[BenchmarkCandidate],
    settings: BenchmarkSettings,
    pictures: Sequence[np.ndarray],
    done: Benchmark,
    leave_out: bool,
) -> Iterator[list[Subject]]:
    """Open every candidate, for as long as the block runs."""
    subjects: list[Subject] = []
    openers: list[Callable[[], tuple[list[Subject], list[str]]]] = []
    with ExitStack() as stack:
        for candidate in candidates:
            asked = (candidate, settings, pictures, done.threads)
            if settings.isolated:
                # All begin at once, and load side by side.
                isolated = IsolatedCandidate(*asked)
                stack.callback(isolated.stop)
                openers.append(isolated.open)
            else:
                openers.append(partial(open_candidate, *asked))
        for index, candidate in enumerate(candidates):
            tell(f"[{index + 1}/{len(candidates)}] opening {candidate.label}")
            try:
                found, notes = openers[index]()
            except FAILURES as error:
                if not leave_out:
                    raise
                found, notes = [], [failure_note(candidate.label, error)]
            subjects += found
            done.notes += notes
        yield subjects


def _time_scope(
    subjects: Sequence[Subject],
    scope: str,
    settings: BenchmarkSettings,
    done: Benchmark,
) -> None:
    """Add the rows of a scope to what is done."""
    if not subjects:
        return
    failures: dict[str, Exception] = {}
    measures = {
        subject.scoped.label: _guarded(subject, failures) for subject in subjects
    }
    rounds: list[Mapping[str, float]] = []
    line, started = StatusLine(), time.monotonic()
    try:
        for found in rounds_in_turns(measures, settings.rounds, WARM_UP):
            rounds.append(found)
            if line.is_due():
                each = (time.monotonic() - started) / (WARM_UP + len(rounds))
                left = plain_duration(each * (settings.rounds - len(rounds)))
                line.show(f"{scope}: round {len(rounds)}/{settings.rounds}  ETA {left}")
    except KeyboardInterrupt:
        if not rounds and not done.rows:
            raise
        done.was_interrupted = True
        done.notes.append(
            f"Interrupted: {len(rounds)} of {settings.rounds} rounds ({scope}) count."
        )
    line.clear()
    sound = [each for each in subjects if each.scoped.label not in failures]
    if not sound and not done.rows:
        raise next(iter(failures.values()))
    done.notes += [failure_note(label, error) for label, error in failures.items()]
    done.rows += [
        BenchmarkRow(
            subject.scoped,
            Timing(
                tuple(found[subject.scoped.label] for found in rounds), settings.batch
            ),
        )
        for subject in sound
        if rounds
    ]


def _guarded(subject: Subject, failures: dict[str, Exception]) -> Callable[[], float]:
    """Measure until the subject fails; what it failed with goes to ``failures``."""
    label = subject.scoped.label

    def measure() -> float:
        if label not in failures:
            try:
                return subject.measure()
            except FAILURES as error:
                failures[label] = error
        return float("nan")

    return measure


def failure_note(label: str, error: Exception) -> str:
    """Return a sentence on what a candidate failed with."""
    lines = str(error).strip().splitlines() or [type(error).__name__]
    # What came from another process ends with the reason, after its traceback.
    return f"{label}: does not run here ({lines[-1].strip().rstrip('.')})."
