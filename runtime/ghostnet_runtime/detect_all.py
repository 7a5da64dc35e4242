"""Detects on a source and writes what was found."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np

from .detection_json import picture_entry
from .detector import Detector
from .drawing import draw_detections
from .picture_results import write_results
from .picture_sources import Picture


def detect_all(
    detector: Detector,
    source: str,
    out_dir: str | os.PathLike,
    score_threshold: float = 0.3,
    max_frames: int | None = None,
    show: bool = False,
) -> Path:
    """Detect on a source, and write annotated pictures or a video, and one JSON file.

    Args:
        detector: The detector.
        source: An image, a folder, a video file, or a camera's index.
        out_dir: Where to write; see `write_results`.
        score_threshold: Detections with a lower score are left out.
        max_frames: Stop after so many pictures.
        show: Also show a video or a camera in a window, until ``q`` is pressed.

    Returns:
        The JSON file: a list with an entry of `picture_entry` for each picture.

    Raises:
        OptionError: There is no display, or ``out_dir`` cannot be written.
        DataError: The source, or one of its pictures, cannot be read.
    """
    names = detector.classes

    def detect(picture: Picture, folder: Path) -> tuple[dict[str, Any], np.ndarray]:
        found = detector(picture.pixels)
        drawn = draw_detections(
            picture.pixels,
            found.boxes,
            found.labels,
            found.scores,
            names,
            score_threshold,
            found.masks,
        )
        return picture_entry(picture, found, names, score_threshold), drawn

    return write_results(detect, source, out_dir, max_frames, show)
