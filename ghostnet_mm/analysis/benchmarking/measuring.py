"""Timing any mix of configs, checkpoints and exported files side by side."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ...configuration.console import tell
from ...engine.status_line import StatusLine, plain_duration
from ...errors import OptionError
from ..latency import Timing, alternating_times, torch_threads
from . import eager, exported
from .candidates import Candidate, refuse_doubles
from .pictures import batches

NETWORK = "network"
END_TO_END = "end-to-end"
BOTH = "both"
SCOPES = (NETWORK, END_TO_END, BOTH)
WARM_UP = 3
SETTLING_CALLS = 1


@dataclass(frozen=True)
class BenchmarkSettings:
    """How candidates are timed.

    Attributes:
        scope: ``network`` (the forward pass), ``end-to-end`` (picture in memory to
            boxes) or ``both``.
        threads: Of every runtime; None leaves PyTorch's own number, for all.
        batch: Images per call.
        size: Height and width in pixels; None takes each candidate's own.
        rounds: Timed rounds.
        device: Of eager PyTorch.
    """

    scope: str = BOTH
    threads: int | None = None
    batch: int = 1
    size: tuple[int, int] | None = None
    rounds: int = 50
    device: str = "cpu"

    def __post_init__(self) -> None:
        if self.scope not in SCOPES:
            raise OptionError(
                f"--scope {self.scope} is not known; choose from {', '.join(SCOPES)}."
            )
        for name in ("batch", "rounds"):
            if getattr(self, name) < 1:
                raise OptionError(
                    f"--{name} {getattr(self, name)} is not possible: give at least 1."
                )

    @property
    def scopes(self) -> tuple[str, ...]:
        """What is timed, without ``both``."""
        return (NETWORK, END_TO_END) if self.scope == BOTH else (self.scope,)


@dataclass(frozen=True)
class BenchmarkRow:
    """One candidate in one scope.

    Attributes:
        label: The candidate.
        runs_in: Its form and runtime.
        scope: ``network`` or ``end-to-end``.
        size: Height and width of the network's input in pixels.
        timing: The measurement.
    """

    label: str
    runs_in: str
    scope: str
    size: tuple[int, int] | None
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
        subjects, notes = _open_all(candidates, settings, pictures, threads)
        rows = []
        for scope in settings.scopes:
            chosen = {one.label: one for one in subjects if one.scope == scope}
            if not chosen:
                continue
            passes = {label: one.run for label, one in chosen.items()}
            times = alternating_times(
                passes,
                settings.rounds,
                warm_up=WARM_UP,
                settling=SETTLING_CALLS,
                after_round=_Progress(scope, settings.rounds + WARM_UP),
            )
            rows += [
                BenchmarkRow(
                    label,
                    one.runs_in,
                    scope,
                    one.size,
                    Timing(tuple(times[label]), settings.batch),
                )
                for label, one in chosen.items()
            ]
    return Benchmark(tuple(rows), tuple(notes), threads)


@dataclass(frozen=True)
class _Subject:
    label: str
    runs_in: str
    scope: str
    size: tuple[int, int] | None
    run: Callable[[], object]


def _open_all(
    candidates: Sequence[Candidate],
    settings: BenchmarkSettings,
    pictures: list[np.ndarray],
    threads: int,
) -> tuple[list[_Subject], list[str]]:
    subjects, notes = [], []
    for index, candidate in enumerate(candidates):
        tell(f"[{index + 1}/{len(candidates)}] opening {candidate.label}")
        loaded = None
        if not candidate.is_exported:
            loaded = eager.load_eager(candidate, settings.size, settings.device)
        size = loaded.size if loaded else None
        for scope in settings.scopes:
            try:
                run, size = _run_of(
                    candidate, loaded, scope, settings, pictures, threads, size
                )
            except OptionError as error:
                # Asked for both, one that only has a network still has that.
                if settings.scope != BOTH or scope == NETWORK:
                    raise
                notes.append(f"{candidate.label}: not timed end to end. {error}")
                continue
            subjects.append(
                _Subject(candidate.label, candidate.runs_in, scope, size, run)
            )
        if END_TO_END in settings.scopes and not candidate.has_weights:
            notes.append(
                f"{candidate.label}: random weights, so that the post-processing meets "
                f"scores that a trained detector does not give; add a checkpoint for a "
                f"true end-to-end time."
            )
    return subjects, notes


def _run_of(
    candidate: Candidate,
    loaded: eager.EagerDetector | None,
    scope: str,
    settings: BenchmarkSettings,
    pictures: list[np.ndarray],
    threads: int,
    size: tuple[int, int] | None,
) -> tuple[Callable[[], object], tuple[int, int] | None]:
    supply = batches(pictures, settings.batch)
    if loaded is not None:
        if scope == NETWORK:
            return eager.network_run(loaded, next(supply)), size
        detect_batch = eager.end_to_end_run(loaded)
        return (lambda: detect_batch(next(supply))), size
    if scope == NETWORK:
        return exported.network_run(candidate, next(supply), settings.size, threads)
    if settings.batch != 1:
        raise OptionError(
            f"{candidate.path} is timed from picture to boxes one picture at a time; "
            f"use --batch 1, or --scope network."
        )
    detect = exported.end_to_end_run(candidate, threads)
    return (lambda: detect(next(supply)[0])), size


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
