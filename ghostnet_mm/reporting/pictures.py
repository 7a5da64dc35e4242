"""Pictures and charts as ``data:`` addresses, for pages that need no other file."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import matplotlib
import numpy as np
from matplotlib.figure import Figure

COLORS = {"": "#4878a8", "bad": "#b00020"}


@dataclass(frozen=True)
class Bar:
    """A bar of a chart.

    Attributes:
        label: What stands beside it.
        value: Its length.
        part: So much of it is drawn darker; ``None`` for no part.
        kind: ``bad`` or empty.
    """

    label: str
    value: float
    part: float | None = None
    kind: str = ""


def picture_address(pixels: np.ndarray, side: int = 640, quality: int = 85) -> str:
    """Return a picture as a JPEG in an address.

    Args:
        pixels: (H, W, 3) uint8 BGR.
        side: The longer side is made so small, in pixels.
        quality: Of the JPEG, to 100.
    """
    scale = min(1.0, side / max(pixels.shape[:2]))
    small = cv2.resize(pixels, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    _, content = cv2.imencode(".jpg", small, [cv2.IMWRITE_JPEG_QUALITY, quality])
    return _address("image/jpeg", content.tobytes())


def bar_chart(bars: Sequence[Bar], axis: str, digits: int) -> str:
    """Return a chart of bars from top to bottom, as an SVG in an address.

    Args:
        bars: The bars.
        axis: What their length is.
        digits: Decimals of the numbers beside them.
    """
    figure = Figure(figsize=(5.4, 0.8 + 0.34 * len(bars)), layout="constrained")
    panel = figure.subplots()
    places = range(len(bars))
    values = [bar.value for bar in bars]
    drawn = panel.barh(places, values, color=[COLORS[bar.kind] for bar in bars])
    panel.barh(places, [min(bar.part or 0, bar.value) for bar in bars], color="#0007")
    panel.bar_label(drawn, [f"{value:.{digits}f}" for value in values], padding=3)
    panel.set_yticks(places, [bar.label.replace("$", r"\$") for bar in bars])
    panel.invert_yaxis()
    panel.margins(x=0.18)
    panel.set_xlabel(axis)
    panel.spines[["top", "right"]].set_visible(False)
    return figure_address(figure)


def figure_address(figure: Figure) -> str:
    """Return a figure as an SVG in an address; the same figure gives the same."""
    file = io.BytesIO()
    # Letters of the reader's own font are smaller than outlines, and sharper.
    with matplotlib.rc_context(
        {
            "svg.fonttype": "none",
            "svg.hashsalt": "chart",
            "font.family": "sans-serif",
        }
    ):
        figure.savefig(file, format="svg", metadata={"Date": None})
    return _address("image/svg+xml", file.getvalue())


def _address(kind: str, content: bytes) -> str:
    return f"data:{kind};base64,{base64.b64encode(content).decode('ascii')}"
