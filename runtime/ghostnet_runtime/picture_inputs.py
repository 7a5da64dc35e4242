"""Pictures as users hold them, made into the one form that detectors take."""

from __future__ import annotations

import os
from typing import Protocol, runtime_checkable

import cv2
import numpy as np

from .errors import DataError
from .preprocessing import check_picture

CHANNELS = (1, 3, 4)
# Of PIL: 16 or 32 bits a pixel, whose meaning the picture itself does not say.
DEEP_MODES = ("I", "F")


@runtime_checkable
class PilPicture(Protocol):
    """A picture of PIL, which is not imported for it."""

    mode: str

    def convert(self, mode: str) -> PilPicture:
        """Return the picture in another mode."""


@runtime_checkable
class Tensor(Protocol):
    """A tensor of PyTorch, which is not imported for it."""

    def detach(self) -> Tensor:
        """Return it without its history."""

    def cpu(self) -> Tensor:
        """Return it in the memory of the CPU."""

    def numpy(self) -> np.ndarray:
        """Return it as an array."""


# In memory; the paths of files are read elsewhere.
PictureInMemory = np.ndarray | PilPicture | Tensor
PicturePath = str | os.PathLike[str]


def pixels_of(picture: PictureInMemory) -> np.ndarray:
    """Return a picture from memory as detectors take it.

    Args:
        picture: An array (H, W, 3) uint8 in BGR, as OpenCV has it; grey (H, W) or
            (H, W, 1) and BGRA (H, W, 4) are converted. Or a picture of PIL, of any mode
            with 8 bits, with its pixels as they lie: its EXIF tag is not looked at. Or
            a uint8 tensor in RGB, as torchvision has it, (C, H, W) or (H, W, C), with
            1, 3 or 4 channels.

    Returns:
        (H, W, 3) uint8 BGR.

    Raises:
        DataError: It is none of these.
    """
    if isinstance(picture, np.ndarray):
        return _array(picture)
    if isinstance(picture, PilPicture):
        return _pil(picture)
    if isinstance(picture, Tensor):
        return _tensor(picture)
    raise DataError(
        f"A picture is a path, an array, a picture of PIL or a tensor, and not a "
        f"{type(picture).__name__}."
    )


def _array(array: np.ndarray) -> np.ndarray:
    if array.dtype == np.uint8 and array.size:
        if array.ndim == 2 or (array.ndim == 3 and array.shape[2] == 1):
            return cv2.cvtColor(np.ascontiguousarray(array), cv2.COLOR_GRAY2BGR)
        if array.ndim == 3 and array.shape[2] == 4:
            return np.ascontiguousarray(array[:, :, :3])
    check_picture(array)
    return array


def _pil(picture: PilPicture) -> np.ndarray:
    if picture.mode.startswith(DEEP_MODES):
        raise DataError(
            f"A picture of PIL's mode {picture.mode} has more than 8 bits a pixel; "
            f"bring its values to 0 to 255 and convert it to L or RGB."
        )
    return _array(np.ascontiguousarray(np.asarray(picture.convert("RGB"))[..., ::-1]))


def _tensor(tensor: Tensor) -> np.ndarray:
    array = tensor.detach().cpu().numpy()
    is_picture = array.ndim == 3 and array.dtype == np.uint8
    if is_picture and array.shape[0] in CHANNELS:
        array = array.transpose(1, 2, 0)
    elif not is_picture or array.shape[2] not in CHANNELS:
        raise DataError(
            f"A picture as a tensor is uint8 in RGB, (C, H, W) or (H, W, C), and this "
            f"one is {array.shape} {array.dtype}; scale values from 0 to 1 by 255, and "
            f"give the pictures of a batch as a list."
        )
    if array.shape[2] > 1:
        array = array[:, :, 2::-1]  # to BGR, without an alpha channel
    return _array(np.ascontiguousarray(array))
