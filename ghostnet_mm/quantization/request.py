"""What is asked of a quantization."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from ..export.card.accuracy import LabelledPictures
from ..export.card.deploy_card import MAIN_METRICS
from .output_error import OutputError
from .runtimes.registry import DEFAULT_RUNTIMES

# Entropy takes long and is made for classifiers: only on request.
DEFAULT_METHODS = ("minmax", "percentile")


@dataclass(frozen=True)
class Goal:
    """What the result may lose.

    Attributes:
        points: Of mAP, 0 to 100.
        error: Of the outputs, where there are no labels.
        times_faster: Than FP32; only reported, the search does not stop for it.
    """

    points: float = 1.0
    error: float = 0.05
    times_faster: float = 1.5

    def in_words(self, labelled: bool) -> str:
        """Return the goal as words."""
        accuracy = f"at most {self.error:g} output error"
        if labelled:
            accuracy = f"mAP within {self.points:g} points of FP32"
        return f"{accuracy} and {self.times_faster:g} times its speed"

    def is_met(
        self,
        reference: Mapping[str, float],
        metrics: Mapping[str, float],
        error: OutputError,
    ) -> bool:
        """Whether a file is accurate enough.

        Args:
            reference: COCO scores of the file in float; empty without labels.
            metrics: Those of the other.
            error: Of its outputs; it counts where there are no scores.
        """
        lost = [
            100 * (reference[name] - metrics[name])
            for name in MAIN_METRICS
            if name in reference
        ]
        # mmdet rounds scores to three decimals.
        return max(lost) <= self.points + 1e-6 if lost else error.total <= self.error


@dataclass(frozen=True)
class QuantizationRequest:
    """What to quantize and how to judge it.

    Attributes:
        calibration: Pictures, (H, W, 3) uint8 BGR.
        labelled: Pictures with labels for mAP; ``None`` judges by the output error.
        runtimes: Names of `runtimes.QUANTIZERS`.
        goal: What the result may lose.
        size: Height and width of the input in place of the config's.
        float_names: Layers or blocks that stay in float in any case.
        methods: Ways to choose the ranges of activations that are tried.
        ranking_pictures: How many calibration pictures rank the blocks.
        rounds: Timed rounds; 0 for no latency, and no search by speed.
        threads: Of every runtime.
    """

    calibration: Sequence[np.ndarray]
    labelled: LabelledPictures | None = None
    runtimes: Sequence[str] = DEFAULT_RUNTIMES
    goal: Goal = field(default_factory=Goal)
    size: tuple[int, int] | None = None
    float_names: Sequence[str] = ()
    methods: Sequence[str] = DEFAULT_METHODS
    ranking_pictures: int = 16
    rounds: int = 50
    threads: int | None = None
