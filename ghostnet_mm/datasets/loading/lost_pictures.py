"""A picture that cannot be read in the middle of a run costs that picture, not the run.

Files vanish, disks fail, and a damaged file shows only when it is decoded. In training
another picture takes its place; in an evaluation a blank one does, and the picture is
taken out of the scores.
"""

from __future__ import annotations

import contextlib
import json
import os
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from ...errors import DataError
from ..annotations.findings import printable
from ..readers.picture_headers import read_pixels
from .deep_pictures import see_deep_pictures

MOST_IN_A_ROW = 200


class LostPictures:
    """The list of pictures that a run could not read, shared by all its processes.

    Args:
        file: A text file; one line per picture, added in one write.
    """

    def __init__(self, file: str | os.PathLike[str]):
        self._file = Path(file)

    def add(self, picture: int, path: str, reason: str) -> None:
        """Note a picture by its id and path; a full disk loses the note alone."""
        line = json.dumps([picture, path, reason]) + "\n"
        with contextlib.suppress(OSError), self._file.open("ab") as file:
            file.write(line.encode("ascii"))

    def all(self) -> dict[tuple[int, str], str]:
        """Return the reasons by id and path."""
        found = {}
        with contextlib.suppress(OSError):
            for line in self._file.read_text(encoding="ascii").splitlines():
                # Another process may be in the middle of its line.
                with contextlib.suppress(ValueError):
                    picture, path, reason = json.loads(line)
                    found[picture, path] = reason
        return found


class SparingPipeline:
    """A dataset's pipeline that survives pictures that cannot be read.

    Args:
        pipeline: The pipeline itself.
        lost: Where lost pictures are noted.
        blank: Whether a blank picture takes a lost one's place; otherwise the dataset
            is told to take another.
    """

    def __init__(
        self, pipeline: Callable[[dict], Any], lost: LostPictures, blank: bool
    ):
        self.pipeline = pipeline
        self._lost = lost
        self._blank = blank
        self._in_a_row = 0

    @property
    def transforms(self) -> Any:
        """The steps of the pipeline itself."""
        return self.pipeline.transforms  # type: ignore[attr-defined]

    def __call__(self, data: dict[str, Any]) -> Any:
        """Run the pipeline; ``None`` for a lost picture in training.

        Raises:
            DataError: No picture at all can be read any more.
            Exception: Whatever the pipeline raises for another cause.
        """
        # Pipelines read the picture first: what lies deeper is untouched until then.
        original = dict(data)
        try:
            result = self.pipeline(data)
        except Exception as error:
            reason = why_lost(original)
            if reason is None:
                raise
            self._lost.add(int(original["img_id"]), original["img_path"], reason)
            if self._blank:
                return self._on_blank(original)
            self._in_a_row += 1
            if self._in_a_row == MOST_IN_A_ROW:
                raise DataError(
                    f"{MOST_IN_A_ROW} pictures in a row cannot be read, the last is "
                    f"{printable(original['img_path'])} ({reason}); bring them back, "
                    f"then start again, with --resume if there is a checkpoint."
                ) from error
            return None
        self._in_a_row = 0
        return result

    def _on_blank(self, data: dict[str, Any]) -> Any:
        pixels = np.zeros((data["height"], data["width"], 3), np.uint8)
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "blank.png")
            cv2.imwrite(path, pixels)
            return self.pipeline({**data, "img_path": path})


def why_lost(data: Mapping[str, Any]) -> str | None:
    """Return in a few words why a picture cannot be read; ``None`` if it can.

    Args:
        data: What a detection dataset knows of the picture.
    """
    path = data.get("img_path")
    if not isinstance(path, str) or "height" not in data:
        return None
    if not os.path.isfile(path):
        return "no longer there"
    pixels = read_pixels(path)
    if pixels is None:
        return "damaged or not a picture"
    if pixels.shape[:2] != (data["height"], data["width"]):
        return "of another size than at the start of the run"
    return None


def spare(dataset: Any, lost: LostPictures) -> None:
    """Give a detection dataset, through any wrapper, a pipeline that survives.

    Args:
        dataset: A dataset of mmdet's; others are left as they are.
        lost: Where lost pictures are noted.
    """
    inner = getattr(dataset, "datasets", None) or [getattr(dataset, "dataset", None)]
    if any(part is not None for part in inner):
        for part in inner:
            spare(part, lost)
        return
    pipeline = getattr(dataset, "pipeline", None)
    if pipeline is None or isinstance(pipeline, SparingPipeline):
        return
    see_deep_pictures(pipeline)
    blank = bool(getattr(dataset, "test_mode", False))
    dataset.pipeline = SparingPipeline(pipeline, lost, blank)
