"""Looking at every picture: decoded in full, as the loader of a training decodes it."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import cv2
import numpy as np
from ghostnet_runtime.picture_loop import progress_text
from ghostnet_runtime.picture_reading import opencv_silent
from ghostnet_runtime.status_line import StatusLine

from ..annotations.data_set import Picture
from ..readers.picture_headers import PictureHeader, read_header, read_pixels
from ..splitting.near_duplicates import perceptual_hash

BATCH = 64
# Every so many rows and columns are enough to see whether a picture is grey or flat.
STEP = 8
# Of 255: noise of a codec stays below.
FLAT = 2
DARKEST = 32


@dataclass(frozen=True, slots=True)
class Look:
    """What a picture shows once it is decoded.

    Attributes:
        damage: Why it cannot be read; empty if it can.
        is_grey: Whether all its colors are shades of grey.
        is_flat: Whether it is of one color.
        is_deep: Whether its file has more than 8 bits.
        is_dark: Whether mmdet, which reads 8 of them, sees almost black.
        orientation: EXIF's number, 1 for a picture that is not turned.
        fingerprint: 64 bits of what it looks like; ``None`` for one of one color.
    """

    damage: str = ""
    is_grey: bool = False
    is_flat: bool = False
    is_deep: bool = False
    is_dark: bool = False
    orientation: int = 1
    fingerprint: int | None = None


def look_at(picture: Picture) -> Look:
    """Decode a picture and say what is odd about it."""
    try:
        content = np.fromfile(picture.path, dtype=np.uint8)
    except OSError as error:
        return Look(str(error.strerror))
    try:
        pixels = cv2.imdecode(content, cv2.IMREAD_COLOR | cv2.IMREAD_ANYDEPTH)
    except cv2.error:
        pixels = None
    if pixels is None:
        return Look("damaged or not a picture")
    if pixels.shape[:2] != (picture.height, picture.width):
        return Look("of another size than its first bytes say")
    is_deep = pixels.dtype != np.uint8
    read = read_pixels(picture.path) if is_deep else pixels
    sample = (read if read is not None else pixels)[::STEP, ::STEP].astype(np.int16)
    is_flat = int(np.ptp(sample, axis=(0, 1)).max(initial=0)) <= FLAT
    is_dark = is_deep and (read is None or int(read.max()) < DARKEST)
    header = read_header(picture.path)
    return Look(
        is_grey=bool(np.ptp(sample, axis=2).max(initial=0) <= FLAT),
        is_flat=is_flat and not is_dark,
        is_deep=is_deep,
        is_dark=is_dark,
        orientation=header.orientation if isinstance(header, PictureHeader) else 1,
        fingerprint=None if is_flat else perceptual_hash(picture.path),
    )


def look_at_all(pictures: Sequence[Picture]) -> list[Look]:
    """Decode pictures, several at a time, and show how far it is.

    Args:
        pictures: Of any splits.
    """
    looks: list[Look] = []
    line, started = StatusLine(), time.monotonic()
    with opencv_silent(), ThreadPoolExecutor(os.cpu_count()) as threads:
        # In batches, so that Ctrl-C need not wait for all of them.
        for start in range(0, len(pictures), BATCH):
            looks += threads.map(look_at, pictures[start : start + BATCH])
            if line.is_due():
                elapsed = time.monotonic() - started
                line.show(progress_text(len(looks), len(pictures), elapsed))
    line.clear()
    return looks
