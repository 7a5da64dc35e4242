"""An exported file as a detector: picture in, boxes out, whatever the format."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from types import ModuleType
from typing import TYPE_CHECKING

import numpy as np

from ..errors import OptionError
from ..evaluation.shown_objects import Boxes
from .exported_models import ExportedModel, open_exported

if TYPE_CHECKING:
    from ghostnet_runtime import Detector as RuntimeDetector


class ExportedDetector:
    """Runs an exported file with the selection rules of ``ghostnet_runtime``.

    The runtime package opens ONNX, OpenVINO and ncnn itself; here any format's file
    stands behind the same pre- and postprocessing, so that formats differ in the
    network alone.

    Args:
        path: The file.
        threads: Of its runtime, by default as many as it chooses.

    Attributes:
        model: The open file.

    Raises:
        OptionError: The file cannot be opened, or ``ghostnet_runtime`` is not
            installed.
    """

    def __init__(self, path: str | os.PathLike, threads: int | None = None):
        self.model = open_exported(path, threads)
        self._detector = runtime_detector(self.model)

    def detect(self, pixels: np.ndarray) -> Boxes:
        """Detect on one picture, (H, W, 3) uint8 BGR; boxes are in its pixels."""
        found = self._detector(pixels)
        return Boxes(found.boxes, found.labels, found.scores, found.masks)

    def network_input(self, pixels: np.ndarray) -> np.ndarray:
        """Return what the network is fed for a picture, with the batch dimension."""
        return self._detector.preprocess(pixels)[0]


class _Backend:
    """An open file as ``ghostnet_runtime`` wants its backends."""

    def __init__(self, model: ExportedModel):
        entry = model.description["input"]
        sizes = entry.get("image_sizes")
        self.inputs: Sequence[str] = [entry["name"], *([sizes] if sizes else [])]
        self.description = json.dumps(model.description)
        self._model = model

    def run(
        self, inputs: Mapping[str, np.ndarray], names: Sequence[str]
    ) -> dict[str, np.ndarray]:
        """Compute the outputs ``names``."""
        outputs = self._model.call(inputs)
        return {name: outputs[name] for name in names}


def runtime_detector(model: ExportedModel) -> RuntimeDetector:
    """Return a ``ghostnet_runtime.Detector`` that runs an open file.

    Raises:
        OptionError: ``ghostnet_runtime`` is not installed.
    """
    runtime = require_runtime()
    try:
        return runtime.Detector.of_backend(_Backend(model))
    except runtime.UserError as error:
        # Such as a rule that an older ghostnet_runtime does not know.
        raise OptionError(str(error)) from error


def require_runtime() -> ModuleType:
    """Import ``ghostnet_runtime``.

    Raises:
        OptionError: It is not installed.
    """
    try:
        import ghostnet_runtime
    except ModuleNotFoundError as error:
        raise OptionError(
            f"{error.name} is not installed, which runs exported detectors: in the "
            f"project's folder, pip install ./runtime."
        ) from error
    return ghostnet_runtime
