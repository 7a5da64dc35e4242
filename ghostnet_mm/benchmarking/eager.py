"""Detectors in eager PyTorch, as functions to time."""

import contextlib
import copy
import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import cv2
import numpy as np
import torch
from mmdet.registry import MODELS
from mmengine.config import Config
from mmengine.model import BaseModel

from ..configuration import Options, load_config
from ..configuration.data.input_size import set_test_size
from ..configuration.model.task_scopes import DETECTION, scope_of
from ..engine.inference.detection import load_detector, picture_pipeline
from ..errors import OptionError
from ..fusion.deploy_form import deploy_form
from ..measuring.detector_complexity import (
    model_channels,
    network_pass_on,
    test_size,
)
from .candidates import DEPLOYED, BenchmarkCandidate


@dataclass(frozen=True)
class EagerDetector:
    """A model of mmdet, ready to be timed.

    Attributes:
        model: In eval mode.
        cfg: Its config.
        size: Height and width of the network's input in pixels.
    """

    model: BaseModel
    cfg: Config
    size: tuple[int, int]

    @property
    def device(self) -> torch.device:
        """Where the model is."""
        return next(self.model.parameters()).device


def load_eager(
    candidate: BenchmarkCandidate,
    size: Sequence[int] | None = None,
    device: str = "cpu",
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
        model = deploy_form(model)
    if size is None:
        return EagerDetector(model, cfg, test_size(cfg))
    height, width = size
    if min(height, width) < 1:
        raise OptionError(f"--size {height} {width} is not possible: give pixels.")
    set_test_size(cfg, (height, width))
    return EagerDetector(model, cfg, (height, width))


def _model_and_config(
    candidate: BenchmarkCandidate, device: str
) -> tuple[BaseModel, Config]:
    options = Options(cfg_options=candidate.cfg_options)
    weights = candidate.checkpoint if candidate.is_config else candidate.path
    if weights is not None:
        config = candidate.path if candidate.is_config else None
        model: BaseModel = load_detector(weights, config, options, device).model
        return model, model.cfg
    options = replace(options, backbone_weights="none")
    cfg = load_config(candidate.path, options, training=False)
    model = MODELS.build(copy.deepcopy(cfg.model))
    try:
        model.to(device)
    except (RuntimeError, AssertionError) as error:
        raise OptionError(f"--device {device} is not available here.") from error
    model.eval()
    model.cfg = cfg
    return model, cfg


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
    channels, device = model_channels(detector.cfg), detector.device
    images = [_normalized(picture, detector.size, channels) for picture in pictures]
    forward = network_pass_on(detector.model, torch.stack(images).to(device))

    def run() -> object:
        output = forward()
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
        packed = [pipeline(dict(img=picture, img_id=0)) for picture in pictures]
        keys = ("inputs", "data_samples")
        batch = {key: [sample[key] for sample in packed] for key in keys}
        with torch.no_grad():
            results = model.test_step(batch)
        _wait_for(detector.device)
        return results

    return run


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
