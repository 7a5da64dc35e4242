"""Running a trained detector on pictures."""

from __future__ import annotations

import copy
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from ghostnet_runtime.picture_results import write_image, write_results
from ghostnet_runtime.picture_sources import Picture
from mmcv.transforms import Compose
from mmdet.apis import inference_detector
from mmdet.registry import MODELS
from mmengine.config import Config
from torch import nn

from ...configuration import Options, apply_options
from ...configuration.model.task_scopes import OPTIONAL_SCOPES, scope_of
from ...errors import OptionError
from ...evaluation.panoptic_map import coco_png
from ...evaluation.shown_objects import Boxes, PanopticMap, draw_shown, shown_in
from .detection_json import picture_entry
from .stored_model import (
    class_descriptions,
    class_names,
    read_stored_model,
    steps_without_labels,
)


@dataclass(frozen=True)
class Detector:
    """A detector ready for pictures.

    Attributes:
        model: mmdet's detector with its weights, in eval mode.
        class_names: Names by label.
        pipeline: Turns ``dict(img=..., img_id=...)`` into the model's inputs.
    """

    model: nn.Module
    class_names: tuple[str, ...]
    pipeline: Compose

    def detect(self, pixels: np.ndarray) -> Boxes | PanopticMap:
        """Detect on one picture.

        Args:
            pixels: (H, W, 3) uint8 BGR.

        Returns:
            Boxes, best first, with masks where the model has them; from a panoptic
            model its map.
        """
        sample = inference_detector(self.model, pixels, test_pipeline=self.pipeline)
        return shown_in(sample)


def load_detector(
    checkpoint: str | os.PathLike,
    config: str | os.PathLike | None = None,
    options: Options | None = None,
    device: str | None = None,
    training: bool = False,
) -> Detector:
    """Load a detector from a checkpoint of ``tools/train.py``.

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
            f"{checkpoint} is not a detector's; use tools/segment.py for semantic "
            f"segmentation and tools/test.py for a classifier."
        )
    names = class_names(class_descriptions(stored))
    apply_options(cfg, options or Options(), training=training)
    model = MODELS.build(copy.deepcopy(cfg.model))
    stored.load_into(model, device)
    model.cfg = cfg
    return Detector(model, names, picture_pipeline(cfg))


def picture_pipeline(cfg: Config) -> Compose:
    """Build the test pipeline for pictures in memory.

    Raises:
        OptionError: The config has none.
    """
    steps = [dict(type="mmdet.LoadImageFromNDArray"), *steps_without_labels(cfg)[1:]]
    return Compose(steps)


def detect_all(
    detector: Detector,
    source: str,
    out_dir: str | os.PathLike,
    score_threshold: float = 0.3,
    max_frames: int | None = None,
    panoptic_png: bool = False,
) -> Path:
    """Detect on a source, and write annotated pictures or a video, and one JSON file.

    Args:
        detector: The detector.
        source: An image, a folder, a video file, or a camera's index.
        out_dir: Where to write; see `write_results`.
        score_threshold: Detections with a lower score are left out.
        max_frames: Stop after so many pictures.
        panoptic_png: Also write each panoptic map in COCO's format, as
            ``street.jpg.panoptic.png`` or ``frame_000000.panoptic.png``.

    Returns:
        The JSON file: a list with an entry of `picture_entry` for each picture.

    Raises:
        OptionError: ``panoptic_png`` was asked of a model without a panoptic map.
        DataError: The source, or one of its pictures, cannot be read.
    """
    names = detector.class_names

    def detect(picture: Picture, folder: Path) -> tuple[dict[str, Any], np.ndarray]:
        found = detector.detect(picture.pixels)
        if panoptic_png:
            _write_panoptic_png(folder, picture, found, len(names))
        drawn = draw_shown(picture.pixels, found, names, score_threshold)
        return picture_entry(picture, found, names, score_threshold), drawn

    return write_results(detect, source, out_dir, max_frames)


def _write_panoptic_png(
    folder: Path, picture: Picture, found: Boxes | PanopticMap, num_classes: int
) -> None:
    if not isinstance(found, PanopticMap):
        raise OptionError(
            "--panoptic-png needs a panoptic model, and this one finds objects only; "
            "their masks are in the JSON file."
        )
    is_frame = isinstance(picture.name, int)
    name = f"frame_{picture.name:06d}" if is_frame else str(picture.name)
    target = folder / f"{name}.panoptic.png"
    write_image(target, coco_png(found.ids, num_classes))
