"""From a picture to the network's input, by the rules of mmdet's test pipelines.

``Resize`` and ``Pad`` of mmdet 3 and its ``DetDataPreprocessor``, to the last bit.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np

from .description import Description, InputForm, ResizeRule
from .errors import DataError


@dataclass(frozen=True)
class Placement:
    """Where a picture lies in the network's input, in pixels.

    Attributes:
        picture: Height and width of the picture as given.
        resized: Height and width that it is resized to.
        corner: Its upper edge and left edge in the input.
        padded: Height and width up to which ``pad_value`` is filled in; zeros follow.
        input: Height and width of the input.
        clip: Height and width that boxes are clipped to.
    """

    picture: tuple[int, int]
    resized: tuple[int, int]
    corner: tuple[int, int]
    padded: tuple[int, int]
    input: tuple[int, int]
    clip: tuple[int, int]

    @property
    def scale(self) -> tuple[float, float]:
        """Resized over given size, horizontally and vertically."""
        return (
            self.resized[1] / self.picture[1],
            self.resized[0] / self.picture[0],
        )

    def to_picture(self, boxes: np.ndarray) -> np.ndarray:
        """Bring boxes (N, 4) float32 from the input's pixels to the picture's."""
        top, left = self.corner
        if top or left:
            boxes = boxes - np.array([left, top, left, top], dtype=np.float32)
        # mmdet multiplies by the reciprocals, which rounds otherwise than dividing.
        across, down = (1 / factor for factor in self.scale)
        return boxes * np.array([across, down, across, down], dtype=np.float32)


def place(height: int, width: int, fed: InputForm, rule: ResizeRule) -> Placement:
    """Find size and position of a picture in the network's input.

    Where the input has one fixed size and a picture at mmdet's size would not fit, such
    as an upright one in a wide input, the picture is made as large as fits.

    Args:
        height: Of the picture, in pixels.
        width: Of the picture, in pixels.
        fed: The input.
        rule: How pictures are resized.
    """
    fixed = _fixed_size(fed)
    resized = _resized(height, width, rule)
    if fixed is not None and (resized[0] > fixed[0] or resized[1] > fixed[1]):
        factor = min(fixed[0] / height, fixed[1] / width)
        resized = _scaled(height, width, factor)
    padded = _padded(resized, rule, fed.size_divisor)
    whole = fixed or (
        _multiple(padded[0], fed.size_divisor),
        _multiple(padded[1], fed.size_divisor),
    )
    if rule.pad in ("divisor", "around"):
        padded = whole
    padded = min(padded[0], whole[0]), min(padded[1], whole[1])
    corner = 0, 0
    if rule.pad == "around":
        corner = whole[0] // 2 - resized[0] // 2, whole[1] // 2 - resized[1] // 2
    # mmdet takes what its pipeline padded for picture, and clips to that; what the
    # preprocessor of the model pads afterwards is outside.
    clip = resized if rule.pad == "divisor" else padded
    return Placement((height, width), resized, corner, padded, whole, clip)


class Preprocessor:
    """Makes the network's input of a picture.

    Args:
        description: Of the model.
    """

    def __init__(self, description: Description):
        self.input, self.rule = description.input, description.resize
        # A table of the 256 grey levels gives what the arithmetic would, only faster.
        levels = np.arange(256, dtype=np.float32)
        mean = np.array(self.input.mean, dtype=np.float32)[:, None]
        std = np.array(self.input.std, dtype=np.float32)[:, None]
        self._tables = (levels - mean) / std
        pad_value = np.array(self.rule.pad_value, dtype=np.float32)[:, None]
        self._pad = ((pad_value - mean) / std)[:, :, None]

    def __call__(self, image: np.ndarray) -> tuple[np.ndarray, Placement]:
        """Prepare a picture.

        Args:
            image: (H, W, 3) uint8 BGR.

        Returns:
            (1, 3, h, w) float32, or (1, H, W, 3) uint8 where the model takes pixels;
            and where the picture lies in the network's input.

        Raises:
            DataError: The array is no such picture.
        """
        check_picture(image)
        height, width = image.shape[:2]
        placement = place(height, width, self.input, self.rule)
        if self.input.form == "pixels":
            if self.input.channel_order == "rgb":
                image = image[:, :, ::-1]
            return np.ascontiguousarray(image)[None], placement
        height, width = placement.resized
        if image.shape[:2] != (height, width):
            image = cv2.resize(image, (width, height), interpolation=cv2.INTER_LINEAR)
        channels = cv2.split(image)
        if self.input.channel_order == "rgb":
            channels = channels[::-1]
        top, left = placement.corner
        tensor = self._empty(placement)
        for index, channel in enumerate(channels):
            target = tensor[index, top : top + height, left : left + width]
            target[:] = cv2.LUT(channel, self._tables[index])
        return tensor[None], placement

    def _empty(self, placement: Placement) -> np.ndarray:
        if placement.resized == placement.input:
            return np.empty((3, *placement.input), dtype=np.float32)
        tensor = np.zeros((3, *placement.input), dtype=np.float32)
        tensor[:, : placement.padded[0], : placement.padded[1]] = self._pad
        return tensor


def check_picture(image: np.ndarray) -> None:
    """Refuse what is not (H, W, 3) uint8.

    Raises:
        DataError: Says what it is, and how to make a picture of it.
    """
    if not isinstance(image, np.ndarray):
        raise DataError(
            f"A picture is a numpy array (H, W, 3) uint8 in BGR and not a "
            f"{type(image).__name__}; read files with cv2.imread."
        )
    if image.ndim == 3 and image.shape[2] == 3 and image.dtype == np.uint8:
        if image.size:
            return
        raise DataError(f"The picture is empty: its shape is {image.shape}.")
    advice = ""
    if image.ndim == 2 or (image.ndim == 3 and image.shape[2] == 1):
        advice = "; convert grey with cv2.cvtColor(image, cv2.COLOR_GRAY2BGR)"
    elif image.ndim == 3 and image.shape[2] == 4:
        advice = "; convert with cv2.cvtColor(image, cv2.COLOR_BGRA2BGR)"
    raise DataError(
        f"A picture is (H, W, 3) uint8 in BGR, and this array is {image.shape} "
        f"{image.dtype}{advice}."
    )


def _fixed_size(fed: InputForm) -> tuple[int, int] | None:
    if fed.height is None or fed.width is None:
        return None
    return fed.height, fed.width


def _resized(height: int, width: int, rule: ResizeRule) -> tuple[int, int]:
    if rule.scale is None:
        return height, width
    if not rule.keep_ratio:
        return rule.scale[1], rule.scale[0]
    longer, shorter = max(height, width), min(height, width)
    factor = min(max(rule.scale) / longer, min(rule.scale) / shorter)
    return _scaled(height, width, factor)


def _scaled(height: int, width: int, factor: float) -> tuple[int, int]:
    # Of a line of pixels something must remain.
    return max(int(height * factor + 0.5), 1), max(int(width * factor + 0.5), 1)


def _padded(
    resized: tuple[int, int], rule: ResizeRule, divisor: int
) -> tuple[int, int]:
    """Return height and width after the pipeline's own padding."""
    height, width = resized
    if rule.pad == "fixed" and rule.scale is not None:
        return max(height, rule.scale[1]), max(width, rule.scale[0])
    if rule.pad == "around":
        # mmdet's CenterNet: always a border, of a whole divisor where none is needed.
        return (height // divisor + 1) * divisor, (width // divisor + 1) * divisor
    return resized


def _multiple(side: int, divisor: int) -> int:
    return math.ceil(side / divisor) * divisor
