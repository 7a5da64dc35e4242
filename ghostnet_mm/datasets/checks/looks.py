"""Looking at every picture: decoded in full, as the loader of a training decodes it."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from ghostnet_runtime.picture_loop import progress_text
from ghostnet_runtime.picture_reading import decode_picture, opencv_silent
from ghostnet_runtime.status_line import StatusLine

from ..annotations.data_set import Picture
from ..readers.picture_headers import PictureHeader, read_header
from ..splitting.near_duplicates import perceptual_hash

BATCH = 64
# Every so many rows and columns are enough to see whether a picture is grey or flat.
STEP = 8
# Of 255: noise of a codec stays below.
FLAT = 2


@dataclass(frozen=True, slots=True)
class Look:
    """What a picture shows once it is decoded.

    Attributes:
        damage: Why it cannot be read; empty if it can.
        is_grey: Whether all its colors are shades of grey.
        is_flat: Whether it is of one color.
        orientation: EXIF's number, 1 for a picture that is not turned.
        fingerprint: 64 bits of what it looks like; ``None`` for one of one color.
    """

    damage: str = ""
    is_grey: bool = False
    is_flat: bool = False
    orientation: int = 1
    fingerprint: int | None = None


def look_at(picture: Picture) -> Look:
    """Decode a picture and say what is odd about it."""
    try:
        content = np.fromfile(picture.path, dtype=np.uint8)
    except OSError as error:
        return Look(str(error.strerror))
    pixels, _ = decode_picture(content)
    if pixels is None:
        return Look("damaged or not a picture")
    if pixels.shape[:2] != (picture.height, picture.width):
        return Look("of another size than its first bytes say")
    sample = pixels[::STEP, ::STEP].astype(np.int16)
    is_flat = int(np.ptp(sample, axis=(0, 1)).max(initial=0)) <= FLAT
    header = read_header(picture.path)
    return Look(
        is_grey=bool(np.ptp(sample, axis=2).max(initial=0) <= FLAT),
        is_flat=is_flat,
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
