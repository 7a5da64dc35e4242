"""How every detector is called, whatever computes its boxes."""

from __future__ import annotations

import os
import sys
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, Generic, TypeVar, overload

import numpy as np

from .errors import DataError, OptionError
from .picture_inputs import PictureInMemory, PicturePath, pixels_of
from .picture_loop import for_each_picture, nothing_done, tell_missing
from .picture_reading import read_picture
from .picture_results import Finding, Results, detect_all
from .picture_sources import (
    ImageFiles,
    MissingPicture,
    Picture,
    Source,
    is_film,
    open_source,
)
from .slicing import sliced
from .status_line import tell
from .tracking import Tracker, tracker_for

Found = TypeVar("Found", bound=Finding)
AnyPicture = PictureInMemory | PicturePath
Detect = Callable[[np.ndarray], Any]  # what it gives is `Finding`
# From this score on a track begins, unless another is asked for.
TRACKED_SCORE = 0.3
UNKNOWN_SIDE = 640  # of a network that takes pictures in their own size


class PictureDetector(ABC, Generic[Found]):
    """Something that detects on pictures, films and cameras.

    What it finds in a picture says in ``source`` which one that is: its path, the
    number of a film's frame, or None for a picture from memory.
    """

    @abstractmethod
    def detect(self, pixels: np.ndarray) -> Found:
        """Detect on one picture, (H, W, 3) uint8 BGR."""

    @property
    def input_side(self) -> int:
        """The shorter side of the network's input in pixels: that of its slices."""
        return UNKNOWN_SIDE

    @overload
    def __call__(
        self, given: PictureInMemory, *, slice: bool | int | None = None
    ) -> Found: ...

    @overload
    def __call__(
        self,
        given: list[AnyPicture] | tuple[AnyPicture, ...],
        *,
        slice: bool | int | None = None,
    ) -> list[Found]: ...

    @overload
    def __call__(
        self, given: PicturePath, *, slice: bool | int | None = None
    ) -> Found | list[Found]: ...

    def __call__(
        self,
        given: AnyPicture | list[AnyPicture] | tuple[AnyPicture, ...],
        *,
        slice: bool | int | None = None,
    ) -> Found | list[Found]:
        """Detect on a picture, on several, or on all of a folder.

        Args:
            given: The path of a picture, or a picture from memory: see
                `picture_inputs.pixels_of` for arrays, PIL and tensors. A list of these,
                or a folder, for a list.
            slice: Detect in slices of the picture too, for small objects: their side
                in pixels, or True for the network's own; see `detect_in_slices`.

        Returns:
            What was found; for a list or a folder a list. A picture of a folder that
            cannot be read is left out, and named at the end.

        Raises:
            DataError: A picture cannot be read or is none; of a folder, all of them.
            OptionError: It is a film or a camera, which are for `stream`.
            KeyboardInterrupt: By Ctrl-C in a folder.
        """
        detect = sliced(self.detect, slice, self.input_side)
        if isinstance(given, list | tuple):
            return [
                _on_any(detect, picture, f"Picture {index} of the list: ")
                for index, picture in enumerate(given)
            ]
        if not isinstance(given, str | os.PathLike | int):
            found: Found = _in_memory(detect, given)
            return found
        source = str(given)
        if is_film(source):
            raise OptionError(
                f"{source} is a film or a camera: go through its frames with "
                f"stream({source!r})."
            )
        pictures = open_source(source)
        if os.path.isdir(os.path.expanduser(source)):
            return _all_of(detect, pictures)
        (picture,) = pictures
        only: Found = _on(detect, picture, pictures)
        return only

    def stream(
        self,
        source: PicturePath | int | Iterable[AnyPicture],
        max_frames: int | None = None,
        *,
        score_threshold: float | None = None,
        track: bool = False,
        slice: bool | int | None = None,
    ) -> Iterator[Found]:
        """Detect on one picture after another; nothing is kept.

        What cannot be read is left out, and named at the end.

        Args:
            source: A picture, a folder, a film, or a camera's index; or pictures one by
                one, as `__call__` takes them.
            max_frames: Stop after so many pictures.
            score_threshold: Leave out detections with a lower score; with ``track`` the
                default is 0.3.
            track: Give the objects of a film, or of frames one by one, ids that they
                keep: ``data["tracker_id"]``, see `Tracker`.
            slice: As of `__call__`.

        Returns:
            What was found in each. A film's frames come with their ``pixels``.

        Raises:
            DataError: The source cannot be read, or not one of its pictures.
            OptionError: ``max_frames`` is below 1, or there is no film to track in.
        """
        if max_frames is not None and max_frames < 1:
            raise OptionError(f"max_frames is {max_frames}; give 1 or more, or none.")
        detect = sliced(self.detect, slice, self.input_side)
        is_named = isinstance(source, str | os.PathLike | int)
        pictures = open_source(str(source)) if is_named else None
        if track:
            threshold = TRACKED_SCORE if score_threshold is None else score_threshold
            detect = _tracked(detect, tracker_for(pictures, threshold))
        elif score_threshold is not None:
            detect = _above(detect, score_threshold)
        if pictures is not None:
            return _through(detect, pictures, max_frames)
        assert not isinstance(source, str | os.PathLike | int)
        return _through_iterable(detect, source, max_frames)

    def detect_all(
        self,
        input: PicturePath | int,
        out: PicturePath = "detections",
        *,
        score_threshold: float = 0.3,
        max_frames: int | None = None,
        show: bool = False,
        track: bool = False,
        slice: bool | int | None = None,
    ) -> Results:
        """Detect on a source and write what the command writes.

        Annotated pictures (or a film) and ``detections.json``, as they are made.

        Args:
            input: An image, a folder, a film, or a camera's index.
            out: Where to write.
            score_threshold: Detections with a lower score are left out.
            max_frames: Stop after so many pictures.
            show: Also show a film or a camera in a window, until ``q`` is pressed.
            track: Give the objects of a film ids that they keep.
            slice: As of `__call__`.

        Returns:
            The JSON file and what is missing.

        Raises:
            DataError: The source cannot be read, or not one of its pictures.
            OptionError: There is no display, or ``out`` cannot be written.
            KeyboardInterrupt: By Ctrl-C in a folder.
        """
        return detect_all(
            sliced(self.detect, slice, self.input_side),
            str(input),
            out,
            score_threshold,
            max_frames,
            show,
            track=track,
        )


