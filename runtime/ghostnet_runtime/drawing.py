"""Draw detections, boxes and masks, on a picture."""

import colorsys
from collections.abc import Sequence

import cv2
import numpy as np

MASK_OPACITY = 0.45
FONT = cv2.FONT_HERSHEY_SIMPLEX


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
            mask = np.asarray(masks[i], dtype=bool)
            tint(canvas, mask, class_color(labels[i]), MASK_OPACITY)
    thickness = max(1, round(min(canvas.shape[:2]) / 250))
    for i in order:
        _draw_box(canvas, boxes[i], class_color(labels[i]), thickness)
    for i in order:
        text = class_names[labels[i]]
        if scores is not None:
            text = f"{text} {scores[i]:.2f}"
        _draw_label(canvas, boxes[i], text, class_color(labels[i]))
    return canvas


def class_color(label: int) -> tuple[int, int, int]:
    """Return the BGR color of a class: neighbouring labels differ clearly."""
    # Steps of the golden ratio spread any number of hues over the circle.
    hue = (0.33 + int(label) * 0.618034) % 1.0
    value = (1.0, 0.8)[int(label) // 8 % 2]
    red, green, blue = colorsys.hsv_to_rgb(hue, 0.9, value)
    return round(255 * blue), round(255 * green), round(255 * red)


def tint(
    canvas: np.ndarray, mask: np.ndarray, color: tuple[int, int, int], opacity: float
) -> None:
    """Color the pixels of ``mask`` (H, W) in place; ``opacity`` 1 covers them."""
    blended = (1 - opacity) * canvas[mask] + opacity * np.array(color, dtype=float)
    canvas[mask] = blended.astype(np.uint8)


def plate_size(canvas: np.ndarray, text: str) -> tuple[int, int]:
    """Return width and height in pixels of `draw_plate` for a text."""
    scale, weight = _letters(canvas)
    (width, height), baseline = cv2.getTextSize(text, FONT, scale, weight)
    return width + 4, height + baseline + 2


def draw_plate(
    canvas: np.ndarray, left: int, top: int, text: str, color: tuple[int, int, int]
) -> None:
    """Write on a plate of the color, in place; letters grow with the picture."""
    scale, weight = _letters(canvas)
    (width, height), baseline = cv2.getTextSize(text, FONT, scale, weight)
    corner = (left + width + 4, top + height + baseline + 2)
    cv2.rectangle(canvas, (left, top), corner, color, cv2.FILLED)
    luma = 0.114 * color[0] + 0.587 * color[1] + 0.299 * color[2]
    ink = (0, 0, 0) if luma > 110 else (255, 255, 255)
    origin = (left + 2, top + height + 1)
    cv2.putText(canvas, text, origin, FONT, scale, ink, weight, cv2.LINE_AA)


def _letters(canvas: np.ndarray) -> tuple[float, int]:
    """Return the scale and the weight of OpenCV's letters."""
    scale = max(0.4, min(canvas.shape[:2]) / 1000)
    return scale, max(1, round(scale * 1.6))


def _draw_box(
    canvas: np.ndarray,
    box: np.ndarray,
    color: tuple[int, int, int],
    thickness: int,
) -> None:
    # A dark rim keeps the line visible on a background of its own color.
    x1, y1, x2, y2 = (round(value) for value in box)
    cv2.rectangle(canvas, (x1, y1), (x2 - 1, y2 - 1), (0, 0, 0), thickness + 2)
    cv2.rectangle(canvas, (x1, y1), (x2 - 1, y2 - 1), color, thickness)


def _draw_label(
    canvas: np.ndarray, box: np.ndarray, text: str, color: tuple[int, int, int]
) -> None:
    """Write above the box, or inside it at the picture's upper edge."""
    width, height = plate_size(canvas, text)
    left = int(np.clip(round(box[0]), 0, max(canvas.shape[1] - width, 0)))
    top = round(box[1]) - height
    if top < 0:
        top = max(round(box[1]), 0)
    draw_plate(canvas, left, top, text, color)
