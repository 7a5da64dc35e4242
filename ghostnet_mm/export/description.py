"""What a program must know to run an exported detector, as a JSON-serializable dict.

Its keys are explained in docs/deploy.md.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import mmdet
import torch
from ghostnet_runtime.description_text import FORMAT
from mmengine.config import Config
from torch import nn

from ..errors import OptionError
from ..version import __version__
from .graph.detection_graph import DetectionGraph
from .graph.resizing import Resizing, read_resizing

# The deepest stride of the package's backbones.
DEEPEST_STRIDE = 32


def describe(
    cfg: Config,
    graph: DetectionGraph,
    class_names: Sequence[str],
    *,
    size: tuple[int, int] | None = None,
    name: str | None = None,
) -> dict[str, Any]:
    """Describe the candidates' form of a graph for inputs of one size and batch 1.

    Args:
        cfg: The detector's config: its ``test_dataloader`` says how pictures are
            resized.
        graph: The graph.
        class_names: Names by label.
        size: Height and width to resize pictures to, in place of the config's.
        name: Of the detector; by default that of the config's file.

    Returns:
        The description. Height and width are None for a config that leaves pictures as
        large as they are, unless ``size`` is given.

    Raises:
        OptionError: The config prepares pictures in a way that is not known here, or
            the network does not take inputs of this size.
    """
    preprocessor = graph.network.data_preprocessor
    divisor = int(preprocessor.pad_size_divisor)
    mean, std = _normalization(preprocessor)
    resizing = read_resizing(cfg, size)
    height, width = resizing.padded_size(divisor)
    levels = _levels(graph, (height, width)) if height is not None else None
    selection = asdict(graph.decoder.selection())
    per_level = selection["per_level"]
    if levels is not None and not per_level:
        levels = [sum(levels)]
    pads_later = resizing.pad == "divisor"
    grey = float(preprocessor.pad_value)
    # mmdet pads what it has normalized already, transforms pad pictures.
    pad_value = (
        [grey * s + m for m, s in zip(mean, std, strict=True)]
        if pads_later
        else list(resizing.pad_value)
    )
    rgb = bool(preprocessor._channel_conversion)
    if not rgb or pads_later:
        ordered = pad_value
    else:
        ordered = pad_value[::-1]
    # What the pipeline itself pads counts as picture.
    fills = not pads_later or fills_input(resizing, (height, width))
    masks = graph.decoder.mask_rules()
    description = {
        "format": FORMAT,
        "task": "instance_segmentation" if masks else "detection",
        "name": name or Path(cfg.filename or "detector").stem,
        "classes": [str(one) for one in class_names],
        "input": {
            "name": "image",
            "form": "tensor",
            "batch": 1,
            "height": height,
            "width": width,
            "size_divisor": divisor if divisor > 1 else DEEPEST_STRIDE,
            "channel_order": "rgb" if rgb else "bgr",
            "mean": mean,
            "std": std,
            "image_sizes": (
                "image_sizes" if graph.takes_image_sizes and not fills else None
            ),
        },
        "resize": {
            "scale": list(resizing.scale) if resizing.scale else None,
            "keep_ratio": resizing.keep_ratio,
            "pad_value": ordered,
            "pad": resizing.pad,
        },
        "outputs": {
            "form": "candidates",
            "names": list(graph.output_names),
            "class_boxes": graph.class_boxes,
            "score_factors": graph.decoder.has_factors,
        },
        "selection": {
            "levels": levels,
            "strides": graph.decoder.strides if per_level else [],
            "priors_per_cell": graph.decoder.priors_per_cell if per_level else [],
            **selection,
        },
        "source": {
            "config": Path(cfg.filename).name if cfg.filename else None,
            "ghostnet_mm": __version__,
            "torch": torch.__version__,
            "mmdet": mmdet.__version__,
        },
    }
    if masks:
        description["masks"] = masks
    return description


def fills_input(resizing: Resizing, size: tuple[int | None, int | None]) -> bool:
    """Whether every picture covers the input of this size, without padding."""
    if resizing.keep_ratio or resizing.scale is None:
        return False
    return (size[1], size[0]) == tuple(resizing.scale)


def _levels(graph: DetectionGraph, size: tuple[int, int]) -> list[int]:
    """Count the candidates of each level."""
    if graph.takes_image_sizes:
        return [graph.decoder.num_proposals]
    counts = graph.decoder.priors_per_cell
    return [
        math.prod(cells) * count
        for cells, count in zip(graph.map_sizes(size), counts, strict=True)
    ]


def _normalization(preprocessor: nn.Module) -> tuple[list[float], list[float]]:
    if not preprocessor._enable_normalize:
        return [0.0] * 3, [1.0] * 3
    both = []
    for one in (preprocessor.mean, preprocessor.std):
        # As written in the config, where single precision would show 123.67500305.
        values = [float(f"{value:.7g}") for value in one.flatten().tolist()]
        both.append(values * 3 if len(values) == 1 else values)
    return both[0], both[1]


def with_dynamic_axes(
    description: Mapping[str, Any], *, batch: bool, size: bool
) -> dict[str, Any]:
    """Return the description of the same graph with free batch or input size."""
    changed = {key: value for key, value in description.items()}
    changed["input"] = dict(description["input"])
    if batch:
        changed["input"]["batch"] = None
    if size:
        changed["input"].update(height=None, width=None)
        changed["selection"] = dict(description["selection"], levels=None)
    if changed["input"]["height"] is None and not size:
        raise OptionError(
            "The config leaves pictures as large as they are: give --size HEIGHT WIDTH."
        )
    return changed
