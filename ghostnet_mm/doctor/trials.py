"""Proposals, built and timed against the original."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from ghostnet_runtime.status_line import StatusLine, plain_duration

from ..benchmarking import eager, exported
from ..benchmarking.candidates import Candidate
from ..benchmarking.settings import END_TO_END, NETWORK, WARM_UP
from ..benchmarking.turns import Turns, picture_turns, same_turns, time_turn
from ..configuration.console import tell
from ..errors import OptionError, UserError
from ..measuring.latency import alternating_measurements, paired_ratios
from .proposals import FILE_SCOPES, KEEPS, Proposal

ORIGINAL = "(as it is)"
SUFFIXES = {scope: suffix for suffix, scope in FILE_SCOPES.items()}
LEAST_GAIN = 1.02


@dataclass(frozen=True)
class Trial:
    """A proposal with its measured effect.

    Attributes:
        proposal: What was changed.
        milliseconds: The changed detector's median.
        original: The original's, in the same rounds.
        ratio: Original over changed: the median of the rounds.
        low: Its lower quartile.
        high: Its upper quartile.
    """

    proposal: Proposal
    milliseconds: float
    original: float
    ratio: float
    low: float
    high: float

    @property
    def is_faster(self) -> bool:
        """Whether it is recommended: faster by 2 %, and in three of four rounds."""
        return self.ratio >= LEAST_GAIN and self.low > 1


@dataclass(frozen=True)
class TrialSettings:
    """How proposals are timed.

    Attributes:
        size: Height and width of the input in pixels; None for the config's.
        rounds: Timed rounds.
        threads: Of other runtimes than PyTorch.
    """

    size: tuple[int, int] | None
    rounds: int
    threads: int


def run_trials(
    original: Candidate,
    proposals: Sequence[Proposal],
    pictures: list[np.ndarray],
    settings: TrialSettings,
    files: Mapping[str, Path] | None = None,
) -> tuple[list[Trial], list[str]]:
    """Time every proposal in turns with the original.

    Architectures that need training have random weights, so that only their networks
    are compared; what concerns pictures and boxes is timed from picture to boxes.
    Changed files are timed beside the file of the detector as it is.

    Args:
        original: The config, with its checkpoint if there is one.
        proposals: What to try.
        pictures: (H, W, 3) uint8 BGR.
        settings: How.
        files: Exported files by suffix and changed ones by name, for proposals of
            another runtime.

    Returns:
        The trials, fastest first in each scope, and sentences on what did not run.
    """
    trials, notes, files = [], [], files or {}
    for scope in (NETWORK, *SUFFIXES, END_TO_END):
        chosen = [one for one in proposals if one.scope == scope]
        if not chosen:
            continue
        if scope in SUFFIXES:
            as_it_is = _file_turns(SUFFIXES[scope], scope, pictures, settings, files)
        else:
            as_it_is = _turns_of(original, scope, pictures, settings)
        turns = {ORIGINAL: as_it_is}
        built: dict[str, Proposal] = {}
        for index, proposal in enumerate(chosen):
            tell(f"[{index + 1}/{len(chosen)}] building: {proposal.name}")
            try:
                changed = _changed_turns(original, proposal, pictures, settings, files)
                changed()()
            except (UserError, RuntimeError) as error:
                reason = " ".join(str(error).split()).rstrip(".")
                notes.append(f"{proposal.name}: does not run here ({reason}).")
                continue
            turns[proposal.name] = changed
            built[proposal.name] = proposal
        if not built:
            continue
        times = alternating_measurements(
            {name: partial(time_turn, one) for name, one in turns.items()},
            settings.rounds,
            warm_up=WARM_UP,
            after_round=_progress(scope, settings.rounds + WARM_UP),
        )
        found = [_trial(one, times[ORIGINAL], times[n]) for n, one in built.items()]
        trials += sorted(found, key=lambda one: -one.ratio)
    return trials, notes


def _trial(
    proposal: Proposal, original: Sequence[float], changed: Sequence[float]
) -> Trial:
    ratio, low, high = paired_ratios(original, changed)
    return Trial(
        proposal,
        float(np.median(changed)),
        float(np.median(original)),
        ratio,
        low,
        high,
    )


def _changed_turns(
    original: Candidate,
    proposal: Proposal,
    pictures: list[np.ndarray],
    settings: TrialSettings,
    files: Mapping[str, Path],
) -> Turns:
    if proposal.runtime is not None:
        return _file_turns(proposal.runtime, proposal.scope, pictures, settings, files)
    changed = eager.with_options(
        original, proposal.cfg_options, keep_weights=proposal.weights == KEEPS
    )
    changed = Candidate(
        proposal.name,
        changed.path,
        changed.checkpoint,
        proposal.form,
        changed.cfg_options,
    )
    return _turns_of(changed, proposal.scope, pictures, settings)


def _file_turns(
    name: str,
    scope: str,
    pictures: list[np.ndarray],
    settings: TrialSettings,
    files: Mapping[str, Path],
) -> Turns:
    if name not in files:
        raise OptionError(f"there is no exported {name} file")
    candidate = Candidate(name, str(files[name]))
    if scope in SUFFIXES:
        run, _ = exported.network_run(candidate, pictures[:1], None, settings.threads)
        return same_turns(run)
    return picture_turns(exported.end_to_end_run(candidate, settings.threads), pictures)


def _turns_of(
    candidate: Candidate,
    scope: str,
    pictures: list[np.ndarray],
    settings: TrialSettings,
) -> Turns:
    detector = eager.load_eager(candidate, settings.size)
    if scope == NETWORK:
        return same_turns(eager.network_run(detector, pictures[:1]))
    return picture_turns(eager.end_to_end_run(detector), pictures)


def _progress(scope: str, total: int) -> Callable[[int], None]:
    line, started = StatusLine(), time.monotonic()

    def show(done: int) -> None:
        if done == total:
            line.clear()
        elif line.is_due():
            left = (time.monotonic() - started) / done * (total - done)
            line.show(
                f"proposals, {scope}: round {done}/{total}  ETA {plain_duration(left)}"
            )

    return show
