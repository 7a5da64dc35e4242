"""Draw objects, boxes and masks, on a picture."""

from __future__ import annotations

import colorsys
from collections.abc import Iterable

import cv2
import numpy as np

from .detected_object import DetectedObject

MASK_OPACITY = 0.45
# Pixels; OpenCV takes no coordinates far beyond.
FARTHEST = 1e6
FONT = cv2.FONT_HERSHEY_SIMPLEX


def draw_objects(
    image: np.ndarray, objects: Iterable[DetectedObject], with_scores: bool = True
) -> np.ndarray:
    """Draw boxes with class names and scores, the best detections on top.

    Lines and letters grow with the picture; masks are a tint. The input is left as it
    is.

    Args:
        image: (H, W, 3) uint8 BGR.
        objects: What to draw, such as `Detections`; masks are (H, W).
        with_scores: Whether scores are written, as they are for no ground truth.

    Returns:
        (H, W, 3) uint8 BGR.
    """
    canvas: np.ndarray = np.ascontiguousarray(image).copy()
    drawn = sorted(objects, key=lambda item: item.score)
    for item in drawn:
        if item.mask is not None:
            tint(canvas, item.mask, class_color(item.label), MASK_OPACITY)
    thickness = max(1, round(min(canvas.shape[:2]) / 250))
    for item in drawn:
        _draw_box(canvas, item.box, class_color(item.label), thickness)
    for item in drawn:
        text = f"{item.name} {item.score:.2f}" if with_scores else item.name
        if item.track is not None:
            text += f" #{item.track}"
        _draw_label(canvas, item.box, text, class_color(item.label))
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
    x1, y1, x2, y2 = (round(float(edge)) for edge in np.clip(box, -FARTHEST, FARTHEST))
    cv2.rectangle(canvas, (x1, y1), (x2 - 1, y2 - 1), (0, 0, 0), thickness + 2)
    cv2.rectangle(canvas, (x1, y1), (x2 - 1, y2 - 1), color, thickness)


def _draw_label(
    canvas: np.ndarray, box: np.ndarray, text: str, color: tuple[int, int, int]
) -> None:
    """Write above the box, or inside it at the picture's upper edge."""
    width, height = plate_size(canvas, text)
    box = np.clip(box, -FARTHEST, FARTHEST)
    left = int(np.clip(round(box[0]), 0, max(canvas.shape[1] - width, 0)))
    top = round(box[1]) - height
    if top < 0:
        top = max(round(box[1]), 0)
    draw_plate(canvas, left, top, text, color)
