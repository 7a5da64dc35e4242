"""An exported file as a detector: picture in, boxes out, whatever the format."""

from __future__ import annotations

import os

import numpy as np
from ghostnet_runtime import Detections, Detector

from .exported_models import open_exported


class ExportedDetector:
    """Runs an exported file as ``ghostnet_runtime`` does.

    The files of any format stand behind the same pre- and postprocessing, so that
    formats differ in the network alone.

    Args:
        path: The file.
        threads: Of its runtime, by default as many as it chooses.
        precision: See `open_exported`.

    Attributes:
        model: The open file.

    Raises:
        ModelError: The file cannot be opened.
        OptionError: Its runtime is not installed, or an argument is impossible.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        threads: int | None = None,
        precision: str | None = None,
    ):
        self.model = open_exported(path, threads, precision)
        self._detector = Detector.of_backend(self.model.backend)

    def detect(self, pixels: np.ndarray) -> Detections:
        """Detect on one picture, (H, W, 3) uint8 BGR; boxes are in its pixels."""
        return self._detector.detect(pixels)

    def network_input(self, pixels: np.ndarray) -> np.ndarray:
        """Return what the network is fed for a picture, with the batch dimension."""
        return self._detector.preprocess(pixels)[0]
