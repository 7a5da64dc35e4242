"""Shapes of labelling tools as a box and, where they are more than a box, a mask."""

from __future__ import annotations

import math
from collections.abc import Sequence

from ..annotations.masks import Mask, mask_bounds, polygon_of

Point = tuple[float, float]
# So many corners make a circle: its area is right to 0.2 %.
CORNERS_OF_A_CIRCLE = 60


def box_of_corners(points: Sequence[Point]) -> list[float]:
    """Return left, top, width and height around points."""
    xs, ys = [x for x, _ in points], [y for _, y in points]
    return [min(xs), min(ys), max(xs) - min(xs), max(ys) - min(ys)]


def outline(points: Sequence[Point]) -> tuple[list[float], Mask | None]:
    """Return box and mask of a polygon."""
    mask = polygon_of(points)
    return (box_of_corners(points) if mask is None else list(mask_bounds(mask))), mask


def rotated_rectangle(
    left: float, top: float, width: float, height: float, degrees: float
) -> list[Point]:
    """Return the corners of a rectangle turned clockwise around its middle."""
    x, y = left + width / 2, top + height / 2
    corners = [(-width, -height), (width, -height), (width, height), (-width, height)]
    return [_turned(dx / 2, dy / 2, x, y, degrees) for dx, dy in corners]


def ellipse(
    x: float, y: float, x_radius: float, y_radius: float, degrees: float = 0.0
) -> list[Point]:
    """Return corners of an ellipse around (x, y), turned clockwise."""
    angles = [2 * math.pi * i / CORNERS_OF_A_CIRCLE for i in range(CORNERS_OF_A_CIRCLE)]
    return [
        _turned(x_radius * math.cos(a), y_radius * math.sin(a), x, y, degrees)
        for a in angles
    ]


def pairs(values: Sequence[float]) -> list[Point]:
    """Return x, y, x, y, ... as points; a last odd value is left out."""
    return list(zip(values[0::2], values[1::2], strict=False))


def _turned(dx: float, dy: float, x: float, y: float, degrees: float) -> Point:
    cosine, sine = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    return x + dx * cosine - dy * sine, y + dx * sine + dy * cosine
