"""Draw detections on a picture, and a grid of detections beside their ground truth."""

import colorsys
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np

from ..errors import DataError

if TYPE_CHECKING:
    from mmdet.datasets import BaseDetDataset
    from torch import nn

# Smaller pictures are enlarged to this longer side, so that labels stay readable.
MIN_SIDE = 480
MASK_OPACITY = 0.45
CAPTION_HEIGHT = 28
GAP = 8
FONT = cv2.FONT_HERSHEY_SIMPLEX
PAPER = (255, 255, 255)


@dataclass(frozen=True)
class Boxes:
    """What is drawn on one picture."""

    boxes: np.ndarray  # (N, 4) x1, y1, x2, y2 in pixels of the picture
    labels: np.ndarray  # (N,) int, index into the class names
    scores: np.ndarray | None = None  # (N,) 0 to 1; None for ground truth
    masks: np.ndarray | None = None  # (N, H, W) bool


@dataclass(frozen=True)
class GridEntry:
    """A picture with what was found in it and what is in it."""

    image: np.ndarray  # (H, W, 3) uint8 BGR
    detections: Boxes
    ground_truth: Boxes
    title: str = ""


def draw_detections(
    image: np.ndarray,
    boxes: np.ndarray,
    labels: np.ndarray,
    scores: np.ndarray | None,
    class_names: Sequence[str],
    score_threshold: float = 0.3,
    masks: np.ndarray | None = None,
) -> np.ndarray:
    """Draw boxes with class names and scores, the best detections on top.

    Lines and letters grow with the picture. The input is left as it is.

    Args:
        image: (H, W, 3) uint8 BGR.
        boxes: (N, 4) corners x1, y1, x2, y2 in pixels.
        labels: (N,) indices into ``class_names``.
        scores: (N,) from 0 to 1, or ``None`` for ground truth.
        class_names: Names by label.
        score_threshold: Detections with a lower score are left out.
        masks: (N, H, W) bool, drawn as a tint.

    Returns:
        (H, W, 3) uint8 BGR.
    """
    canvas = np.ascontiguousarray(image).copy()
    boxes = np.asarray(boxes, dtype=np.float64).reshape(-1, 4)
    labels = np.asarray(labels, dtype=np.int64).reshape(-1)
    if scores is None:
        order = np.arange(len(boxes))
    else:
        scores = np.asarray(scores, dtype=np.float64).reshape(-1)
        order = np.argsort(scores, kind="stable")
        order = order[scores[order] >= score_threshold]
    if masks is not None:
        for i in order:
            _tint(canvas, np.asarray(masks[i], dtype=bool), class_colour(labels[i]))
    thickness = max(1, round(min(canvas.shape[:2]) / 250))
    for i in order:
        _draw_box(canvas, boxes[i], class_colour(labels[i]), thickness)
    for i in order:
        text = class_names[labels[i]]
        if scores is not None:
            text = f"{text} {scores[i]:.2f}"
        _draw_label(canvas, boxes[i], text, class_colour(labels[i]))
    return canvas


def class_colour(label: int) -> tuple[int, int, int]:
    """Return the BGR colour of a class: neighbouring labels differ clearly."""
    # Steps of the golden ratio spread any number of hues over the circle.
    hue = (0.33 + int(label) * 0.618034) % 1.0
    value = (1.0, 0.8)[int(label) // 8 % 2]
    red, green, blue = colorsys.hsv_to_rgb(hue, 0.9, value)
    return round(255 * blue), round(255 * green), round(255 * red)


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
            entries.append(_entry(info, result.pred_instances.cpu().numpy()))
    detector.train(was_training)
    return write_grid(path, entries, class_names, score_threshold)


def _entry(info: dict, predicted) -> GridEntry:
    # Straight from the annotation, so that the truth shown is not what a pipeline made
    # of it; detections are in the pixels of the original image too.
    image = cv2.imread(info["img_path"], cv2.IMREAD_COLOR)
    if image is None:
        raise DataError(f"The image {info['img_path']} cannot be read.")
    instances = [i for i in info["instances"] if not i.get("ignore_flag")]
    truth = Boxes(
        np.array([i["bbox"] for i in instances], dtype=float).reshape(-1, 4),
        np.array([i["bbox_label"] for i in instances], dtype=int),
    )
    masks = predicted.masks if "masks" in predicted else None
    found = Boxes(predicted.bboxes, predicted.labels, predicted.scores, masks)
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
        panel = draw_detections(
            image,
            shown.boxes,
            shown.labels,
            shown.scores,
            class_names,
            score_threshold,
            shown.masks,
        )
        panels.append(_caption(panel, what))
    pair = _join(panels, axis=1)
    return _caption(pair, entry.title) if entry.title else pair


def _enlarge(
    image: np.ndarray, shown: Boxes, factor: float
) -> tuple[np.ndarray, Boxes]:
    height, width = image.shape[:2]
    size = (round(width * factor), round(height * factor))
    masks = shown.masks
    if masks is not None:
        masks = [
            cv2.resize(np.asarray(m, np.uint8), size, interpolation=cv2.INTER_NEAREST)
            for m in masks
        ]
    boxes = np.asarray(shown.boxes, dtype=float).reshape(-1, 4) * factor
    enlarged = cv2.resize(image, size, interpolation=cv2.INTER_CUBIC)
    return enlarged, Boxes(boxes, shown.labels, shown.scores, masks)


def _tint(canvas: np.ndarray, mask: np.ndarray, colour: tuple[int, int, int]) -> None:
    tint = np.array(colour, dtype=float)
    canvas[mask] = ((1 - MASK_OPACITY) * canvas[mask] + MASK_OPACITY * tint).astype(
        np.uint8
    )


def _draw_box(
    canvas: np.ndarray,
    box: np.ndarray,
    colour: tuple[int, int, int],
    thickness: int,
) -> None:
    # A dark rim keeps the line visible on a background of its own colour.
    x1, y1, x2, y2 = (round(value) for value in box)
    cv2.rectangle(canvas, (x1, y1), (x2 - 1, y2 - 1), (0, 0, 0), thickness + 2)
    cv2.rectangle(canvas, (x1, y1), (x2 - 1, y2 - 1), colour, thickness)


def _draw_label(
    canvas: np.ndarray, box: np.ndarray, text: str, colour: tuple[int, int, int]
) -> None:
    """Write on a plate above the box, or inside it at the picture's upper edge."""
    scale = max(0.4, min(canvas.shape[:2]) / 1000)
    weight = max(1, round(scale * 1.6))
    (width, height), baseline = cv2.getTextSize(text, FONT, scale, weight)
    plate_height = height + baseline + 2
    left = int(np.clip(round(box[0]), 0, max(canvas.shape[1] - width - 4, 0)))
    top = round(box[1]) - plate_height
    if top < 0:
        top = max(round(box[1]), 0)
    corner = (left + width + 4, top + plate_height)
    cv2.rectangle(canvas, (left, top), corner, colour, cv2.FILLED)
    luma = 0.114 * colour[0] + 0.587 * colour[1] + 0.299 * colour[2]
    ink = (0, 0, 0) if luma > 110 else (255, 255, 255)
    origin = (left + 2, top + height + 1)
    cv2.putText(canvas, text, origin, FONT, scale, ink, weight, cv2.LINE_AA)


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
