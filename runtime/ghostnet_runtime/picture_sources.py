"""Pictures from a file, a folder, a video or a camera."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from .errors import DataError, OptionError
from .picture_reading import is_picture, opencv_silent, read_picture

# Read once by OpenCV's part that calls FFmpeg, which would tell its own story about a
# damaged film.
os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")

VIDEO_SUFFIXES = {
    *(".3gp", ".avi", ".flv", ".m2ts", ".m4v", ".mkv", ".mov", ".mp4", ".mpeg"),
    *(".mpg", ".mts", ".ogv", ".ts", ".webm", ".wmv"),
}
UNKNOWN_RATE = 25.0
# So many frames in a row that cannot be decoded are the end.
MOST_LOST = 10_000


@dataclass(frozen=True)
class Picture:
    """One picture of a source.

    Attributes:
        name: File name relative to the source, or the number of a video's frame.
        pixels: (H, W, 3) uint8 BGR.
        note: What was done to it that the user should know, or empty.
    """

    name: str | int
    pixels: np.ndarray
    note: str = ""

    @property
    def file_name(self) -> str:
        """Of files that belong to the picture."""
        return f"frame_{self.name:06d}" if isinstance(self.name, int) else self.name


@dataclass(frozen=True)
class MissingPicture:
    """A picture, or some frames of a video, that could not be looked at.

    Attributes:
        name: As of a `Picture`; of several frames that of the first.
        reason: A sentence.
        count: Number of frames.
    """

    name: str | int
    reason: str
    count: int = 1


class ImageFiles:
    """An image, or every image below a folder; dot files are passed over.

    Attributes:
        is_video: False.
        total: Number of images.
        remarks: What the user should know about the rest of the folder; sentences.
    """

    is_video = False

    def __init__(self, path: Path):
        self.root = path if path.is_dir() else path.parent
        self.remarks: list[str] = []
        self.files = [path]
        if path.is_dir():
            files = _files_below(path)
            self.files = [file for file in files if is_picture(file)]
            self._remark(sorted(set(files) - set(self.files)))
        self.total = len(self.files)
        if not self.files:
            raise DataError(
                f"The folder {path} holds no image that OpenCV reads; pass a folder of "
                f"pictures."
            )

    def _remark(self, others: list[Path]) -> None:
        if others:
            names = listed([str(file.relative_to(self.root)) for file in others])
            kind = "file is no picture" if len(others) == 1 else "files are no pictures"
            self.remarks.append(f"{len(others)} {kind}: {names}")

    def __iter__(self) -> Iterator[Picture]:
        """Read the images one by one.

        Raises:
            DataError: A file is not a readable image.
        """
        return (self._read(file) for file in self.files)

    def attempts(self) -> Iterator[Picture | MissingPicture]:
        """Read the images one by one, and go on past those that cannot be read."""
        for file in self.files:
            try:
                yield self._read(file)
            except DataError as error:
                yield MissingPicture(self._name(file), str(error))

    def _read(self, file: Path) -> Picture:
        return Picture(self._name(file), *read_picture(file))

    def _name(self, file: Path) -> str:
        return file.relative_to(self.root).as_posix()


class VideoFrames:
    """The frames of a video file or of a camera.

    Attributes:
        is_video: True.
        total: Number of frames as the file announces it, None for a camera.
        rate: Frames per second.
        remarks: What the user should know at the end; sentences.
    """

    is_video = True

    def __init__(self, source: Path | int):
        self.source = source
        self.remarks: list[str] = []
        is_camera = isinstance(source, int)
        self.name = f"camera {source}" if is_camera else f"video {source}"
        with opencv_silent():
            self._capture = cv2.VideoCapture(source if is_camera else str(source))
            count = int(self._capture.get(cv2.CAP_PROP_FRAME_COUNT))
            self.total = None if is_camera or count <= 0 else count
            self._lost = 0  # in a row, up to now
            self._frame = self._read()
            while self._frame is None and self._may_go_on(self._lost):
                self._lost += 1
                self._frame = self._read()
        if self._frame is None:
            advice = "check its index" if is_camera else "convert it to MP4 or AVI"
            raise DataError(f"The {self.name} cannot be read; {advice}.")
        self._told_rate = self._capture.get(cv2.CAP_PROP_FPS)
        self.rate = self._told_rate if 0 < self._told_rate < 1000 else UNKNOWN_RATE

    @property
    def stem(self) -> str:
        """Of a file that belongs to the film."""
        if isinstance(self.source, Path):
            return self.source.stem
        return f"camera{self.source}"

    def __iter__(self) -> Iterator[Picture]:
        """Read the frames one by one; those that cannot be decoded are left out."""
        return (item for item in self.attempts() if isinstance(item, Picture))

    def attempts(self) -> Iterator[Picture | MissingPicture]:
        """Read the frames one by one, and go on past those that cannot be decoded.

        A camera ends only when it is unplugged.
        """
        index, good = self._lost, 0
        frame, self._frame = self._frame, None
        seconds = 0.0
        try:
            while frame is not None or self._may_go_on(index):
                if frame is None:
                    self._lost += 1
                else:
                    if self._lost:
                        yield self._missing(index - self._lost, self._lost)
                    self._lost = 0
                    seconds = self._capture.get(cv2.CAP_PROP_POS_MSEC) / 1000
                    yield Picture(index, frame)
                    good += 1
                index += 1
                frame = self._read()
            if self._lost:
                yield from self._ending(index - self._lost, good, seconds)
        finally:
            self._capture.release()

    def _ending(
        self, index: int, good: int, seconds: float
    ) -> Iterator[MissingPicture]:
        """Tell damage from a number of frames that was only estimated."""
        assert self.total is not None
        announced = f"{self.name} announces {self.total} frames, and {good} could be "
        reached = seconds * self._told_rate + 1
        if reached >= self.total - max(1, self.total / 100):
            self.remarks.append(f"The {announced}read, up to its end.")
        else:
            reason = f"The {announced}read: it is damaged or cut off."
            yield MissingPicture(index, reason, self.total - index)

    def _missing(self, first: int, count: int) -> MissingPicture:
        frames = f"frame {first}" if count == 1 else f"{count} frames from {first} on"
        return MissingPicture(
            first, f"The {self.name} is damaged: {frames} cannot be decoded.", count
        )

    def _may_go_on(self, index: int) -> bool:
        """Say whether there are frames after one that cannot be decoded."""
        return self.total is not None and index < self.total and self._lost < MOST_LOST

    def _read(self) -> np.ndarray | None:
        read, frame = self._capture.read()
        return frame if read else None


Source = ImageFiles | VideoFrames


def is_film(source: str) -> bool:
    """Say whether a source is a video file or the index of a camera."""
    path = Path(os.path.expanduser(source))
    if not path.exists():
        return source.isdigit()
    return path.suffix.lower() in VIDEO_SUFFIXES and path.is_file()


def open_source(source: str) -> Source:
    """Open an image, a folder, a video file, or a camera given by its index.

    Raises:
        DataError: There is nothing of that name, or it cannot be read.
    """
    path = Path(os.path.expanduser(source))
    if is_film(source):
        return VideoFrames(path if path.exists() else int(source))
    if not path.exists():
        raise DataError(
            f"The input {source} does not exist; pass an image, a folder, a video or "
            f"the index of a camera."
        )
    if path.is_dir() or is_picture(path):
        return ImageFiles(path)
    raise DataError(
        f"{path} is neither an image that OpenCV reads nor a video "
        f"({', '.join(sorted(VIDEO_SUFFIXES))})."
    )


def refuse_overwriting(out_dir: str | os.PathLike[str], pictures: Source) -> None:
    """Refuse to write results in place of what they are made from.

    Raises:
        OptionError: A result would take the name of a picture or of the video.
    """
    folder = Path(out_dir).expanduser().resolve()
    if isinstance(pictures, VideoFrames):
        film = pictures.source
        if isinstance(film, Path) and film.resolve() == folder / f"{film.stem}.mp4":
            raise OptionError(
                f"--out {out_dir} is the folder of the video itself; name another."
            )
        return
    root = pictures.root.resolve()
    if not folder.is_relative_to(root):
        return
    names = [file.relative_to(pictures.root) for file in pictures.files]
    files = {root / name for name in names}
    if folder == root or any(folder / name in files for name in names):
        raise OptionError(
            f"--out {out_dir} is the folder of the pictures themselves; name another."
        )


def listed(names: list[str], most: int = 3) -> str:
    """Return the first names, and how many more there are.

    >>> listed(["a", "b", "c", "d", "e"])
    'a, b, c and 2 more'
    """
    more = len(names) - most
    return ", ".join(names[:most]) + (f" and {more} more" if more > 0 else "")


def _files_below(folder: Path) -> list[Path]:
    def is_hidden(file: Path) -> bool:
        # Such as macOS's ._a.jpg, which holds no picture.
        return any(part.startswith(".") for part in file.relative_to(folder).parts)

    return sorted(
        file for file in folder.rglob("*") if file.is_file() and not is_hidden(file)
    )
