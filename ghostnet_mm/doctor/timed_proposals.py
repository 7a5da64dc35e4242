"""Proposals, each timed in turns with the detector as it is."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from ..benchmarking.candidates import BenchmarkCandidate
from ..benchmarking.measuring import FAILURES, failure_note, run_benchmark
from ..benchmarking.settings import END_TO_END, NETWORK, BenchmarkSettings
from ..measuring.latency import Gain, Timing, paired_ratios
from .proposals import FILE_SCOPES, Proposal

ORIGINAL = "(as it is)"
LEAST_GAIN = 1.02


@dataclass(frozen=True)
class TimedProposal:
    """A proposal with its measured effect.

    Attributes:
        proposal: What was changed.
        milliseconds: The changed detector's median.
        original: The original's, in the same rounds.
        gain: How many times as fast the changed one is.
    """

    proposal: Proposal
    milliseconds: float
    original: float
    gain: Gain

    @property
    def is_faster(self) -> bool:
        """Whether it is recommended: faster by 2 %, and in three of four rounds."""
        return self.gain.median >= LEAST_GAIN and self.gain.is_sure


def time_proposals(
    original: BenchmarkCandidate,
    proposals: Sequence[Proposal],
    pictures: Sequence[np.ndarray],
    settings: BenchmarkSettings,
    files: Mapping[str, Path],
) -> Iterator[tuple[list[TimedProposal], list[str]]]:
    """Time the proposals of one scope after the other, each in a process of its own.

    Architectures that need training are compared by their networks alone; what concerns
    pictures and boxes is timed from picture to boxes. Files in INT8 are timed beside
    the file of the detector as it is.

    Args:
        original: The config, with its checkpoint if there is one.
        proposals: What to try.
        pictures: (H, W, 3) uint8 BGR.
        settings: How; the scope is each proposal's own.
        files: For proposals of another runtime: exported files by suffix, and others
            by name.

    Yields:
        What was timed in a scope, fastest first, and sentences on what did not run.

    Raises:
        KeyboardInterrupt: After what was measured until then.
    """
    baselines = {NETWORK: original, END_TO_END: original}
    for suffix, file_scope in FILE_SCOPES.items():
        if suffix in files:
            baselines[file_scope] = BenchmarkCandidate(ORIGINAL, str(files[suffix]))
    for scope, baseline in baselines.items():
        chosen = {each.name: each for each in proposals if each.scope == scope}
        if not chosen:
            continue
        asked = replace(
            settings,
            scope=END_TO_END if scope == END_TO_END else NETWORK,
            # Files have their own.
            size=settings.size if baseline is original else None,
        )
        changed = [each.candidate(original, files) for each in chosen.values()]
        candidates = [replace(baseline, label=ORIGINAL), *changed]
        try:
            done = run_benchmark(candidates, asked, pictures, leave_out=True)
        except FAILURES as error:
            yield [], [failure_note(scope, error)]
            continue
        yield _compared(chosen, done.times(asked.scope)), done.notes
        if done.was_interrupted:
            raise KeyboardInterrupt


def _compared(
    proposals: Mapping[str, Proposal], times: Mapping[str, Timing]
) -> list[TimedProposal]:
    """Compare the times by label with the original's, fastest first."""
    if ORIGINAL not in times:
        return []
    original = times[ORIGINAL]
    timed = [
        TimedProposal(
            proposal,
            times[name].median,
            original.median,
            paired_ratios(original.milliseconds, times[name].milliseconds),
        )
        for name, proposal in proposals.items()
        if name in times
    ]
    return sorted(timed, key=lambda each: -each.gain.median)
