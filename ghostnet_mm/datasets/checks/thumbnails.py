"""Small pictures with their boxes, within a budget of bytes."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from ghostnet_runtime.drawing import class_color
from ghostnet_runtime.picture_reading import read_picture

from ...errors import DataError
from ...reporting.pictures import picture_address
from ..annotations.data_set import DataSet
from ..annotations.findings import printable
from .suspects import Suspect, Suspects

SIDE = 320
QUALITY = 75
PAPER = 255
GAP = 6
NAMED_BOXES = 3


class Thumbnails:
    """Draws pictures until so many bytes are used up.

    Attributes:
        is_full: Whether pictures were left out for lack of room.

    Args:
        data: The data set.
        suspects: Names boxes.
        most_bytes: Of all pictures as they stand in a page.
    """

    def __init__(self, data: DataSet, suspects: Suspects, most_bytes: int):
        self.is_full = False
        self._data = data
        self._suspects = suspects
        self._left = most_bytes

    def draw(self, suspect: Suspect) -> tuple[str, str] | None:
        """Return caption and address; ``None`` if it cannot be read or has no room."""
        if self.is_full:
            return None
        pixels = self._drawn(suspect.split, suspect.picture, suspect.rows)
        if pixels is None:
            return None
        caption = self._caption(suspect)
        if suspect.beside is not None:
            other = self._drawn(*suspect.beside, ())
            if other is not None:
                pixels = _side_by_side(pixels, other)
        address = picture_address(pixels, SIDE, QUALITY)
        if len(address) > self._left:
            self.is_full = True
            return None
        self._left -= len(address)
        return caption, address

    def _caption(self, suspect: Suspect) -> str:
        pictures = self._data.splits[suspect.split].pictures
        text = f"{suspect.split}: {printable(pictures[suspect.picture].name, 60)}"
        if suspect.beside is not None:
            split, index = suspect.beside
            name = self._data.splits[split].pictures[index].name
            return f"{text} beside {split}: {printable(name, 60)}"
        rows = suspect.rows[:NAMED_BOXES]
        told = [
            printable(self._suspects.described(suspect.split, row), 40) for row in rows
        ]
        more = len(suspect.rows) - len(rows)
        told += [f"{more} more"] if more else []
        return f"{text} ({'; '.join(told)})" if told else text

    def _drawn(
        self, split: str, picture: int, rows: tuple[int, ...]
    ) -> np.ndarray | None:
        """Return a small picture; its boxes are thin, those in question thick."""
        part = self._data.splits[split]
        try:
            pixels, _ = read_picture(Path(part.pictures[picture].path))
        except DataError:
            return None
        scale = SIDE / max(pixels.shape[:2])
        height, width = (max(1, round(side * scale)) for side in pixels.shape[:2])
        how = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
        small = cv2.resize(pixels, (width, height), interpolation=how)
        objects = part.objects
        own = np.flatnonzero(objects.pictures == picture).tolist()
        for row in [*(r for r in own if r not in rows), *rows]:
            color = class_color(int(objects.labels[row]))
            left, top, wide, high = (objects.boxes[row] * scale).tolist()
            start = (round(left), round(top))
            end = (max(round(left + wide) - 1, 0), max(round(top + high) - 1, 0))
            thickness = 4 if row in rows else 2
            cv2.rectangle(small, start, end, (0, 0, 0), thickness + 2)
            cv2.rectangle(small, start, end, color, thickness)
        return small


def _side_by_side(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    height = min(len(first), len(second))
    panels = []
    for panel in (first, second):
        width = max(1, round(panel.shape[1] * height / len(panel)))
        panels.append(cv2.resize(panel, (width, height), interpolation=cv2.INTER_AREA))
    gap = np.full((height, GAP, 3), PAPER, np.uint8)
    joined: np.ndarray = np.concatenate([panels[0], gap, panels[1]], axis=1)
    return joined
