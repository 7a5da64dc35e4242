"""Detectors in eager PyTorch, as functions to time."""

import contextlib
import copy
import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import torch
from mmdet.models.detectors.single_stage_instance_seg import (
    SingleStageInstanceSegmentor,
)
from mmdet.registry import MODELS
from mmdet.structures import DetDataSample
from mmengine.config import Config
from mmengine.structures import InstanceData
from torch import nn

from ..configuration import Options, load_config
from ..configuration.data.input_size import set_test_size
from ..configuration.model.task_scopes import DETECTION, scope_of
from ..engine.inference.detection import load_detector, picture_pipeline
from ..errors import OptionError
from ..fusion.deploy_form import deploy_form
from ..measuring.detector_complexity import model_channels, test_size
from .candidates import DEPLOYED, Candidate


@dataclass(frozen=True)
class EagerDetector:
    """A model of mmdet, ready to be timed.

    Attributes:
        model: In eval mode.
        cfg: Its config.
        size: Height and width of the network's input in pixels.
    """

    model: nn.Module
    cfg: Config
    size: tuple[int, int]

    @property
    def device(self) -> torch.device:
        """Where the model is."""
        return next(self.model.parameters()).device


def load_eager(
    candidate: Candidate, size: Sequence[int] | None = None, device: str = "cpu"
) -> EagerDetector:
    """Build or load what a candidate that is not exported describes.

    A config without a checkpoint keeps the random weights of its constructors.

    Args:
        candidate: A config, a config with a checkpoint, or a checkpoint.
        size: Height and width in pixels, in place of the config's test size.
        device: Such as ``cpu`` or ``cuda``.

    Raises:
        UserError: The config, the checkpoint, the size or the device are impossible.
    """
    with contextlib.redirect_stdout(io.StringIO()):  # what a config says when changed
        model, cfg = _model_and_config(candidate, device)
    if candidate.form == DEPLOYED:
        model = fused(model)
    if size is not None:
        height, width = size
        if min(height, width) < 1:
            raise OptionError(f"--size {height} {width} is not possible: give pixels.")
        set_test_size(cfg, (height, width))
    return EagerDetector(model, cfg, tuple(size) if size else test_size(cfg))


def _model_and_config(candidate: Candidate, device: str) -> tuple[nn.Module, Config]:
    config = candidate.path if candidate.is_config else None
    checkpoint = candidate.checkpoint if candidate.is_config else candidate.path
    options = Options(cfg_options=candidate.cfg_options)
    if checkpoint is not None:
        model = load_detector(checkpoint, config, options, device).model
        return model, model.cfg
    options = Options(cfg_options=candidate.cfg_options, backbone_weights="none")
    cfg = load_config(config, options, training=False)
    model = MODELS.build(copy.deepcopy(cfg.model))
    try:
        model.to(device)
    except (RuntimeError, AssertionError) as error:
        raise OptionError(f"--device {device} is not available here.") from error
    model.eval()
    model.cfg = cfg
    return model, cfg


def fused(model: nn.Module) -> nn.Module:
    """Return the deploy form of a model: a fused copy."""
    return deploy_form(model)


def network_run(
    detector: EagerDetector, pictures: Sequence[np.ndarray]
) -> Callable[[], object]:
    """Return a function that runs the network on one batch.

    Decoding and NMS are not part of it, but for the proposals of two stages. Resizing
    and normalizing are done here, once.

    Args:
        detector: The model.
        pictures: The batch, (H, W, 3) uint8 BGR each.
    """
    model, device = detector.model, detector.device
    channels = model_channels(detector.cfg)
    images = torch.stack(
        [_normalized(one, detector.size, channels) for one in pictures]
    ).to(device)
    shapes = ("img_shape", "ori_shape", "batch_input_shape", "pad_shape")
    meta = dict.fromkeys(shapes, detector.size)
    # CenterNet's test pipeline pads on all sides.
    meta.update(scale_factor=(1.0, 1.0), border=np.zeros(4))
    samples = [DetDataSample(metainfo=meta) for _ in pictures]
    for sample in samples:
        sample.gt_instances = InstanceData()
    # mmdet runs the bare network of these only with ground truth, and twice.
    whole = isinstance(model, SingleStageInstanceSegmentor) and model.with_bbox
    mode = "predict" if whole else "tensor"

    def run() -> object:
        with torch.no_grad():
            output = model(images, samples, mode=mode)
        _wait_for(device)
        return output

    return run


def end_to_end_run(
    detector: EagerDetector,
) -> Callable[[Sequence[np.ndarray]], list[Any]]:
    """Return a function from pictures to their predictions, as mmdet infers.

    Raises:
        OptionError: The model is not a detector.
    """
    if scope_of(detector.cfg) != DETECTION:
        raise OptionError(
            "Only detectors are timed from picture to boxes; use --scope network for "
            "other models."
        )
    model, pipeline = detector.model, picture_pipeline(detector.cfg)

    def run(pictures: Sequence[np.ndarray]) -> list[Any]:
        packed = [pipeline(dict(img=one, img_id=0)) for one in pictures]
        batch = {
            key: [one[key] for one in packed] for key in ("inputs", "data_samples")
        }
        with torch.no_grad():
            results = model.test_step(batch)
        _wait_for(detector.device)
        return results

    return run


def with_options(
    candidate: Candidate, changes: Mapping[str, Any], keep_weights: bool = False
) -> Candidate:
    """Return a candidate with more config options.

    Args:
        candidate: A config or a checkpoint.
        changes: Dotted config keys and their new values.
        keep_weights: Whether the checkpoint still fits.
    """
    return Candidate(
        candidate.label,
        candidate.path,
        candidate.checkpoint if keep_weights else None,
        candidate.form,
        {**candidate.cfg_options, **changes},
    )


def _normalized(
    picture: np.ndarray, size: tuple[int, int], channels: int
) -> torch.Tensor:
    """Return a picture of about zero mean and unit deviation, (C, H, W)."""
    resized = cv2.resize(picture, (size[1], size[0])).astype(np.float32)
    resized = (resized - resized.mean()) / max(float(resized.std()), 1e-6)
    repeats = -(-channels // resized.shape[2])
    planes = np.tile(resized, (1, 1, repeats))[..., :channels]
    return torch.from_numpy(np.ascontiguousarray(planes.transpose(2, 0, 1)))


def _wait_for(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
