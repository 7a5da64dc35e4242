"""Running a trained detector on pictures."""

from __future__ import annotations

import copy
import json
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from mmcv.transforms import Compose
from mmdet.apis import inference_detector
from mmdet.registry import DATASETS, MODELS
from mmengine.config import Config
from torch import nn

from ..configuration import Options, apply_options
from ..configuration.config_files import read_config
from ..configuration.config_text import config_from_text
from ..configuration.console import tell
from ..errors import CheckpointError, OptionError
from ..evaluation.detection_grid import draw_detections
from .detector_checkpoint import check_fit, read_detector_weights
from .finished_folder import finished_folder
from .image_sources import ImageFiles, VideoFrames, open_source
from .status_line import StatusLine, plain_duration

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

    def detect(self, pixels: np.ndarray) -> dict[str, np.ndarray]:
        """Detect on one picture.

        Args:
            pixels: (H, W, 3) uint8 BGR.

        Returns:
            ``boxes`` (N, 4) corners x1, y1, x2, y2 in pixels, ``labels`` (N,) and
            ``scores`` (N,), best first; ``masks`` (N, H, W) where the model has them.
        """
        sample = inference_detector(self.model, pixels, test_pipeline=self.pipeline)
        found = sample.pred_instances.cpu().numpy()
        order = np.argsort(-found.scores, kind="stable")
        result = {
            "boxes": found.bboxes[order],
            "labels": found.labels[order],
            "scores": found.scores[order],
        }
        if "masks" in found:
            result["masks"] = found.masks[order]
        return result


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
    weights, meta = read_detector_weights(checkpoint)
    cfg = read_config(config) if config is not None else _stored(meta, checkpoint)
    class_names = _class_names(meta, cfg)
    apply_options(cfg, options or Options(), training=training)
    model = MODELS.build(copy.deepcopy(cfg.model))
    check_fit(model, weights, checkpoint)
    model.load_state_dict(weights, strict=False)  # strict but for BN's counters
    device = device or ("cuda:0" if torch.cuda.is_available() else "cpu")
    try:
        model.to(device)
    except (RuntimeError, AssertionError) as error:
        raise OptionError(f"--device {device} is not available here.") from error
    model.eval()
    model.cfg = cfg
    return Detector(model, class_names, _pipeline(cfg))


