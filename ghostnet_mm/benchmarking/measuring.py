"""Timing any mix of configs, checkpoints and exported files side by side."""

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from ghostnet_runtime.status_line import StatusLine, plain_duration

from ..measuring.latency import Timing, alternating_measurements, torch_threads
from .candidates import Candidate, refuse_doubles
from .isolation import isolated_subjects
from .settings import WARM_UP, BenchmarkSettings
from .subjects import ScopedCandidate, Subject, open_subjects


@dataclass(frozen=True)
class BenchmarkRow(ScopedCandidate):
    """A measured candidate in one scope.

    Attributes:
        timing: Of its calls.
    """

    timing: Timing


@dataclass(frozen=True)
class Benchmark:
    """A finished benchmark.

    Attributes:
        rows: The measurements, in the order of scopes and candidates.
        notes: Sentences that a reader of the numbers has to know.
        threads: Threads of every runtime.
    """

    rows: tuple[BenchmarkRow, ...]
    notes: tuple[str, ...]
    threads: int


def run_benchmark(
    candidates: Sequence[Candidate],
    settings: BenchmarkSettings,
    pictures: list[np.ndarray],
) -> Benchmark:
    """Time candidates in turns, one call of each per round.

    Every scope is a series of rounds of its own. PyTorch's number of threads is what
    it was when this returns.

    Raises:
        UserError: A candidate cannot be loaded, or cannot do what is asked.
    """
    import torch

    refuse_doubles(candidates)
    with torch_threads(settings.threads):
        threads = torch.get_num_threads()
        with _opened(candidates, settings, pictures, threads) as (subjects, notes):
            rows = [
                row
                for scope in settings.scopes
                for row in _timed(
                    [one for one in subjects if one.scope == scope], scope, settings
                )
            ]
    return Benchmark(tuple(rows), tuple(notes), threads)


def _opened(
    candidates: Sequence[Candidate],
    settings: BenchmarkSettings,
    pictures: list[np.ndarray],
    threads: int,
) -> AbstractContextManager[tuple[list[Subject], list[str]]]:
    if settings.isolated:
        return isolated_subjects(candidates, settings, pictures, threads)
    return nullcontext(open_subjects(candidates, settings, pictures, threads))


def _timed(
    subjects: Sequence[Subject], scope: str, settings: BenchmarkSettings
) -> Iterator[BenchmarkRow]:
    if not subjects:
        return
    times = alternating_measurements(
        {one.label: one.measure for one in subjects},
        settings.rounds,
        warm_up=WARM_UP,
        after_round=_Progress(scope, settings.rounds + WARM_UP),
    )
    for one in subjects:
        timing = Timing(tuple(times[one.label]), settings.batch)
        yield BenchmarkRow(one.label, one.runs_in, scope, one.size, timing)


class _Progress:
    """Says how many rounds are done, and when they will be."""

    def __init__(self, scope: str, total: int):
        self.scope, self.total = scope, total
        self.line, self.started = StatusLine(), time.monotonic()

    def __call__(self, done: int) -> None:
        if done == self.total:
            self.line.clear()
        elif self.line.is_due():
            left = (time.monotonic() - self.started) / done * (self.total - done)
            self.line.show(
                f"{self.scope}: round {done}/{self.total}  ETA {plain_duration(left)}"
            )


def medians(benchmark: Benchmark, scope: str) -> Mapping[str, float]:
    """Return the median milliseconds of each candidate in a scope."""
    return {
        one.label: one.timing.median for one in benchmark.rows if one.scope == scope
    }


def file_name(candidate: Candidate) -> str:
    """Return the name of the file that holds a candidate's weights, or its config."""
    return Path(candidate.checkpoint or candidate.path).name
