"""A grid of pictures: what a detector finds, beside the ground truth."""

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
from ghostnet_runtime import Detections
from ghostnet_runtime.drawing import FONT
from ghostnet_runtime.picture_reading import read_picture
from ghostnet_runtime.picture_writing import write_picture

from ..errors import DataError
from .ground_truth import true_objects, true_panoptic_map
from .predictions import PanopticMap, found_in

if TYPE_CHECKING:
    from mmdet.datasets import BaseDetDataset
    from mmdet.models import BaseDetector

# Smaller pictures are enlarged to this longer side, so that labels stay readable.
MIN_SIDE = 480
CAPTION_HEIGHT = 28
GAP = 8
PAPER = (255, 255, 255)


@dataclass(frozen=True)
class GridEntry:
    """A picture with what was found in it and what is in it."""

    image: np.ndarray  # (H, W, 3) uint8 BGR
    detections: Detections | PanopticMap
    ground_truth: Detections | PanopticMap
    title: str = ""


def draw_grid(
    entries: Sequence[GridEntry], score_threshold: float = 0.3, columns: int = 2
) -> np.ndarray:
    """Draw pairs of pictures: detections on the left, ground truth on the right.

    Args:
        entries: The pictures, of any sizes.
        score_threshold: Detections with a lower score are left out.
        columns: Pairs side by side.

    Returns:
        (H, W, 3) uint8 BGR.

    Raises:
        DataError: There is no entry.
    """
    if not entries:
        raise DataError("There is no image to draw a grid of; check the dataset.")
    pairs = [_draw_pair(entry, score_threshold) for entry in entries]
    cell_height = max(pair.shape[0] for pair in pairs)
    cell_width = max(pair.shape[1] for pair in pairs)
    cells = [_pad(pair, cell_height, cell_width) for pair in pairs]
    columns = min(columns, len(cells))
    blank = np.full_like(cells[0], PAPER[0])
    cells += [blank] * (-len(cells) % columns)
    rows = [
        _join(cells[start : start + columns], axis=1)
        for start in range(0, len(cells), columns)
    ]
    return _join(rows, axis=0)


def write_grid(
    path: str | os.PathLike,
    entries: Sequence[GridEntry],
    score_threshold: float = 0.3,
    columns: int = 2,
) -> Path:
    """Write :func:`draw_grid` to a picture file and return its path.

    Raises:
        DataError: There is no entry, or the file cannot be written.
    """
    grid = draw_grid(entries, score_threshold, columns)
    try:
        return write_picture(Path(path), grid)
    except OSError as error:
        raise DataError(
            f"The picture grid cannot be written to {path} ({error.strerror})."
        ) from error


def write_detector_grid(
    detector: "BaseDetector",
    dataset: "BaseDetDataset",
    path: str | os.PathLike,
    num_images: int = 8,
    score_threshold: float = 0.3,
    indices: Iterable[int] | None = None,
) -> Path:
    """Run a detector on images of a dataset and write the grid.

    Args:
        detector: An mmdet detector; put into eval mode for the run.
        dataset: An mmdet dataset with a test pipeline that keeps the annotations.
        path: The file, such as a PNG.
        num_images: How many images, spread evenly over the dataset.
        score_threshold: Detections with a lower score are left out.
        indices: The images to show, instead of ``num_images``.

    Raises:
        DataError: The dataset is empty, an image cannot be read, or the file cannot be
            written.
    """
    import torch
    from mmengine.dataset import pseudo_collate

    if indices is None:
        count = min(num_images, len(dataset))
        indices = np.linspace(0, len(dataset) - 1, count).round().astype(int)
    was_training = detector.training
    detector.eval()
    entries = []
    with torch.no_grad():
        for index in indices:
            sample = dataset[int(index)]
            info = dataset.get_data_info(int(index))
            (result,) = detector.test_step(pseudo_collate([sample]))
            found = found_in(result, dataset.metainfo["classes"])
            entries.append(_entry(info, found, dataset.metainfo))
    detector.train(was_training)
    return write_grid(path, entries, score_threshold)


def _entry(
    info: dict[str, Any], found: Detections | PanopticMap, metainfo: dict[str, Any]
) -> GridEntry:
    # Straight from the annotation, so that the truth shown is not what a pipeline made
    # of it; detections are in the pixels of the original image too.
    image, _ = read_picture(Path(info["img_path"]))
    truth: Detections | PanopticMap
    if isinstance(found, PanopticMap):
        truth = true_panoptic_map(info, len(metainfo["thing_classes"]), found.names)
    else:
        with_masks = found.masks is not None
        truth = true_objects(info, image.shape[:2], found.names, with_masks)
    return GridEntry(image, found, truth, Path(info["img_path"]).name)


def _draw_pair(entry: GridEntry, score_threshold: float) -> np.ndarray:
    factor = max(1.0, MIN_SIDE / max(entry.image.shape[:2]))
    image, found = _enlarge(
        entry.image, entry.detections.above(score_threshold), factor
    )
    _, truth = _enlarge(entry.image, entry.ground_truth, factor)
    panels = [
        _caption(found.plot(image), "detected"),
        _caption(truth.plot(image, with_scores=False), "ground truth"),
    ]
    pair = _join(panels, axis=1)
    return _caption(pair, entry.title) if entry.title else pair


def _enlarge(
    image: np.ndarray, shown: Detections | PanopticMap, factor: float
) -> tuple[np.ndarray, Detections | PanopticMap]:
    height, width = image.shape[:2]
    size = (round(width * factor), round(height * factor))
    enlarged = cv2.resize(image, size, interpolation=cv2.INTER_CUBIC)
    if isinstance(shown, PanopticMap):
        ids = _enlarge_map(shown.ids.astype(np.int32), size)
        return enlarged, replace(shown, ids=ids)
    masks = None
    if shown.masks is not None:
        masks = np.zeros((len(shown), *enlarged.shape[:2]), bool)
        for index, mask in enumerate(shown.masks):
            masks[index] = _enlarge_map(mask.astype(np.uint8), size)
    return enlarged, replace(shown, boxes=shown.boxes * factor, masks=masks)


def _enlarge_map(values: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    return cv2.resize(values, size, interpolation=cv2.INTER_NEAREST)


def _caption(panel: np.ndarray, text: str) -> np.ndarray:
    strip = np.full((CAPTION_HEIGHT, panel.shape[1], 3), PAPER[0], np.uint8)
    origin = (4, CAPTION_HEIGHT - 9)
    cv2.putText(strip, text, origin, FONT, 0.55, (40, 40, 40), 1, cv2.LINE_AA)
    return np.concatenate([strip, panel])


def _pad(picture: np.ndarray, height: int, width: int) -> np.ndarray:
    below, beside = height - picture.shape[0], width - picture.shape[1]
    return cv2.copyMakeBorder(
        picture, 0, below, 0, beside, cv2.BORDER_CONSTANT, value=PAPER
    )


def _join(pictures: Sequence[np.ndarray], axis: int) -> np.ndarray:
    """Concatenate pictures that agree on the other axis, with a gap between them."""
    shape = list(pictures[0].shape)
    shape[axis] = GAP
    gap = np.full(shape, PAPER[0], np.uint8)
    joined = [pictures[0]]
    for picture in pictures[1:]:
        joined += [gap, picture]
    return np.concatenate(joined, axis=axis)
