"""The examination of one detector: where its time goes, and what would save some."""

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

from ..benchmarking.candidates import BenchmarkCandidate
from ..benchmarking.eager import EagerDetector, load_eager
from ..benchmarking.settings import BenchmarkSettings
from ..configuration.console import tell
from ..errors import OptionError
from ..export.exported_detector import ExportedDetector
from ..measuring.latency import torch_threads
from .ceilings import Ceilings, measure_ceilings
from .eager_profile import profile_eager
from .exported_files import export_all, int8_proposals, runtime_proposals
from .onnx_profile import profile_onnx
from .part_labels import module_labels
from .profile_tables import Profile
from .proposals import propose
from .timed_proposals import TimedProposal, time_proposals


@dataclass(frozen=True)
class Diagnosis:
    """What was found.

    Attributes:
        name: The detector.
        size: Height and width of its input in pixels.
        threads: In use.
        rounds: Of every measurement.
        ceilings: Of the machine.
        profiles: One per runtime.
        trials: The proposals that were timed.
        notes: What was not tried, and why.
        was_interrupted: Whether Ctrl-C ended the trials early.
    """

    name: str
    size: tuple[int, int]
    threads: int
    rounds: int
    ceilings: Ceilings
    profiles: tuple[Profile, ...]
    trials: tuple[TimedProposal, ...]
    notes: tuple[str, ...]
    was_interrupted: bool = False


@dataclass(frozen=True, kw_only=True)
class Examination:
    """What is asked of an examination.

    Attributes:
        size: Height and width of the input in pixels; None for the config's.
        threads: Of every runtime; None leaves PyTorch's own number.
        rounds: Timed rounds.
        runtimes: Whether to export, and to look at other runtimes.
        proposals: Whether to try changes.
    """

    size: tuple[int, int] | None = None
    threads: int | None = None
    rounds: int = 20
    runtimes: bool = True
    proposals: bool = True

    def __post_init__(self) -> None:
        if self.rounds < 1:
            raise OptionError(
                f"--rounds {self.rounds} is not possible: give at least 1."
            )


def diagnose(
    candidate: BenchmarkCandidate,
    pictures: Sequence[np.ndarray],
    examination: Examination,
) -> Diagnosis:
    """Examine a detector on the CPU.

    Ctrl-C while changes are timed keeps what was measured before.

    Args:
        candidate: A config, with or without a checkpoint.
        pictures: (H, W, 3) uint8 BGR.
        examination: What is asked.

    Raises:
        UserError: The detector cannot be built or loaded.
    """
    notes: list[str] = []
    if not candidate.has_weights:
        notes.append(
            "Random weights: decode, NMS and INT8 meet values that a trained detector "
            "does not give; pass a checkpoint for their true share and effect."
        )
    with torch_threads(examination.threads), tempfile.TemporaryDirectory() as folder:
        threads, rounds = torch.get_num_threads(), examination.rounds
        detector = load_eager(candidate, examination.size)
        tell("measuring what the machine can do")
        ceilings = measure_ceilings()
        tell(f"profiling eager PyTorch, {2 * rounds} rounds")
        profiles = [profile_eager(detector, pictures, rounds)]
        proposals, untried = propose(detector.cfg.model, candidate.has_weights)
        files: dict[str, Path] = {}
        if examination.runtimes:
            files = export_all(detector, Path(folder), notes)
        if "onnx" in files:
            exact = ExportedDetector(files["onnx"], threads)
            profiles.append(
                _onnx_profile(exact, detector, pictures[0], rounds, threads)
            )
            if examination.proposals:
                proposals += runtime_proposals(files)
                proposals += int8_proposals(exact, pictures, files, notes)
        trials: list[TimedProposal] = []
        was_interrupted = False
        if examination.proposals:
            notes += untried
            settings = BenchmarkSettings(
                threads=threads, size=examination.size, rounds=rounds, isolated=True
            )
            try:
                for timed, said in time_proposals(
                    candidate, proposals, pictures, settings, files
                ):
                    trials += timed
                    notes += said
            except KeyboardInterrupt:
                was_interrupted = True
                notes.append("Interrupted: not all changes were timed.")
    return Diagnosis(
        candidate.label,
        detector.size,
        threads,
        rounds,
        ceilings,
        tuple(profiles),
        tuple(trials),
        tuple(notes),
        was_interrupted,
    )


def _onnx_profile(
    exact: ExportedDetector,
    detector: EagerDetector,
    picture: np.ndarray,
    rounds: int,
    threads: int,
) -> Profile:
    model, image = exact.model, exact.network_input(picture)
    given = model.description.input
    inputs = {given.name: image}
    if given.image_sizes is not None:
        # The picture fills its frame.
        inputs[given.image_sizes] = np.array([image.shape[-2:]], np.float32)
    labels = module_labels(detector.model)
    found = profile_onnx(model.path, inputs, rounds, threads, labels)
    return replace(found, note=f"{found.note} The network with decoding, no NMS.")
