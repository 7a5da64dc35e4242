"""Draw what a segmentor says about every pixel, with a legend of the classes."""

from collections.abc import Sequence

import cv2
import numpy as np

OPACITY = 0.55
# Smaller pictures are enlarged to this longer side, so that the legend stays readable.
MIN_SIDE = 480
MAX_ENTRIES = 20
LINE_HEIGHT = 24
SWATCH = 16
MARGIN = 10
FONT = cv2.FONT_HERSHEY_SIMPLEX
FONT_SCALE = 0.5
INK = (30, 30, 30)
PAPER = (255, 255, 255)


def draw_semantic(
    pixels: np.ndarray,
    label_map: np.ndarray,
    class_names: Sequence[str],
    palette: Sequence[Sequence[int]],
) -> np.ndarray:
    """Tint every pixel with its class's color and name the classes beside the picture.

    The legend lists the classes that occur, the largest first, with their share of the
    picture, and at most 20 of them. Pixels with a label that names no class, such as
    255 for "ignore", keep their own color and are not in the legend.

    Args:
        pixels: (H, W, 3) uint8 BGR; left as it is.
        label_map: (H, W) integers, indices into ``class_names``.
        class_names: Names by label.
        palette: RGB colors by label, as mmseg's datasets have them.

    Returns:
        uint8 BGR: the picture, enlarged to at least 480 pixels, and the legend on its
        right.

    Raises:
        ValueError: The sizes of the two differ, or there are fewer colors than names.
    """
    label_map = np.asarray(label_map)
    if label_map.shape != pixels.shape[:2]:
        raise ValueError(
            f"label_map is {label_map.shape}, but the picture is {pixels.shape[:2]}"
        )
    if len(palette) < len(class_names):
        raise ValueError(f"{len(palette)} colors for {len(class_names)} classes")
    colors = np.asarray(palette, dtype=np.uint8)[: len(class_names), ::-1]
    known = (label_map >= 0) & (label_map < len(class_names))
    tint = pixels.copy()
    tint[known] = colors[label_map[known]]
    drawn = cv2.addWeighted(tint, OPACITY, pixels, 1 - OPACITY, 0)

    scale = max(1.0, MIN_SIDE / max(drawn.shape[:2]))
    if scale > 1:
        drawn = cv2.resize(
            drawn, None, fx=scale, fy=scale, interpolation=cv2.INTER_CUBIC
        )
    counts = np.bincount(label_map[known], minlength=len(class_names))
    shares = counts / label_map.size
    order = [
        int(label) for label in np.argsort(-counts, kind="stable") if counts[label]
    ]
    entries = [
        (f"{class_names[label]} {_percent(shares[label])}", colors[label])
        for label in order[:MAX_ENTRIES]
    ]
    if len(order) > MAX_ENTRIES:
        entries.append((f"and {len(order) - MAX_ENTRIES} more", None))
    return _beside(drawn, _legend(entries, drawn.shape[0]))


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %" if share >= 0.001 else "< 0.1 %"


def _legend(
    entries: Sequence[tuple[str, np.ndarray | None]], height: int
) -> np.ndarray:
    texts = [text for text, _ in entries]
    widest = max(
        (cv2.getTextSize(text, FONT, FONT_SCALE, 1)[0][0] for text in texts), default=0
    )
    height = max(height, 2 * MARGIN + LINE_HEIGHT * len(entries))
    canvas = np.full((height, widest + SWATCH + 3 * MARGIN, 3), PAPER, np.uint8)
    for index, (text, color) in enumerate(entries):
        top = MARGIN + index * LINE_HEIGHT
        if color is not None:
            corner = (MARGIN + SWATCH, top + SWATCH)
            cv2.rectangle(canvas, (MARGIN, top), corner, color.tolist(), cv2.FILLED)
            cv2.rectangle(canvas, (MARGIN, top), corner, INK, 1)
        origin = (2 * MARGIN + SWATCH, top + SWATCH - 3)
        cv2.putText(canvas, text, origin, FONT, FONT_SCALE, INK, 1, cv2.LINE_AA)
    return canvas


def _beside(picture: np.ndarray, legend: np.ndarray) -> np.ndarray:
    height = max(len(picture), len(legend))
    canvas = np.full((height, picture.shape[1] + legend.shape[1], 3), PAPER, np.uint8)
    canvas[: len(picture), : picture.shape[1]] = picture
    canvas[: len(legend), picture.shape[1] :] = legend
    return canvas
