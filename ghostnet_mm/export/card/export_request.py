"""What to export, and how to prove it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from ..formats.base import ExportOptions
from .accuracy import LabelledPictures
from .deploy_card import Tolerances


@dataclass(frozen=True)
class ExportRequest:
    """What to export and how to prove it.

    Attributes:
        formats: Names of `registry.FORMATS`; ``None`` for all that are installed.
        size: Height and width of the input in place of the config's.
        options: For the formats that take them.
        concat_free: One of `concat_free_choice.MODES`.
        pictures: Real pictures for the differences, (H, W, 3) uint8 BGR.
        labelled: Pictures with labels for the COCO scores; ``None`` for none.
        rounds: Timed rounds; 0 for no latency.
        threads: Of every runtime.
        tolerances: Differences beyond these are failures.
    """

    formats: Sequence[str] | None
    pictures: Sequence[np.ndarray]
    labelled: LabelledPictures | None = None
    size: tuple[int, int] | None = None
    options: ExportOptions = field(default_factory=ExportOptions)
    concat_free: str = "none"
    rounds: int = 50
    threads: int | None = None
    tolerances: Tolerances = field(default_factory=Tolerances)