def detect_all(
    detector: Detector,
    source: str,
    out_dir: str | os.PathLike,
    score_threshold: float = 0.3,
    max_frames: int | None = None,
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

    Returns:
        The JSON file: a list of ``{"image" or "frame", "width", "height",
        "detections": [{"class", "label", "score", "bbox": [x1, y1, x2, y2]}]}``.

    Raises:
        DataError: The source, or one of its pictures, cannot be read.
    """
    pictures = open_source(source)
    if not pictures.is_video:
        _refuse_overwriting(Path(out_dir), pictures.root)
    with finished_folder(out_dir) as folder:
        writer = _VideoWriter(folder, pictures) if pictures.is_video else None
        line, results, started = StatusLine(), [], time.monotonic()
        try:
            for picture in pictures:
                found = detector.detect(picture.pixels)
                results.append(_as_json(picture, found, detector, score_threshold))
                drawn = _draw(picture.pixels, found, detector, score_threshold)
                if writer is not None:
                    writer.write(drawn)
                else:
                    _write_image(folder / str(picture.name), drawn)
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
    count = sum(len(one["detections"]) for one in results)
    rate = len(results) / max(time.monotonic() - started, 1e-9)
    target = Path(out_dir).expanduser() / RESULTS_NAME
    tell(
        f"{count} detections on {len(results)} pictures, {rate:.1f} images/s "
        f"(reading and drawing included): {target}"
    )
    return target


def _refuse_overwriting(out_dir: Path, folder: Path) -> None:
    if out_dir.expanduser().resolve() == folder.resolve():
        raise OptionError(
            f"--out {out_dir} is the folder of the pictures themselves; name another."
        )


def _stored(meta: Mapping[str, Any], checkpoint: str | os.PathLike) -> Config:
    text = meta.get("cfg")
    if not isinstance(text, str):
        raise CheckpointError(
            f"{checkpoint} carries no config; pass the one it was trained with as "
            f"--config."
        )
    return Config(config_from_text(text), filename=None)


def _class_names(meta: Mapping[str, Any], cfg: Config) -> tuple[str, ...]:
    """Take the checkpoint's class names, or else those of the config's dataset."""
    stored = meta.get("dataset_meta")
    stored = {str(k).lower(): v for k, v in stored.items()} if stored else {}
    if stored.get("classes"):
        return tuple(stored["classes"])
    loader = cfg.get("test_dataloader") or {}
    dataset = loader.get("dataset") or {}
    classes = (dataset.get("metainfo") or {}).get("classes")
    if classes is None and isinstance(dataset.get("type"), str):
        kind = DATASETS.get(dataset["type"])
        classes = (getattr(kind, "METAINFO", None) or {}).get("classes")
    if classes is None:
        raise OptionError(
            "Neither the checkpoint nor the config names the classes; set "
            "test_dataloader.dataset.metainfo.classes."
        )
    return (classes,) if isinstance(classes, str) else tuple(classes)


def _pipeline(cfg: Config) -> Compose:
    loader = cfg.get("test_dataloader")
    if loader is None:
        raise OptionError("The config has no test_dataloader to take a pipeline from.")
    dataset = loader["dataset"]
    while "pipeline" not in dataset and "dataset" in dataset:
        dataset = dataset["dataset"]
    steps = [
        step
        for step in copy.deepcopy(list(dataset["pipeline"]))
        if not str(step["type"]).endswith("LoadAnnotations")
    ]
    steps[0] = dict(type="mmdet.LoadImageFromNDArray")
    return Compose(steps)


def _as_json(
    picture: Any, found: Mapping[str, np.ndarray], detector: Detector, threshold: float
) -> dict[str, Any]:
    height, width = picture.pixels.shape[:2]
    key = "frame" if isinstance(picture.name, int) else "image"
    return {
        key: picture.name,
        "width": width,
        "height": height,
        "detections": [
            {
                "class": detector.class_names[label],
                "label": int(label),
                "score": round(float(score), 4),
                "bbox": [round(float(edge), 2) for edge in box],
            }
            for box, label, score in zip(
                found["boxes"], found["labels"], found["scores"], strict=True
            )
            if score >= threshold
        ],
    }


def _draw(
    pixels: np.ndarray,
    found: Mapping[str, np.ndarray],
    detector: Detector,
    threshold: float,
) -> np.ndarray:
    return draw_detections(
        pixels,
        found["boxes"],
        found["labels"],
        found["scores"],
        detector.class_names,
        threshold,
        found.get("masks"),
    )


def _write_image(path: Path, pixels: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), pixels)


def _progress(done: int, total: int | None, started: float) -> str:
    elapsed = time.monotonic() - started
    text = f"{done}{f'/{total}' if total else ''} images"
    text += f"  {done / max(elapsed, 1e-9):.1f} images/s"
    if total:
        text += f"  ETA {plain_duration(elapsed / done * (total - done))}"
    return text


class _VideoWriter:
    """Writes frames as MP4; the size is that of the first frame."""

    def __init__(self, folder: Path, source: ImageFiles | VideoFrames):
        stem = f"camera{source.source}"
        if isinstance(source.source, Path):
            stem = source.source.stem
        self._path = str(folder / f"{stem}.mp4")
        self._rate = source.rate
        self._writer: cv2.VideoWriter | None = None

    def write(self, frame: np.ndarray) -> None:
        if self._writer is None:
            height, width = frame.shape[:2]
            code = cv2.VideoWriter_fourcc(*"mp4v")
            self._writer = cv2.VideoWriter(
                self._path, code, self._rate, (width, height)
            )
        self._writer.write(frame)

    def release(self) -> None:
        if self._writer is not None:
            self._writer.release()
