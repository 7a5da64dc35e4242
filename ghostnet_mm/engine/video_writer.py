"""Writes pictures as a film."""

from pathlib import Path

import cv2
import numpy as np

from ..errors import OptionError
from .image_sources import ImageFiles, VideoFrames


class VideoWriter:
    """Writes frames as MP4; the size is that of the first frame."""

    def __init__(self, folder: Path, source: ImageFiles | VideoFrames):
        stem = f"camera{source.source}"
        if isinstance(source.source, Path):
            stem = source.source.stem
        self._path = str(folder / f"{stem}.mp4")
        self._rate = source.rate
        self._writer: cv2.VideoWriter | None = None

    def write(self, frame: np.ndarray) -> None:
        """Add a picture (H, W, 3) uint8 BGR."""
        if self._writer is None:
            height, width = frame.shape[:2]
            code = cv2.VideoWriter_fourcc(*"mp4v")
            self._writer = cv2.VideoWriter(
                self._path, code, self._rate, (width, height)
            )
            if not self._writer.isOpened():
                raise OptionError(
                    "This OpenCV cannot write MP4 video; install opencv-python from "
                    "PyPI, or give single pictures."
                )
        self._writer.write(frame)

    def release(self) -> None:
        """Finish the file."""
        if self._writer is not None:
            self._writer.release()
