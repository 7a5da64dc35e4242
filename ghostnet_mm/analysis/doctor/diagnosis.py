"""The examination of one detector: where its time goes, and what would save some."""

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

from ...configuration.console import tell
from ...errors import OptionError, UserError
from ..benchmarking.candidates import Candidate
from ..benchmarking.eager import EagerDetector, load_eager
from ..benchmarking.exported import input_for
from ..benchmarking.settings import END_TO_END
from ..latency import torch_threads
from .ceilings import Ceilings, measure_ceilings
from .eager_profile import profile_eager
from .onnx_profile import profile_onnx
from .part_labels import module_labels
from .profile_tables import Profile
from .proposals import KEEPS, Proposal, propose
from .trials import Trial, TrialSettings, run_trials

RUNTIMES = {"onnx": "ONNX Runtime", "xml": "OpenVINO"}


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
            "Random weights: decode and NMS meet scores that a trained detector does "
            "not give; pass a checkpoint for their true share."
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
            files = _export(detector, Path(folder), notes)
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


def _export(detector: EagerDetector, folder: Path, notes: list[str]) -> dict[str, Path]:
    """Write the formats that can be written here, by suffix; say of others why not."""
    files: dict[str, Path] = {}
    try:
        from ...deployment.description import describe
        from ...deployment.detection_graph import DetectionGraph
        from ...deployment.onnx_export import export_onnx

        graph = DetectionGraph(detector.model)
        names = [str(one) for one in range(_class_count(detector.model))]
        description = describe(detector.cfg, graph, names)
        files["onnx"] = folder / "model.onnx"
        export_onnx(graph, description, files["onnx"])
    except UserError as error:
        files.clear()
        notes.append(f"ONNX Runtime: not tried. {error}")
        return files
    try:
        from ...deployment.openvino_export import openvino_from_onnx

        openvino_from_onnx(files["onnx"], folder / "model.xml")
        files["xml"] = folder / "model.xml"
    except UserError as error:
        notes.append(f"OpenVINO: not tried. {error}")
    return files


def _class_count(model: torch.nn.Module) -> int:
    head = getattr(model, "bbox_head", None) or model.roi_head.bbox_head
    return head.num_classes


def _onnx_profile(
    path: Path,
    detector: EagerDetector,
    pictures: list[np.ndarray],
    examination: Examination,
    threads: int,
) -> Profile:
    from ...deployment.onnx_export import read_description

    candidate = Candidate("onnx", str(path))
    image, _ = input_for(candidate, read_description(path), pictures[:1], None)
    found = profile_onnx(
        path, image, examination.rounds, threads, module_labels(detector.model)
    )
    return replace(found, note=f"{found.note} The network with decoding, no NMS.")
