"""The lines of YOLO's label files."""

from __future__ import annotations

from collections.abc import Mapping

from ...annotations.masks import Mask
from ..numbers import number
from ..shapes import outline, pairs

Row = tuple[int, list[float], Mask | None]


def parse_line(
    line: str, labels: Mapping[str, int], keypoint_values: int | None
) -> Row | None:
    """Return class number, box and mask of a line, in shares of the picture.

    A line is a class and the middle, width and height of its box; a class and the
    points of a polygon, whose box is around it; or a box with values for keypoints
    behind it. A sixth value is a score or a track. A class may be given by its name.

    Args:
        line: The line, not empty.
        labels: Class numbers by name.
        keypoint_values: How many values the keypoints take; ``None`` without any.

    Returns:
        ``None`` for a line that is none of these.
    """
    words = line.replace(",", " ").replace(";", " ").split()
    values = [number(word) for word in words[1:]]
    numbers = [value for value in values if value is not None]
    label = _label(words[0], labels) if words else None
    if label is None or len(numbers) < len(values) or len(numbers) < 4:
        return None
    is_box = len(numbers) in (4, 5) or len(numbers) == 4 + (keypoint_values or 0)
    if is_box:
        x, y, width, height = numbers[:4]
        return label, [x - width / 2, y - height / 2, width, height], None
    if len(numbers) % 2:
        numbers.pop()  # A score behind the polygon.
    if len(numbers) < 6:
        return None
    box, mask = outline(pairs(numbers))
    return label, box, mask


def _label(word: str, labels: Mapping[str, int]) -> int | None:
    value = number(word)
    if value is not None and value.is_integer() and 0 <= value < 2**31:
        return int(value)
    return labels.get(word)
