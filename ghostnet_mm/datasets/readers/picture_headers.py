"""The size of a picture from its first bytes, as it will be read later.

OpenCV, and with it mmcv, turns pictures by their EXIF tag, so that a photo of a phone
held upright is higher than wide whatever its file says.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import BinaryIO

import cv2
import numpy as np
from PIL import Image, UnidentifiedImageError

SWAPPING = frozenset({5, 6, 7, 8})
ORIENTATION = 0x0112
THREADS = 8
# What every OpenCV is built to read; of others a build may lack one.
ALWAYS_READ = frozenset({"BMP", "JPEG", "MPO", "PNG", "PPM", "TIFF", "WEBP"})
BITS_PER_SAMPLE = 258
ENDINGS = {"JPEG": b"\xff\xd9", "MPO": b"\xff\xd9", "PNG": b"IEND\xaeB`\x82"}


@dataclass(frozen=True, slots=True)
class PictureHeader:
    """What the first bytes of a picture say.

    Attributes:
        width: In pixels, as it is read.
        height: As the width.
        orientation: EXIF's number, 1 for a picture that is not turned.
        is_deep: Whether it has more than 8 bits.
    """

    width: int
    height: int
    orientation: int = 1
    is_deep: bool = False

    @property
    def is_turned(self) -> bool:
        """Whether width and height change places when it is read."""
        return self.orientation in SWAPPING


def read_header(path: str) -> PictureHeader | str:
    """Return a picture's header, or in a few words why it cannot be read.

    A JPEG or PNG whose last bytes are not its format's end is read whole, to see
    whether it was cut off.
    """
    try:
        with open(path, "rb") as file, Image.open(file) as picture:
            width, height = picture.size
            has_tags = "exif" in picture.info or picture.format != "JPEG"
            orientation = _orientation(picture) if has_tags else 1
            ending = ENDINGS.get(picture.format or "")
            if ending is not None:
                file.seek(-len(ending), 2)
                if file.read() != ending and _is_cut_off(path):
                    return "cut off"
            is_deep, kind = _is_deep(picture, file), picture.format
    except FileNotFoundError:
        return "not there"
    except PermissionError:
        return "not readable for you"
    except Image.DecompressionBombError:
        return "too large"
    except UnidentifiedImageError:
        return _read_whole(path)
    except Exception:
        # Pillow's readers raise whatever a damaged file brings them to.
        return _read_whole(path)
    if kind not in ALWAYS_READ and not cv2.haveImageReader(path):
        return f"{kind}, which OpenCV does not read here"
    if orientation in SWAPPING:
        if kind not in ("JPEG", "MPO"):
            # Whether the tag is obeyed depends on OpenCV's version.
            return _read_whole(path)
        width, height = height, width
    if not width or not height:
        return "empty"
    return PictureHeader(width, height, orientation, is_deep)


def read_headers(paths: Sequence[str]) -> list[PictureHeader | str]:
    """Return the headers of many pictures, as `read_header` does.

    Several at a time: on a slow disk most of the time is waiting.
    """
    with warnings.catch_warnings(), ThreadPoolExecutor(THREADS) as threads:
        # Pillow warns of large pictures and odd tags; OpenCV reads them.
        warnings.simplefilter("ignore")
        return list(threads.map(read_header, paths, chunksize=64))


def read_pixels(path: str) -> np.ndarray | None:
    """Return a picture as mmdet reads it, (H, W, 3) uint8 BGR; ``None`` if it fails."""
    try:
        content = np.fromfile(path, dtype=np.uint8)
        return cv2.imdecode(content, cv2.IMREAD_COLOR) if content.size else None
    except (OSError, cv2.error):
        return None


def _orientation(picture: Image.Image) -> int:
    value = picture.getexif().get(ORIENTATION, 1)
    return value if isinstance(value, int) and 1 <= value <= 8 else 1


def _is_deep(picture: Image.Image, file: BinaryIO) -> bool:
    """Say whether a picture has more than 8 bits, which Pillow's mode tells of grey."""
    if picture.format == "PNG":
        file.seek(24)
        return file.read(1) == b"\x10"
    if picture.format == "TIFF":
        bits = picture.tag_v2.get(BITS_PER_SAMPLE, (1,))  # type: ignore[attr-defined]
        return max(bits if isinstance(bits, tuple) else (bits,)) > 8
    return picture.mode[0] in "IF"


def _is_cut_off(path: str) -> bool:
    """Say whether a picture lacks its end; some cameras only write more after it."""
    if read_pixels(path) is None:
        return True
    try:
        with Image.open(path) as picture:
            picture.load()
    except Exception:
        return True
    return False


def _read_whole(path: str) -> PictureHeader | str:
    pixels = read_pixels(path)
    if pixels is None:
        return "damaged or not a picture"
    return PictureHeader(pixels.shape[1], pixels.shape[0])
