"""The head of a classifier follows the backbone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import nn

from .backbone_channels import image_channels, is_ours, returned_channels
from .head_channels import heads_of, match_heads

HEADS = ("head",)
# Necks that hand on as many channels as they get; all others say their in_channels.
POOLING_NECKS = {"GlobalAveragePooling", "GeneralizedMeanPooling"}


def match_classification_heads(
    model: dict[str, Any], file_model: Mapping[str, Any], backbone: nn.Module
) -> list[str]:
    """Make the head of a classifier take the channels of its backbone.

    A head that has the backbone's ``widen_factor`` for its own layers keeps to it. Only
    backbones of this package are followed: mmpretrain's do not all say what they
    return.

    Args:
        model: The model's config after all options; changed in place.
        file_model: The model's config as the file has it.
        backbone: The backbone of ``model``; its tensors may be on the meta device.

    Returns:
        One line for each change.

    Raises:
        OptionError: See `match_heads`.
    """
    neck = model.get("neck")
    pools = isinstance(neck, Mapping) and neck.get("type") in POOLING_NECKS
    if not is_ours(model["backbone"].get("type")) or not (neck is None or pools):
        return []
    channels = returned_channels(backbone, image_channels(model["backbone"]))
    changes = match_heads(model, file_model, channels, HEADS)
    return changes + _match_widths(model, file_model)


def _match_widths(model: dict[str, Any], file_model: Mapping[str, Any]) -> list[str]:
    changes = []
    new = model["backbone"].get("widen_factor", 1.0)
    old = file_model["backbone"].get("widen_factor", 1.0)
    file_heads = dict(heads_of(file_model, HEADS))
    for place, head in heads_of(model, HEADS):
        stated = head.get("widen_factor")
        untouched = stated == file_heads.get(place, {}).get("widen_factor")
        if stated is not None and untouched and stated == old != new:
            head["widen_factor"] = new
            changes.append(f"{place}.widen_factor follows the backbone: {new}")
    return changes