def _tracked(detect: Detect, tracker: Tracker) -> Detect:
    return lambda pixels: tracker.update(detect(pixels).above(tracker.least_score))


def _above(detect: Detect, score: float) -> Detect:
    return lambda pixels: detect(pixels).above(score)


def _in_memory(detect: Detect, given: PictureInMemory) -> Any:
    pixels = pixels_of(given)
    return detect(pixels).seen_in(None, pixels)


def _on_any(detect: Detect, given: AnyPicture, place: str) -> Any:
    if not isinstance(given, str | os.PathLike):
        try:
            return _in_memory(detect, given)
        except DataError as error:
            raise DataError(f"{place}{error}") from error
    path = Path(given).expanduser()
    return detect(read_picture(path)[0]).seen_in(str(path), None)


def _on(detect: Detect, picture: Picture, pictures: Source) -> Any:
    found = detect(picture.pixels)
    if isinstance(pictures, ImageFiles):
        # The file is there to be read again, should somebody want to see it.
        return found.seen_in(str(pictures.root / str(picture.name)), None)
    return found.seen_in(picture.name, picture.pixels)


def _all_of(detect: Detect, pictures: Source) -> list[Any]:
    found: list[Any] = []

    def work(picture: Picture) -> bool:
        found.append(_on(detect, picture, pictures))
        return True

    report = for_each_picture(pictures, work)
    if report.interruption is not None:
        raise report.interruption
    return found


def _through(detect: Detect, pictures: Source, most: int | None) -> Iterator[Any]:
    done, attempted = 0, 0
    missing: list[MissingPicture] = []
    for item in pictures.attempts():
        if isinstance(item, Picture):
            try:
                found = _on(detect, item, pictures)
            except DataError as error:
                item = MissingPicture(item.name, str(error))
            else:
                yield found
                done += 1
        if isinstance(item, MissingPicture):
            missing.append(item)
        attempted += item.count if isinstance(item, MissingPicture) else 1
        if most is not None and attempted >= most:
            break
    if missing and not done:
        raise nothing_done(pictures, missing)
    for remark in pictures.remarks:
        tell(remark)
    tell_missing(pictures, missing)


def _through_iterable(
    detect: Detect, pictures: Iterable[AnyPicture], most: int | None
) -> Iterator[Any]:
    for index, picture in enumerate(pictures):
        if most is not None and index >= most:
            return
        try:
            found = _on_any(detect, picture, f"Picture {index}: ")
        except DataError as error:
            tell(f"left out: {error}", sys.stderr)
            continue
        yield found
