"""Writes annotated pictures, singly or as a film."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from types import TracebackType

import cv2
import numpy as np

from .atomic_writing import finished_file
from .errors import DataError, OptionError
from .picture_reading import opencv_silent

# In what an annotated picture keeps its colors; others become JPEG.
WRITTEN_SUFFIXES = {".bmp", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp"}


def write_picture(path: Path, pixels: np.ndarray) -> Path:
    """Write a picture, and the folders above it.

    Args:
        path: The file; one that no common viewer shows, or with less than 8 bits, gets
            ``.jpg`` added to its name.
        pixels: (H, W, 3) or (H, W), uint8 or uint16, BGR.

    Returns:
        The file that was written.

    Raises:
        DataError: The format does not hold such a picture.
        OSError: It cannot be written.
    """
    if path.suffix.lower() not in WRITTEN_SUFFIXES:
        path = path.with_name(f"{path.name}.jpg")
    try:
        fits, content = cv2.imencode(path.suffix, pixels)
    except cv2.error:
        fits = False
    if not fits:
        raise DataError(
            f"A picture of {pixels.shape[1]}x{pixels.shape[0]} pixels cannot be "
            f"written as {path.name}; convert it to PNG."
        )
    with finished_file(path, durable=False) as scratch:
        scratch.write_bytes(content.tobytes())
    return path


class FilmWriter:
    """Writes frames as MP4 of the first one's size; it appears at the end.

    Args:
        path: The file.
        rate: Frames per second.
    """

    def __init__(self, path: Path, rate: float):
        self._path, self._rate = path, rate
        self._stack = ExitStack()
        self._scratch: Path | None = None
        self._writer: cv2.VideoWriter | None = None
        self._count = 0

    def write(self, frame: np.ndarray) -> None:
        """Add a picture (H, W, 3) uint8 BGR.

        Raises:
            OptionError: This OpenCV writes no MP4.
            OSError: The folder cannot be written to.
        """
        if self._writer is None:
            self._writer = self._open(frame.shape[1], frame.shape[0])
        with opencv_silent():  # a full disk is told once, at the end
            self._writer.write(frame)
        self._count += 1

    def _open(self, width: int, height: int) -> cv2.VideoWriter:
        self._scratch = self._stack.enter_context(finished_file(self._path))
        code = cv2.VideoWriter.fourcc(*"mp4v")
        size = (width, height)
        writer = cv2.VideoWriter(str(self._scratch), code, self._rate, size)
        if not writer.isOpened():
            raise OptionError(
                "This OpenCV cannot write MP4 video; install opencv-python from PyPI, "
                "or give single pictures."
            )
        return writer

    def __enter__(self) -> FilmWriter:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Finish the film; after an error too, for what was written is good.

        Raises:
            OptionError: It cannot be written in full.
        """
        if self._writer is None:
            self._stack.__exit__(kind, error, traceback)
            return
        with opencv_silent():
            self._writer.release()
            is_whole = _frames(self._scratch) >= self._count
        with self._stack:
            if not is_whole:
                raise OptionError(
                    f"The film {self._path} cannot be written in full; make room on "
                    f"the disk. All frames until then are in the JSON file."
                )


def _frames(path: Path | None) -> int:
    """Return how many frames a finished film says that it has."""
    film = cv2.VideoCapture(str(path))
    try:
        return int(film.get(cv2.CAP_PROP_FRAME_COUNT))
    finally:
        film.release()
