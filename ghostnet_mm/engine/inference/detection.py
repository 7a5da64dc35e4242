"""Running a trained detector on pictures."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from ghostnet_runtime import Detections
from ghostnet_runtime.picture_detector import UNKNOWN_SIDE
from ghostnet_runtime.picture_results import Finding
from ghostnet_runtime.picture_writing import write_picture
from mmcv.transforms import Compose
from mmdet.apis import inference_detector
from mmdet.registry import MODELS
from mmengine.config import Config

from ...configuration import Options
from ...configuration.model.task_scopes import OPTIONAL_SCOPES, scope_of
from ...errors import OptionError
from ...evaluation.panoptic_map import coco_png
from ...evaluation.predictions import PanopticMap, found_in
from .stored_model import (
    class_descriptions,
    class_names,
    read_stored_model,
    steps_without_labels,
)

if TYPE_CHECKING:
    from mmdet.models import BaseDetector


@dataclass(frozen=True)
class TrainedDetector:
    """A detector ready for pictures.

    Attributes:
        model: mmdet's detector with its weights, in eval mode.
        class_names: Names by label.
        pipeline: Turns ``dict(img=..., img_id=...)`` into the model's inputs.
        input_side: The shorter side that it resizes pictures to, in pixels.
    """

    model: BaseDetector
    class_names: tuple[str, ...]
    pipeline: Compose
    input_side: int = UNKNOWN_SIDE

    def detect(self, pixels: np.ndarray) -> Detections | PanopticMap:
        """Detect on one picture.

        Args:
            pixels: (H, W, 3) uint8 BGR.

        Returns:
            Objects, best first, with masks where the model has them; from a panoptic
            model its map.
        """
        sample = inference_detector(self.model, pixels, test_pipeline=self.pipeline)
        return found_in(sample, self.class_names)


def load_detector(
    checkpoint: str | os.PathLike,
    config: str | os.PathLike | None = None,
    options: Options | None = None,
    device: str | None = None,
    training: bool = False,
) -> TrainedDetector:
    """Load a detector from a checkpoint of ``ghostnet train``.

    Args:
        checkpoint: The weights; they must fit in full.
        config: The config; the default is the one that the checkpoint carries, read
            as data, never executed.
        options: Changes to the config.
        device: Such as ``cuda:0``; the default is the first GPU, or the CPU.
        training: Whether ``options.data_root`` is needed for the training split too.

    Raises:
        CheckpointError: The checkpoint is unusable or of another architecture.
        OptionError: The config or an option is impossible.
    """
    stored = read_stored_model(checkpoint, config)
    cfg = stored.cfg
    if scope_of(cfg) in OPTIONAL_SCOPES:
        raise OptionError(
            f"{checkpoint} is not a detector's; use ghostnet segment for semantic "
            f"segmentation and ghostnet test for a classifier."
        )
    names = class_names(class_descriptions(stored))
    model = stored.build(MODELS.build, options, device, training=training)
    model.cfg = cfg
    return TrainedDetector(model, names, picture_pipeline(cfg), _input_side(cfg))


def picture_pipeline(cfg: Config) -> Compose:
    """Build the test pipeline for pictures in memory.

    Raises:
        OptionError: The config has none.
    """
    steps = [dict(type="mmdet.LoadImageFromNDArray"), *steps_without_labels(cfg)[1:]]
    return Compose(steps)


def _input_side(cfg: Config) -> int:
    scales = [step["scale"] for step in steps_without_labels(cfg) if "scale" in step]
    known = [scale for scale in scales if isinstance(scale, Sequence)]
    return int(min(known[0])) if known else UNKNOWN_SIDE


def write_panoptic_png(found: Finding, target: Path) -> None:
    """Write a panoptic map in COCO's format beside its picture, for `detect_all`.

    Args:
        found: What was found in the picture.
        target: The picture; ``.panoptic.png`` is added to its name.

    Raises:
        OptionError: The model has no panoptic map.
    """
    if not isinstance(found, PanopticMap):
        raise OptionError(
            "--panoptic-png needs a panoptic model, and this one finds objects only; "
            "their masks are in the JSON file."
        )
    path = target.with_name(f"{target.name}.panoptic.png")
    write_picture(path, coco_png(found.ids, len(found.names)))
