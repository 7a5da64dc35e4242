"""The pictures that detectors are timed on, in memory before the clock starts."""

import itertools
from collections.abc import Iterator, Sequence

import cv2
import numpy as np
from ghostnet_runtime.picture_sources import open_source

from ..errors import DataError

MOST_PICTURES = 16
SYNTHETIC_SIZE = (480, 640)
SYNTHETIC_COUNT = 4


def load_pictures(source: str | None) -> list[np.ndarray]:
    """Read the first pictures of a folder, or make some up.

    Args:
        source: An image or a folder; None for synthetic pictures of 480 x 640 pixels.

    Returns:
        At most 16 pictures, (H, W, 3) uint8 BGR.

    Raises:
        DataError: There are none, or one cannot be read.
    """
    if source is None:
        return [synthetic_picture(seed) for seed in range(SYNTHETIC_COUNT)]
    pictures = open_source(source)
    if pictures.is_video:
        raise DataError(f"{source} is no folder of pictures; give --images another.")
    first = itertools.islice(pictures, MOST_PICTURES)
    return [picture.pixels for picture in first]


def synthetic_picture(seed: int, size: tuple[int, int] = SYNTHETIC_SIZE) -> np.ndarray:
    """Return smooth patches with some noise, (H, W, 3) uint8; the same for a seed."""
    generator = np.random.default_rng(seed)
    height, width = size
    patches = generator.integers(0, 256, (12, 16, 3), dtype=np.uint8)
    smooth = cv2.resize(patches, (width, height), interpolation=cv2.INTER_CUBIC)
    noise = generator.normal(0, 8, smooth.shape)
    return np.clip(smooth + noise, 0, 255).astype(np.uint8)


def batches(pictures: Sequence[np.ndarray], size: int) -> Iterator[list[np.ndarray]]:
    """Yield batches of ``size`` pictures for ever, going round."""
    endless = itertools.cycle(pictures)
    while True:
        yield list(itertools.islice(endless, size))
