"""Running a trained detector on pictures."""

from __future__ import annotations

import copy
import json
import os
import time
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from mmcv.transforms import Compose
from mmdet.apis import inference_detector
from mmdet.registry import MODELS
from mmengine.config import Config
from torch import nn

from ..configuration import Options, apply_options
from ..configuration.console import tell
from ..configuration.task_scopes import OPTIONAL_SCOPES, scope_of
from ..errors import OptionError
from ..evaluation.panoptic_map import coco_png
from ..evaluation.shown_objects import Boxes, PanopticMap, draw_shown, shown_in
from .detection_json import picture_entry
from .finished_folder import finished_folder, refuse_overwriting
from .image_sources import Picture, open_source
from .status_line import StatusLine, plain_duration
from .stored_model import (
    class_descriptions,
    class_names,
    read_stored_model,
    steps_without_labels,
)
from .video_writer import VideoWriter

RESULTS_NAME = "detections.json"


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

    The files appear in ``out_dir`` when everything is done; nothing is left behind by
    an error. Ctrl-C ends a video or a camera early and keeps what was done.

    Args:
        detector: The detector.
        source: An image, a folder, a video file, or a camera's index.
        out_dir: Where to write.
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
    pictures = open_source(source)
    if not pictures.is_video:
        refuse_overwriting(out_dir, pictures.root)
    with finished_folder(out_dir) as folder:
        writer = VideoWriter(folder, pictures) if pictures.is_video else None
        line, results, started = StatusLine(), [], time.monotonic()
        try:
            for picture in pictures:
                found = detector.detect(picture.pixels)
                names = detector.class_names
                results.append(picture_entry(picture, found, names, score_threshold))
                drawn = draw_shown(picture.pixels, found, names, score_threshold)
                if writer is not None:
                    writer.write(drawn)
                else:
                    _write_image(folder / str(picture.name), drawn)
                if panoptic_png:
                    _write_panoptic_png(folder, picture, found, len(names))
                is_last = len(results) in (max_frames, pictures.total)
                if line.is_due() or is_last:
                    line.show(_progress(len(results), pictures.total, started))
                if len(results) == max_frames:
                    break
        except KeyboardInterrupt:
            if not pictures.is_video:
                raise
        finally:
            if writer is not None:
                writer.release()
        (folder / RESULTS_NAME).write_text(
            json.dumps(results, indent=1), encoding="utf-8"
        )
    line.clear()
    is_panoptic = any("segments" in one for one in results)
    kind = "segments" if is_panoptic else "detections"
    count = sum(len(one[kind]) for one in results)
    rate = len(results) / max(time.monotonic() - started, 1e-9)
    target = Path(out_dir).expanduser() / RESULTS_NAME
    tell(
        f"{count} {kind} on {len(results)} pictures, {rate:.1f} images/s "
        f"(reading and drawing included): {target}"
    )
    return target


def _write_image(path: Path, pixels: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), pixels)


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
    _write_image(target, coco_png(found.ids, num_classes))


def _progress(done: int, total: int | None, started: float) -> str:
    elapsed = time.monotonic() - started
    text = f"{done}{f'/{total}' if total else ''} images"
    text += f"  {done / max(elapsed, 1e-9):.1f} images/s"
    if total:
        text += f"  ETA {plain_duration(elapsed / done * (total - done))}"
    return text
