"""How every detector is called, whatever computes its boxes."""

from __future__ import annotations

import os
import sys
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Generic, TypeVar, overload

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
from .status_line import tell

Found = TypeVar("Found", bound=Finding)
AnyPicture = PictureInMemory | PicturePath


class PictureDetector(ABC, Generic[Found]):
    """Something that detects on pictures, films and cameras.

    What it finds in a picture says in ``source`` which one that is: its path, the
    number of a film's frame, or None for a picture from memory.
    """

    @abstractmethod
    def detect(self, pixels: np.ndarray) -> Found:
        """Detect on one picture, (H, W, 3) uint8 BGR."""

    @overload
    def __call__(self, given: PictureInMemory) -> Found: ...

    @overload
    def __call__(
        self, given: list[AnyPicture] | tuple[AnyPicture, ...]
    ) -> list[Found]: ...

    @overload
    def __call__(self, given: PicturePath) -> Found | list[Found]: ...

    def __call__(
        self, given: AnyPicture | list[AnyPicture] | tuple[AnyPicture, ...]
    ) -> Found | list[Found]:
        """Detect on a picture, on several, or on all of a folder.

        Args:
            given: The path of a picture, or a picture from memory: see
                `picture_inputs.pixels_of` for arrays, PIL and tensors. A list of these,
                or a folder, for a list.

        Returns:
            What was found; for a list or a folder a list. A picture of a folder that
            cannot be read is left out, and named at the end.

        Raises:
            DataError: A picture cannot be read or is none; of a folder, all of them.
            OptionError: It is a film or a camera, which are for `stream`.
            KeyboardInterrupt: By Ctrl-C in a folder.
        """
        if isinstance(given, list | tuple):
            return [
                self._on_any(picture, f"Picture {index} of the list: ")
                for index, picture in enumerate(given)
            ]
        if not isinstance(given, str | os.PathLike | int):
            return self._in_memory(given)
        source = str(given)
        if is_film(source):
            raise OptionError(
                f"{source} is a film or a camera: go through its frames with "
                f"stream({source!r})."
            )
        pictures = open_source(source)
        if os.path.isdir(os.path.expanduser(source)):
            return self._all_of(pictures)
        (picture,) = pictures
        return self._on(picture, pictures)

    def stream(
        self,
        source: PicturePath | int | Iterable[AnyPicture],
        max_frames: int | None = None,
    ) -> Iterator[Found]:
        """Detect on one picture after another; nothing is kept.

        What cannot be read is left out, and named at the end.

        Args:
            source: A picture, a folder, a film, or a camera's index; or pictures one by
                one, as `__call__` takes them.
            max_frames: Stop after so many pictures.

        Returns:
            What was found in each. A film's frames come with their ``pixels``.

        Raises:
            DataError: The source cannot be read, or not one of its pictures.
            OptionError: ``max_frames`` is below 1.
        """
        if max_frames is not None and max_frames < 1:
            raise OptionError(f"max_frames is {max_frames}; give 1 or more, or none.")
        if isinstance(source, str | os.PathLike | int):
            return self._through(open_source(str(source)), max_frames)
        return self._through_iterable(source, max_frames)

    def detect_all(
        self,
        input: PicturePath | int,
        out: PicturePath = "detections",
        *,
        score_threshold: float = 0.3,
        max_frames: int | None = None,
        show: bool = False,
    ) -> Results:
        """Detect on a source and write what the command writes.

        Annotated pictures (or a film) and ``detections.json``, as they are made.

        Args:
            input: An image, a folder, a film, or a camera's index.
            out: Where to write.
            score_threshold: Detections with a lower score are left out.
            max_frames: Stop after so many pictures.
            show: Also show a film or a camera in a window, until ``q`` is pressed.

        Returns:
            The JSON file and what is missing.

        Raises:
            DataError: The source cannot be read, or not one of its pictures.
            OptionError: There is no display, or ``out`` cannot be written.
            KeyboardInterrupt: By Ctrl-C in a folder.
        """
        return detect_all(
            self.detect, str(input), out, score_threshold, max_frames, show
        )

    def _in_memory(self, given: PictureInMemory) -> Found:
        pixels = pixels_of(given)
        return self.detect(pixels).seen_in(None, pixels)

    def _on_any(self, given: AnyPicture, place: str) -> Found:
        if not isinstance(given, str | os.PathLike):
            try:
                return self._in_memory(given)
            except DataError as error:
                raise DataError(f"{place}{error}") from error
        path = Path(given).expanduser()
        return self.detect(read_picture(path)[0]).seen_in(str(path), None)

    def _on(self, picture: Picture, pictures: Source) -> Found:
        found = self.detect(picture.pixels)
        if isinstance(pictures, ImageFiles):
            # The file is there to be read again, should somebody want to see it.
            return found.seen_in(str(pictures.root / str(picture.name)), None)
        return found.seen_in(picture.name, picture.pixels)

    def _all_of(self, pictures: Source) -> list[Found]:
        found: list[Found] = []

        def work(picture: Picture) -> bool:
            found.append(self._on(picture, pictures))
            return True

        report = for_each_picture(pictures, work)
        if report.interruption is not None:
            raise report.interruption
        return found

    def _through(self, pictures: Source, most: int | None) -> Iterator[Found]:
        done, attempted = 0, 0
        missing: list[MissingPicture] = []
        for item in pictures.attempts():
            if isinstance(item, Picture):
                try:
                    found = self._on(item, pictures)
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
        self, pictures: Iterable[AnyPicture], most: int | None
    ) -> Iterator[Found]:
        for index, picture in enumerate(pictures):
            if most is not None and index >= most:
                return
            try:
                found = self._on_any(picture, f"Picture {index}: ")
            except DataError as error:
                tell(f"left out: {error}", sys.stderr)
                continue
            yield found
