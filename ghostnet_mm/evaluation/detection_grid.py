"""A grid of pictures: what a detector finds, beside the ground truth."""

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np
from ghostnet_runtime.drawing import FONT

from ..errors import DataError
from .ground_truth import true_boxes, true_panoptic_map
from .shown_objects import Boxes, PanopticMap, draw_shown, shown_in

if TYPE_CHECKING:
    from mmdet.datasets import BaseDetDataset
    from torch import nn

# Smaller pictures are enlarged to this longer side, so that labels stay readable.
MIN_SIDE = 480
CAPTION_HEIGHT = 28
GAP = 8
PAPER = (255, 255, 255)


@dataclass(frozen=True)
class GridEntry:
    """A picture with what was found in it and what is in it."""

    image: np.ndarray  # (H, W, 3) uint8 BGR
    detections: Boxes | PanopticMap
    ground_truth: Boxes | PanopticMap
    title: str = ""


def draw_grid(
    entries: Sequence[GridEntry],
    class_names: Sequence[str],
    score_threshold: float = 0.3,
    columns: int = 2,
) -> np.ndarray:
    """Draw pairs of pictures: detections on the left, ground truth on the right.

    Args:
        entries: The pictures, of any sizes.
        class_names: Names by label.
        score_threshold: Detections with a lower score are left out.
        columns: Pairs side by side.

    Returns:
        (H, W, 3) uint8 BGR.

    Raises:
        DataError: There is no entry.
    """
    if not entries:
        raise DataError("There is no image to draw a grid of; check the dataset.")
    pairs = [_draw_pair(entry, class_names, score_threshold) for entry in entries]
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
    class_names: Sequence[str],
    score_threshold: float = 0.3,
    columns: int = 2,
) -> Path:
    """Write :func:`draw_grid` to a PNG file and return its path.

    Raises:
        DataError: There is no entry, or the file cannot be written.
    """
    path = Path(path)
    _, encoded = cv2.imencode(
        ".png", draw_grid(entries, class_names, score_threshold, columns)
    )
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(encoded.tobytes())
    except OSError as error:
        raise DataError(
            f"The picture grid cannot be written to {path} ({error.strerror})."
        ) from error
    return path


def write_detector_grid(
    detector: "nn.Module",
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
        path: The PNG file.
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
    class_names = dataset.metainfo["classes"]
    was_training = detector.training
    detector.eval()
    entries = []
    with torch.no_grad():
        for index in indices:
            sample = dataset[int(index)]
            info = dataset.get_data_info(int(index))
            (result,) = detector.test_step(pseudo_collate([sample]))
            entries.append(_entry(info, shown_in(result), dataset.metainfo))
    detector.train(was_training)
    return write_grid(path, entries, class_names, score_threshold)


def _entry(info: dict, found: Boxes | PanopticMap, metainfo: dict) -> GridEntry:
    # Straight from the annotation, so that the truth shown is not what a pipeline made
    # of it; detections are in the pixels of the original image too.
    image = cv2.imread(info["img_path"], cv2.IMREAD_COLOR)
    if image is None:
        raise DataError(f"The image {info['img_path']} cannot be read.")
    if isinstance(found, PanopticMap):
        truth = true_panoptic_map(info, len(metainfo["thing_classes"]))
    else:
        truth = true_boxes(info, image.shape[:2], with_masks=found.masks is not None)
    return GridEntry(image, found, truth, Path(info["img_path"]).name)


def _draw_pair(
    entry: GridEntry, class_names: Sequence[str], score_threshold: float
) -> np.ndarray:
    factor = max(1.0, MIN_SIDE / max(entry.image.shape[:2]))
    panels = []
    for what, shown in (
        ("detected", entry.detections),
        ("ground truth", entry.ground_truth),
    ):
        image, shown = _enlarge(entry.image, shown, factor)
        panel = draw_shown(image, shown, class_names, score_threshold)
        panels.append(_caption(panel, what))
    pair = _join(panels, axis=1)
    return _caption(pair, entry.title) if entry.title else pair


def _enlarge(
    image: np.ndarray, shown: Boxes | PanopticMap, factor: float
) -> tuple[np.ndarray, Boxes | PanopticMap]:
    height, width = image.shape[:2]
    size = (round(width * factor), round(height * factor))
    enlarged = cv2.resize(image, size, interpolation=cv2.INTER_CUBIC)
    if isinstance(shown, PanopticMap):
        return enlarged, PanopticMap(_enlarge_map(shown.ids.astype(np.int32), size))
    masks = shown.masks
    if masks is not None:
        masks = [_enlarge_map(np.asarray(mask, np.uint8), size) for mask in masks]
    boxes = np.asarray(shown.boxes, dtype=float).reshape(-1, 4) * factor
    return enlarged, Boxes(boxes, shown.labels, shown.scores, masks)


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
