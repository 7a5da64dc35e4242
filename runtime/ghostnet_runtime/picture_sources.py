"""Pictures from a file, a folder, a video or a camera."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from .errors import DataError

# Read once by OpenCV's part that calls FFmpeg, which would tell its own story about a
# damaged film.
os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")

IMAGE_SUFFIXES = {".bmp", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp"}
VIDEO_SUFFIXES = {".avi", ".m4v", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg", ".webm"}
UNKNOWN_RATE = 25.0


@dataclass(frozen=True)
class Picture:
    """One picture of a source.

    Attributes:
        name: File name relative to the source, or the number of a video's frame.
        pixels: (H, W, 3) uint8 BGR.
    """

    name: str | int
    pixels: np.ndarray

    @property
    def file_name(self) -> str:
        """Of files that belong to the picture."""
        return f"frame_{self.name:06d}" if isinstance(self.name, int) else self.name


class ImageFiles:
    """An image, or every image below a folder.

    Attributes:
        is_video: False.
        total: Number of images.
    """

    is_video = False

    def __init__(self, path: Path):
        self.root = path if path.is_dir() else path.parent
        self.files = [path] if path.is_file() else _images_below(path)
        self.total = len(self.files)
        if not self.files:
            raise DataError(
                f"The folder {path} holds no image ({', '.join(sorted(IMAGE_SUFFIXES))}"
                f"); pass a folder of pictures."
            )

    def __iter__(self) -> Iterator[Picture]:
        """Read the images one by one.

        Raises:
            DataError: A file is not a readable image.
        """
        for file in self.files:
            yield Picture(str(file.relative_to(self.root)), read_image(file))


class VideoFrames:
    """The frames of a video file or of a camera.

    Attributes:
        is_video: True.
        total: Number of frames, None for a camera.
        rate: Frames per second.
    """

    is_video = True

    def __init__(self, source: Path | int):
        self.source = source
        is_camera = isinstance(source, int)
        self.name = f"camera {source}" if is_camera else f"video {source}"
        with _opencv_silent():
            self._capture = cv2.VideoCapture(source if is_camera else str(source))
            read, self._first = self._capture.read()
        if not read:
            advice = "check its index" if is_camera else "convert it to MP4 or AVI"
            raise DataError(f"The {self.name} cannot be read; {advice}.")
        count = int(self._capture.get(cv2.CAP_PROP_FRAME_COUNT))
        self.total = None if is_camera or count <= 0 else count
        rate = self._capture.get(cv2.CAP_PROP_FPS)
        self.rate = rate if 0 < rate < 1000 else UNKNOWN_RATE

    def __iter__(self) -> Iterator[Picture]:
        """Read the frames one by one; a camera's end only when it is unplugged."""
        frame, index = self._first, 0
        try:
            while frame is not None:
                yield Picture(index, frame)
                index += 1
                frame = self._capture.read()[1]
        finally:
            self._capture.release()


def open_source(source: str) -> ImageFiles | VideoFrames:
    """Open an image, a folder, a video file, or a camera given by its index.

    Raises:
        DataError: There is nothing of that name, or it cannot be read.
    """
    path = Path(os.path.expanduser(source))
    if not path.exists():
        if source.isdigit():
            return VideoFrames(int(source))
        raise DataError(
            f"The input {source} does not exist; pass an image, a folder, a video or "
            f"the index of a camera."
        )
    if path.is_dir() or path.suffix.lower() in IMAGE_SUFFIXES:
        return ImageFiles(path)
    if path.suffix.lower() in VIDEO_SUFFIXES:
        return VideoFrames(path)
    raise DataError(
        f"{path} is neither an image ({', '.join(sorted(IMAGE_SUFFIXES))}) nor a video "
        f"({', '.join(sorted(VIDEO_SUFFIXES))})."
    )


def read_image(path: Path) -> np.ndarray:
    """Read an image file as mmdet does, (H, W, 3) uint8 BGR, turned by its EXIF tag.

    Raises:
        DataError: The file is not a readable image.
    """
    try:
        content = np.fromfile(path, dtype=np.uint8)
    except OSError as error:
        raise DataError(
            f"The image {path} cannot be read: {error.strerror}."
        ) from error
    pixels = cv2.imdecode(content, cv2.IMREAD_COLOR) if content.size else None
    if pixels is None:
        raise DataError(
            f"The image {path} cannot be read: it is damaged or not an image; replace "
            f"or remove it."
        )
    return pixels


@contextmanager
def _opencv_silent() -> Iterator[None]:
    logging = cv2.utils.logging
    before = logging.getLogLevel()
    logging.setLogLevel(logging.LOG_LEVEL_SILENT)
    try:
        yield
    finally:
        logging.setLogLevel(before)


def _images_below(folder: Path) -> list[Path]:
    return sorted(
        file
        for file in folder.rglob("*")
        if file.suffix.lower() in IMAGE_SUFFIXES and file.is_file()
    )
