"""Small pictures for data sets in tests."""

from __future__ import annotations

import functools
from pathlib import Path

import cv2
import numpy as np


@functools.cache
def _encoded(suffix: str, width: int, height: int) -> bytes:
    pixels = np.full((height, width, 3), 127, np.uint8)
    return cv2.imencode(suffix, pixels)[1].tobytes()


def write_picture(path: Path, width: int = 96, height: int = 64) -> Path:
    """Write a grey picture of the format that the name's suffix says."""
    path.parent.mkdir(parents=True, exist_ok=True)
    suffix = path.suffix.lower()
    path.write_bytes(_encoded(suffix if suffix != ".jfif" else ".jpg", width, height))
    return path


def write_pictures(folder: Path, *names: str) -> None:
    """Write several pictures of 96 x 64 pixels."""
    for name in names:
        write_picture(folder / name)


def write_text(path: Path, text: str) -> Path:
    """Write a text file and the folders above it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path
