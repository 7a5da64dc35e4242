"""Exported detectors, as functions to time."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from ghostnet_runtime import Detector
from ghostnet_runtime.description import Description

from ..errors import OptionError
from ..export.exported_models import open_exported
from .candidates import RUNTIME_SUFFIXES, BenchmarkCandidate

PIXELS = "pixels"


def network_run(
    candidate: BenchmarkCandidate,
    pictures: Sequence[np.ndarray],
    size: Sequence[int] | None,
    threads: int,
) -> tuple[Callable[[], object], tuple[int, int]]:
    """Open an exported file and return a function that runs it on one batch.

    What the file has built in belongs to it: preprocessing, decoding, NMS.

    Args:
        candidate: The file.
        pictures: The batch, (H, W, 3) uint8 BGR each.
        size: Height and width in pixels; needed where the file leaves them open.
        threads: Of its runtime.

    Returns:
        The function, and height and width of the input.

    Raises:
        UserError: The file or its runtime is missing or unusable, or the batch or the
            size are not those of the file.
    """
    model = open_exported(candidate.path, threads)
    image, found = input_for(candidate, model.description, pictures, size)
    return (lambda: model.run(image)), found


def input_for(
    candidate: BenchmarkCandidate,
    description: Description,
    pictures: Sequence[np.ndarray],
    size: Sequence[int] | None,
) -> tuple[np.ndarray, tuple[int, int]]:
    """Return a batch as a file's description wants it, and its height and width.

    Raises:
        OptionError: The batch or the size are not those of the file.
    """
    wanted = description.input
    if wanted.batch not in (None, len(pictures)):
        raise OptionError(
            f"{candidate.path} takes a batch of {wanted.batch}, not "
            f"{len(pictures)}; change --batch, or export it with a dynamic batch."
        )
    fixed = wanted.height, wanted.width
    scale = description.resize.scale
    if size is not None:
        height, width = size
        for given, own in zip((height, width), fixed, strict=True):
            if own is not None and given != own:
                raise OptionError(
                    f"{candidate.path} takes images of {fixed[0]} x {fixed[1]}, not "
                    f"--size {height} {width}; export it at that size."
                )
    elif wanted.size is not None:
        height, width = wanted.size
    elif scale is not None:
        width, height = scale
    else:
        raise OptionError(f"{candidate.path} takes any size; give --size HEIGHT WIDTH.")
    resized = np.stack([cv2.resize(picture, (width, height)) for picture in pictures])
    if wanted.form == PIXELS:
        return resized, (height, width)
    mean, std = (np.asarray(levels, np.float32) for levels in (wanted.mean, wanted.std))
    if wanted.channel_order == "rgb":
        resized = resized[..., ::-1]
    planes = ((resized.astype(np.float32) - mean) / std).transpose(0, 3, 1, 2)
    return np.ascontiguousarray(planes), (height, width)


def end_to_end_run(
    candidate: BenchmarkCandidate, threads: int
) -> Callable[[Sequence[np.ndarray]], Any]:
    """Open an exported file in the runtime and return a batch of one to detections.

    Raises:
        UserError: The runtime does not open such files, or the file is unusable.
    """
    if Path(candidate.path).suffix not in RUNTIME_SUFFIXES:
        raise OptionError(
            f"The runtime opens {', '.join(RUNTIME_SUFFIXES)} files, not "
            f"{candidate.path}; use --scope network for it."
        )
    detector = Detector(candidate.path, threads=threads)
    return lambda pictures: detector.detect(pictures[0])
