"""Detects on a source, and writes annotated pictures and one JSON file as it goes."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Protocol

import cv2
import numpy as np

from .atomic_writing import GrowingList, check_folder
from .errors import OptionError
from .picture_loop import LoopReport, Terminated, for_each_picture
from .picture_sources import (
    MissingPicture,
    Picture,
    Source,
    VideoFrames,
    open_source,
    refuse_overwriting,
)
from .picture_writing import FilmWriter, write_picture
from .status_line import tell
from .tracking import tracker_for

if TYPE_CHECKING:
    from typing_extensions import Self  # of typing from Python 3.11 on

RESULTS_NAME = "detections.json"
WINDOW = "ghostnet-detect (q ends)"


class Finding(Protocol):
    """What a model finds in a picture: `Detections`, or a panoptic map."""

    def above(self, score: float) -> Self:
        """Return what has this score or a higher one."""

    def plot(
        self, picture: np.ndarray | None = None, with_scores: bool = True
    ) -> np.ndarray:
        """Draw it on a copy of the picture, (H, W, 3) uint8 BGR."""

    def to_json(self) -> dict[str, list[dict[str, object]]]:
        """Return a list of ``detections`` or of ``segments``."""

    def seen_in(self, source: str | int | None, pixels: np.ndarray | None) -> Self:
        """Return the same with the picture it was found in."""


Detect = Callable[[np.ndarray], Finding]
Keep = Callable[[Finding, Path], object]


@dataclass(frozen=True)
class Results:
    """What was written.

    Attributes:
        path: The JSON file.
        pictures: Number of pictures that were looked at.
        missing: Those that could not be.
    """

    path: Path
    pictures: int
    missing: tuple[MissingPicture, ...]


def detect_all(
    detect: Detect,
    source: str,
    out_dir: str | os.PathLike[str],
    score_threshold: float = 0.3,
    max_frames: int | None = None,
    show: bool = False,
    keep: Keep | None = None,
    track: bool = False,
) -> Results:
    """Detect on a source, and write annotated pictures or a video, and one JSON file.

    Everything is written as it is made: what is finished stays, whatever comes after.
    A picture that cannot be read is missing, and named at the end and in the JSON file.
    Ctrl-C ends a video or a camera early.

    Args:
        detect: A detector: takes a picture, (H, W, 3) uint8 BGR.
        source: An image, a folder, a video file, or a camera's index.
        out_dir: Where to write.
        score_threshold: Detections with a lower score are left out.
        max_frames: Stop after so many pictures.
        show: Also show a video or a camera in a window, until ``q`` is pressed.
        keep: Writes a further file; takes what was found and where the picture goes.
        track: Give the objects of a film ids, see `Tracker`.

    Returns:
        The JSON file and what is missing. The file is a list with an entry for each
        picture: ``image`` or ``frame``, ``width``, ``height`` and what
        `Finding.to_json` gives; or, for a missing one, ``error`` (and, for several
        frames in a row, their number ``frames``).

    Raises:
        OptionError: There is no display, ``out_dir`` cannot be written, or there is no
            film to track in.
        DataError: The source cannot be read, or not one of its pictures.
        KeyboardInterrupt: By Ctrl-C in a folder, or when asked to end.
    """
    if show:
        check_display()
    pictures = open_source(source)
    is_film = isinstance(pictures, VideoFrames)
    if show and not is_film:
        raise OptionError("--show is for a camera or a video; look into --out.")
    tracker = tracker_for(pictures, score_threshold) if track else None
    folder = Path(out_dir).expanduser()
    check_folder(folder)
    refuse_overwriting(folder, pictures)
    results = _Results(folder, pictures, show)

    def work(picture: Picture) -> bool:
        found = detect(picture.pixels)
        if tracker is None:
            found = found.above(score_threshold)
        else:
            found = tracker.update(found.above(tracker.least_score))
        if keep is not None:
            keep(found, folder / picture.file_name)
        return results.add(picture, found)

    with results:
        report = for_each_picture(pictures, work, results.miss, max_frames)
    _tell_result(results, report)
    stopped = report.interruption
    if stopped is not None and (not is_film or isinstance(stopped, Terminated)):
        raise stopped
    return Results(results.path, report.done, tuple(report.missing))


def check_display() -> None:
    """Make sure that a window can be opened.

    Raises:
        OptionError: There is no display, or OpenCV was built without windows.
    """
    if sys.platform.startswith("linux"):
        if not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
            raise OptionError("--show needs a display and there is none; leave it out.")
    try:
        cv2.namedWindow(WINDOW)
    except cv2.error as error:
        raise OptionError(
            "--show needs OpenCV with windows; install opencv-python in place of "
            "opencv-python-headless."
        ) from error


class _Results:
    """Writes what was found, picture by picture."""

    def __init__(self, folder: Path, pictures: Source, show: bool):
        self.path = folder / RESULTS_NAME
        self.pictures = self.count = 0
        self.kind = "detections"
        self._folder, self._show = folder, show
        self._list = GrowingList(self.path)
        self._film = None
        if isinstance(pictures, VideoFrames):
            self._film = FilmWriter(folder / f"{pictures.stem}.mp4", pictures.rate)
        # Nothing is written before there is something to tell.
        self._waiting: list[dict[str, object]] = []
        self._stack = ExitStack()

    def add(self, picture: Picture, found: Finding) -> bool:
        """Write a picture; return whether the person who looks on wants more."""
        height, width = picture.pixels.shape[:2]
        parts = found.to_json()
        entry = {**_key(picture), "width": width, "height": height, **parts}
        drawn = found.plot(picture.pixels)
        with self._telling():
            if self._film is not None:
                self._film.write(drawn)
            else:
                write_picture(self._folder / picture.file_name, drawn)
            for missing in self._waiting:
                self._list.append(missing)
            self._waiting.clear()
            self._list.append(entry)
        self.pictures += 1
        for self.kind, items in parts.items():
            self.count += len(items)
        return not (self._show and _is_ended(drawn))

    def miss(self, missing: MissingPicture) -> None:
        """Write that a picture is missing."""
        entry: dict[str, object] = {**_key(missing), "error": missing.reason}
        if missing.count > 1:
            entry["frames"] = missing.count
        if not self.pictures:
            self._waiting.append(entry)
            return
        with self._telling():
            self._list.append(entry)

    def __enter__(self) -> _Results:
        self._stack.enter_context(self._list)
        if self._film is not None:
            self._stack.enter_context(self._film)
        if self._show:
            self._stack.callback(cv2.destroyAllWindows)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        with self._telling():
            self._stack.__exit__(kind, error, traceback)

    @contextmanager
    def _telling(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise OptionError(
                f"The output {self._folder} cannot be written "
                f"({error.strerror or error}); the results of {self.pictures} pictures "
                f"are there."
            ) from error


def _key(picture: Picture | MissingPicture) -> dict[str, str | int]:
    return {"frame" if isinstance(picture.name, int) else "image": picture.name}


def _is_ended(drawn: np.ndarray) -> bool:
    cv2.imshow(WINDOW, drawn)
    return cv2.waitKey(1) & 0xFF == ord("q")


def _tell_result(results: _Results, report: LoopReport) -> None:
    if not report.done:
        return
    if report.interruption is not None:
        tell("ended early; what was done until then is kept")
    tell(
        f"{results.count} {results.kind} on {report.done} pictures, {report.rate:.1f} "
        f"images/s (reading and drawing included): {results.path}"
    )
