"""The channels of the maps that a backbone returns, asked of the backbone itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from mmdet.registry import MODELS
from torch import nn

from .building import build_on_meta

PROBE_SIZE = 64

Channels = tuple[int, ...]


def backbone_channels(backbone: Mapping[str, Any]) -> Channels:
    """Return the channels of the maps that a backbone config returns, in its order.

    Raises:
        OptionError: The backbone cannot be built.
    """
    module = build_on_meta(backbone, "model.backbone")
    return returned_channels(module, image_channels(backbone))


def returned_channels(backbone: nn.Module, num_channels: int) -> Channels:
    """Return the channels of the maps that a built backbone returns, in its order.

    Args:
        backbone: The backbone, in eval mode; its tensors may be on the meta device.
        num_channels: Of the images that it takes.
    """
    declared = getattr(backbone, "out_channels", None)
    if isinstance(declared, Sequence):
        return tuple(declared)
    device = next(backbone.parameters()).device
    image = torch.zeros(1, num_channels, PROBE_SIZE, PROBE_SIZE, device=device)
    with torch.no_grad():
        maps = backbone(image)
    maps = maps if isinstance(maps, (list, tuple)) else (maps,)
    return tuple(level.shape[1] for level in maps)


def image_channels(backbone: Mapping[str, Any]) -> int:
    """Return the number of image channels that a backbone config asks for."""
    # Some backbones of mmdet use the name for a list of their own.
    stated = backbone.get("in_channels", 3)
    return stated if isinstance(stated, int) else 3


def is_ours(kind: object) -> bool:
    """Whether a part's ``type``, a name with or without scope, is of this package."""
    if not isinstance(kind, str):
        return False
    found = MODELS.get(kind.removeprefix("mmdet."))
    package = __name__.partition(".")[0]
    return found is not None and found.__module__.partition(".")[0] == package
