"""The examination of one detector: where its time goes, and what would save some."""

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

from ..benchmarking.candidates import Candidate
from ..benchmarking.eager import EagerDetector, load_eager
from ..benchmarking.exported import input_for
from ..benchmarking.settings import END_TO_END
from ..configuration.console import tell
from ..errors import OptionError
from ..export.exported_models import open_exported
from ..measuring.latency import torch_threads
from .ceilings import Ceilings, measure_ceilings
from .changed_files import ChangedFiles
from .eager_profile import profile_eager
from .exported_files import RUNTIMES, export_all
from .onnx_profile import profile_onnx
from .part_labels import module_labels
from .profile_tables import Profile
from .proposals import KEEPS, Proposal, propose
from .trials import Trial, TrialSettings, run_trials

WITHOUT_FILES = (
    "INT8, leaving out squeeze and excitation, and rounding channels up: not tried, "
    "for they are timed in exported files, and there is none."
)


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
        trials: The proposals that ran.
        notes: What was not tried, and why.
    """

    name: str
    size: tuple[int, int]
    threads: int
    rounds: int
    ceilings: Ceilings
    profiles: tuple[Profile, ...]
    trials: tuple[Trial, ...]
    notes: tuple[str, ...]


@dataclass(frozen=True)
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
    candidate: Candidate, pictures: list[np.ndarray], examination: Examination
) -> Diagnosis:
    """Examine a detector on the CPU.

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
        threads = torch.get_num_threads()
        detector = load_eager(candidate, examination.size)
        tell("measuring what the machine can do")
        ceilings = measure_ceilings()
        tell(f"profiling eager PyTorch, {2 * examination.rounds} rounds")
        profiles = [profile_eager(detector, pictures, examination.rounds)]
        files: dict[str, Path] = {}
        if examination.runtimes:
            tell("exporting, for other runtimes")
            files = export_all(detector, Path(folder), notes)
        if "onnx" in files:
            profiles.append(
                _onnx_profile(files["onnx"], detector, pictures, examination, threads)
            )
        trials: list[Trial] = []
        if examination.proposals:
            proposals, untried = propose(detector.cfg.model, candidate.has_weights)
            proposals += _runtime_proposals(files)
            settings = TrialSettings(examination.size, examination.rounds, threads)
            trials, failed = run_trials(candidate, proposals, pictures, settings, files)
            notes += untried + failed
            if "onnx" in files:
                changed = ChangedFiles(detector, files, pictures, Path(folder), threads)
                changed.write_all()
                more, failed = run_trials(
                    candidate, changed.proposals, pictures, settings, changed.files
                )
                trials += more
                notes += changed.notes + failed
            else:
                notes.append(WITHOUT_FILES)
    return Diagnosis(
        candidate.label,
        detector.size,
        threads,
        examination.rounds,
        ceilings,
        tuple(profiles),
        tuple(trials),
        tuple(notes),
    )


def _runtime_proposals(files: Mapping[str, Path]) -> list[Proposal]:
    return [
        Proposal(
            f"run in {RUNTIMES[suffix]}",
            END_TO_END,
            KEEPS,
            runtime=suffix,
            accuracy="unchanged; the deploy card proves it",
        )
        for suffix in files
    ]


def _onnx_profile(
    path: Path,
    detector: EagerDetector,
    pictures: list[np.ndarray],
    examination: Examination,
    threads: int,
) -> Profile:
    candidate = Candidate("onnx", str(path))
    description = open_exported(path, threads).description
    image, _ = input_for(candidate, description, pictures[:1], None)
    found = profile_onnx(
        path, image, examination.rounds, threads, module_labels(detector.model)
    )
    return replace(found, note=f"{found.note} The network with decoding, no NMS.")
