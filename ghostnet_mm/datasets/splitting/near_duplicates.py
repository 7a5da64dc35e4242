"""Pictures that look the same, in whatever size and quality."""

from __future__ import annotations

import os
import warnings
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import imagehash
import numpy as np
from numpy.typing import NDArray
from PIL import Image

# Of 64 bits. Copies of a photo in other sizes and qualities differ by up to 6, two
# photos of one scene by 10 and more, others by about 30.
MOST_DIFFERENT_BITS = 6
BLOCK = 512
# The hash looks at 32 x 32 pixels: a JPEG need not be decoded in full.
ENOUGH_PIXELS = (128, 128)


def perceptual_hash(path: str | os.PathLike[str]) -> int | None:
    """Return 64 bits of what a picture looks like; ``None`` if it cannot be read."""
    try:
        with Image.open(path) as picture:
            picture.draft("L", ENOUGH_PIXELS)
            bits = imagehash.phash(picture).hash
    except Exception:
        # Pillow's readers raise whatever a damaged file brings them to.
        return None
    return int(np.packbits(bits.ravel()).view(">u8")[0])


def perceptual_hashes(paths: Sequence[str]) -> list[int | None]:
    """Return the hashes of many pictures, as `perceptual_hash` does."""
    with warnings.catch_warnings(), ThreadPoolExecutor(os.cpu_count()) as threads:
        warnings.simplefilter("ignore")
        return list(threads.map(perceptual_hash, paths, chunksize=16))


def near_pairs(hashes: Sequence[int | None]) -> list[tuple[int, int]]:
    """Return the pairs of pictures that look the same, by their indices."""
    known = np.array([i for i, value in enumerate(hashes) if value is not None], int)
    values = np.array([hashes[i] for i in known.tolist()], np.uint64)
    pairs: list[tuple[int, int]] = []
    for start in range(0, len(values), BLOCK):
        block = values[start : start + BLOCK]
        near = _differences(block, values[start:]) <= MOST_DIFFERENT_BITS
        rows, columns = np.nonzero(np.triu(near, 1))
        first, second = known[start + rows], known[start + columns]
        pairs += list(zip(first.tolist(), second.tolist(), strict=True))
    return pairs


def _differences(a: NDArray[np.uint64], b: NDArray[np.uint64]) -> NDArray[np.uint8]:
    return np.bitwise_count(a[:, None] ^ b[None, :])
