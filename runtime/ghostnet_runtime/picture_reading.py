"""Reading a picture by its content, whatever its name says."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import cv2
import numpy as np

from .errors import DataError

# Read or missed, but never passed over.
PICTURE_SUFFIXES = {
    *(".avif", ".bmp", ".dib", ".gif", ".heic", ".heif", ".jfif", ".jp2", ".jpe"),
    *(".jpeg", ".jpg", ".jxl", ".pbm", ".pgm", ".png", ".ppm", ".tif", ".tiff"),
    ".webp",
}
# TIFF inside; OpenCV would take the small preview for the picture.
RAW_SUFFIXES = {".arw", ".cr2", ".cr3", ".dng", ".nef", ".orf", ".raf", ".rw2"}
# Where a file of the ISO media family says what it is.
HEIC_BRANDS = {b"heic", b"heix", b"hevc", b"heim", b"heis", b"mif1", b"msf1"}
# GIF, TIFF in both byte orders, and RIFF, of which WebP is one.
MANY_PAGED = (b"GIF8", b"II*\0", b"MM\0*", b"RIFF")


def is_picture(path: Path) -> bool:
    """Say whether a file is a picture, readable or not."""
    if path.suffix.lower() in PICTURE_SUFFIXES | RAW_SUFFIXES:
        return True
    with opencv_silent():
        return cv2.haveImageReader(str(path))


def read_picture(path: Path) -> tuple[np.ndarray, str]:
    """Read a picture as mmdet does, turned by its EXIF tag.

    Where mmdet would see next to nothing, because 16 bits hold a picture of 12 or a
    number from 0 to 1, the grey levels that are used are spread over 0 to 255.

    Returns:
        (H, W, 3) uint8 BGR, and what was done to it that the user should know, or "".

    Raises:
        DataError: The file is not a readable picture.
    """
    if path.suffix.lower() in RAW_SUFFIXES:
        raise DataError(
            f"The image {path} cannot be read: it is a camera's raw file; convert it "
            f"to JPEG."
        )
    try:
        content = np.fromfile(path, dtype=np.uint8)
    except OSError as error:
        raise DataError(
            f"The image {path} cannot be read: {error.strerror}."
        ) from error
    with opencv_silent():
        pixels, note = decode_picture(content)
        if pixels is None:
            raise DataError(f"The image {path} cannot be read: {_reason(content)}.")
        if content[:4].tobytes() in MANY_PAGED and cv2.imcount(str(path)) > 1:
            note = "of several pictures in one file the first is taken"
    return pixels, note


@contextmanager
def opencv_silent() -> Iterator[None]:
    """Keep OpenCV's decoders from telling their own story about a damaged file."""
    logging = cv2.utils.logging
    before = logging.getLogLevel()
    logging.setLogLevel(logging.LOG_LEVEL_SILENT)
    try:
        yield
    finally:
        logging.setLogLevel(before)


def decode_picture(content: np.ndarray) -> tuple[np.ndarray | None, str]:
    """Decode a picture as `read_picture` does.

    Args:
        content: (N,) uint8, the bytes of the file.

    Returns:
        (H, W, 3) uint8 BGR, and what was done to its grey levels, or "". ``None`` for
        what is not a readable picture.
    """
    if not content.size:
        return None, ""
    whole = _decoded(content, cv2.IMREAD_COLOR | cv2.IMREAD_ANYDEPTH)
    if whole is None or whole.dtype == np.uint8:
        return whole, ""
    usual = _decoded(content, cv2.IMREAD_COLOR)
    spread, note = _spread(whole)
    # Half as bright is no accident of rounding, nor of a decoder that scales itself.
    if usual is not None and 2 * int(usual.max()) >= int(spread.max()):
        return usual, ""
    return spread, note


def _decoded(content: np.ndarray, how: int) -> np.ndarray | None:
    try:
        return cv2.imdecode(content, how)
    except cv2.error:  # such as a picture of more pixels than OpenCV allows
        return None


def _spread(pixels: np.ndarray) -> tuple[np.ndarray, str]:
    """Bring other grey levels than of 8 bits to 0 to 255."""
    if pixels.dtype.kind == "f":
        pixels = np.nan_to_num(pixels, posinf=0, neginf=0)
        top = max(1.0, float(pixels.max()))
        return (
            np.clip(pixels * (255 / top), 0, 255).round().astype(np.uint8),
            f"grey levels from 0 to {top:g} were scaled to 255",
        )
    # Sensors have 10, 12 or 14 bits; with every bit counted, each picture of a series
    # would be scaled otherwise.
    used = int(pixels.max()).bit_length()
    bits = max(8, used + used % 2)
    return (
        (pixels >> (bits - 8)).clip(0, 255).astype(np.uint8),
        f"{8 * pixels.itemsize} bits of which {bits} are used were scaled to 8",
    )


def _reason(content: np.ndarray) -> str:
    start = content[:12].tobytes()
    if start[4:8] == b"ftyp" and start[8:] in HEIC_BRANDS:
        return "it is HEIC, which OpenCV does not read; convert it to JPEG"
    return "it is damaged or not an image; replace or remove it"
