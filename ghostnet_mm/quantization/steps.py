"""One file of one runtime, measured."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from ..configuration.console import tell
from ..export.card.accuracy import coco_scores
from ..export.card.deploy_card import MAIN_METRICS, Latency
from ..export.card.format_measuring import megabytes
from ..export.exported_detector import ExportedDetector
from ..export.model_files import model_files
from ..measuring.latency import Gain, alternating_times
from .output_error import OutputError, Outputs, output_error
from .request import QuantizationRequest

SETTLING_CALLS = 1


@dataclass(frozen=True)
class Step:
    """One file of one runtime, measured.

    Attributes:
        runtime: Its name.
        name: What was done, such as ``plain`` or ``equalized``.
        detail: Words on how.
        megabytes: Size of the file, weights included.
        metrics: COCO scores by name; empty where there are no labels.
        error: Against the network in float.
        float_layers: Names of the convolutions that stayed in float.
        latency: Of the network alone; ``None`` where not measured.
        times_faster: Than FP32 in the same runtime, round by round.
    """

    runtime: str
    name: str
    detail: str
    megabytes: float
    metrics: Mapping[str, float]
    error: OutputError
    float_layers: tuple[str, ...] = ()
    latency: Latency | None = None
    times_faster: Gain | None = None

    @property
    def title(self) -> str:
        """The name with the words on how."""
        return f"{self.name} ({self.detail})" if self.detail else self.name


@dataclass(frozen=True)
class StepMeasuring:
    """Measures files.

    Attributes:
        images: What the network is fed to compare outputs: ``(1, 3, H, W)`` float32.
        expected: What the network in float answers.
        request: With which pictures and threads, and how often.
    """

    images: Sequence[np.ndarray]
    expected: Sequence[Outputs]
    request: QuantizationRequest

    def open(self, path: Path, precision: str | None = None) -> ExportedDetector:
        """Open a file with the threads that are asked for."""
        return ExportedDetector(path, self.request.threads, precision)

    def step(
        self,
        runtime: str,
        name: str,
        opened: ExportedDetector,
        float_layers: frozenset[str] = frozenset(),
        detail: str = "",
    ) -> Step:
        """Measure all of a file but its latency."""
        actual = [opened.model.run(image) for image in self.images]
        metrics: Mapping[str, float] = {}
        if self.request.labelled is not None:
            metrics = coco_scores(self.request.labelled, opened.detect)
        error = output_error(self.expected, actual)
        told = "".join(f", {k} {metrics[k]:.3f}" for k in MAIN_METRICS if k in metrics)
        tell(f"{runtime}, {name}: output error {error.total:.4f}{told}")
        size = megabytes(model_files(opened.model.path))
        layers = tuple(sorted(float_layers))
        return Step(runtime, name, detail, size, metrics, error, layers)

    def times(self, files: Mapping[str, ExportedDetector]) -> dict[str, list[float]]:
        """Time networks in turns: milliseconds by name."""
        passes = {
            name: partial(opened.model.run, self.images[0])
            for name, opened in files.items()
        }
        return alternating_times(passes, self.request.rounds, settling=SETTLING_CALLS)
