"""The picture that something was found in, had again."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from .errors import OptionError
from .picture_reading import read_picture


def picture_of(source: str | int | None, pixels: np.ndarray | None) -> np.ndarray:
    """Return a picture, (H, W, 3) uint8 BGR.

    Args:
        source: Its path, the number of a film's frame, or None.
        pixels: The picture itself, where it is in memory.

    Raises:
        OptionError: Neither says which picture it is.
        DataError: Its file can no longer be read.
    """
    if pixels is not None:
        return pixels
    if isinstance(source, str):
        return read_picture(Path(source))[0]
    raise OptionError(
        "It is not known which picture to draw on; give it, as in found.plot(picture)."
    )
