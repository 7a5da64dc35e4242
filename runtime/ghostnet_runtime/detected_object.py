"""One object in a picture."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

TRACK = "tracker_id"  # supervision's name


@dataclass(frozen=True, eq=False)
class DetectedObject:
    """One object, as `Detections` give it.

    Attributes:
        box: (4,) corners x1, y1, x2, y2 in pixels of the picture.
        score: From 0 to 1.
        label: Index into the class names.
        name: Of its class.
        mask: (H, W) bool, or ``None`` from a model without masks.
        data: Its row of each further array.
    """

    box: np.ndarray
    score: float
    label: int
    name: str
    mask: np.ndarray | None
    data: Mapping[str, Any]

    @property
    def track(self) -> int | None:
        """Its id in a film that is tracked; None without a track."""
        number = int(self.data.get(TRACK, -1))
        return None if number < 0 else number
