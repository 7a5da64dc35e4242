"""The heads of segmentors follow the backbone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import nn

from .backbone_channels import image_channels, is_ours, returned_channels
from .head_channels import match_heads

HEADS = ("decode_head", "auxiliary_head")


def match_segmentation_heads(
    model: dict[str, Any], file_model: Mapping[str, Any], backbone: nn.Module
) -> list[str]:
    """Make the heads of a segmentor take the channels of its backbone.

    Only backbones of this package are followed: mmseg's do not all say what they
    return. Where a neck lies between, the heads read the neck.

    Args:
        model: The model's config after all options; changed in place.
        file_model: The model's config as the file has it.
        backbone: The backbone of ``model``; its tensors may be on the meta device.

    Returns:
        One line for each change.

    Raises:
        OptionError: See `match_heads`.
    """
    if not is_ours(model["backbone"].get("type")) or model.get("neck") is not None:
        return []
    channels = returned_channels(backbone, image_channels(model["backbone"]))
    return match_heads(model, file_model, channels, HEADS)
