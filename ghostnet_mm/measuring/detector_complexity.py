"""The cost of the detector that a config describes."""

import math
from collections.abc import Callable, Sequence

import numpy as np
import torch
from mmdet.models.detectors.single_stage_instance_seg import (
    SingleStageInstanceSegmentor,
)
from mmdet.registry import MODELS
from mmdet.structures import DetDataSample
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmengine.structures import InstanceData
from torch import nn

from ..errors import OptionError
from .complexity import PartComplexity, measure_complexity, parts_of_detector

DEFAULT_DIVISOR = 32


def test_size(cfg: Config) -> tuple[int, int]:
    """Return height and width of the largest padded image the config tests with.

    Raises:
        OptionError: When the test pipeline resizes to no fixed scale.
    """
    divisor = cfg.model.get("data_preprocessor", {}).get("pad_size_divisor")
    divisor = divisor or DEFAULT_DIVISOR
    dataloader = cfg.get("test_dataloader") or {}
    for step in dataloader.get("dataset", {}).get("pipeline", []):
        if step["type"] == "Resize" and isinstance(step.get("scale"), list | tuple):
            width, height = step["scale"]
            return (
                math.ceil(height / divisor) * divisor,
                math.ceil(width / divisor) * divisor,
            )
    raise OptionError(
        "The config's test pipeline names no fixed scale: give the image size with "
        "--size HEIGHT WIDTH."
    )


def detector_complexity(
    cfg: Config, size: Sequence[int] | None = None, model: nn.Module | None = None
) -> tuple[tuple[int, int], list[PartComplexity]]:
    """Count the cost of one image.

    Two-stage detectors run their second stage on the proposals that random weights
    make of an empty image, up to the number the config allows.

    Args:
        cfg: The config, with its options applied.
        size: Height and width in pixels; by default the config's test size.
        model: The detector, where it is built already; it should be in eval mode.

    Returns:
        The size and one entry per part of the model, then the total.

    Raises:
        OptionError: For an impossible size.
    """
    init_default_scope("mmdet")
    height, width = tuple(size) if size is not None else test_size(cfg)
    if min(height, width) < 1:
        raise OptionError(f"--size {height} {width} is not possible: give pixels.")
    if model is None:
        model = MODELS.build(cfg.model).eval()
    run = network_pass(model, model_channels(cfg), (height, width))
    return (height, width), measure_complexity(model, run, parts_of_detector(model))


def network_pass(
    model: nn.Module, channels: int, size: tuple[int, int]
) -> Callable[[], object]:
    """Return a function that runs a detector's network on one empty image.

    Decoding and NMS are not part of it, but for the proposals of two stages.

    Args:
        model: An mmdet detector.
        channels: Channels of its images.
        size: Height and width in pixels.
    """
    device = next(model.parameters()).device
    return network_pass_on(model, torch.zeros(1, channels, *size, device=device))


def network_pass_on(model: nn.Module, images: torch.Tensor) -> Callable[[], object]:
    """Return a function that runs a detector's network; see `network_pass`.

    Args:
        model: An mmdet detector.
        images: ``(N, C, H, W)``, on the model's device.
    """
    size = tuple(images.shape[-2:])
    shapes = ("img_shape", "ori_shape", "batch_input_shape", "pad_shape")
    meta: dict[str, object] = dict.fromkeys(shapes, size)
    # CenterNet's test pipeline pads on all sides.
    meta.update(scale_factor=(1.0, 1.0), border=np.zeros(4))
    samples = [DetDataSample(metainfo=meta) for _ in images]
    for sample in samples:
        sample.gt_instances = InstanceData()
    # mmdet runs the bare network of these only with ground truth, and twice.
    whole = isinstance(model, SingleStageInstanceSegmentor) and model.with_bbox

    def run() -> object:
        with torch.no_grad():
            return model(images, samples, mode="predict" if whole else "tensor")

    return run


def model_channels(cfg: Config) -> int:
    """Return the number of image channels that the backbone takes."""
    return int(cfg.model.get("backbone", {}).get("in_channels", 3))
