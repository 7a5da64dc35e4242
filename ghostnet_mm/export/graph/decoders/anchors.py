"""Heads that move and scale anchors: RetinaNet, ATSS, SSD."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from mmdet.models.dense_heads import AnchorHead, SSDHead
from mmdet.models.detectors import BaseDetector
from mmdet.models.task_modules.coders import DeltaXYWHBBoxCoder
from torch import Tensor

from .base import Decoder, Maps, class_scores, flatten_maps

# The default of mmdet's coders, which no head overrides.
LARGEST_SCALING = abs(math.log(16 / 1000))


class AnchorDecoder(Decoder):
    """Decodes offsets from anchors (``DeltaXYWHBBoxCoder``)."""

    HEADS = (AnchorHead,)
    CODERS = ("DeltaXYWHBBoxCoder",)

    def __init__(self, network: BaseDetector):
        super().__init__(network)
        self.has_factors = hasattr(self.head, "atss_centerness")
        # SSD's anchors are laid out for one input size.
        self.any_size = not isinstance(self.head, SSDHead)

    def decode(self, maps: Maps, priors: Sequence[Tensor]) -> dict[str, Tensor]:
        """Compute the candidates, see `Decoder.decode`."""
        deltas = flatten_maps(maps[1], 4)
        logits = flatten_maps(maps[0], self.head.cls_out_channels)
        result = {
            "boxes": move_boxes(priors[0], deltas, self.head.bbox_coder),
            "scores": class_scores(self.head, logits),
        }
        if self.has_factors:
            result["score_factors"] = flatten_maps(maps[2], 1).squeeze(-1).sigmoid()
        return result


def move_boxes(boxes: Tensor, deltas: Tensor, coder: DeltaXYWHBBoxCoder) -> Tensor:
    """Apply offsets as ``DeltaXYWHBBoxCoder.decode`` does, without clipping.

    Args:
        boxes: ``(..., 4)`` corners in pixels.
        deltas: ``(..., 4)``, of a shape that broadcasts with that of ``boxes``.
        coder: The head's coder.

    Returns:
        ``(..., 4)`` corners in pixels.
    """
    deltas = deltas * deltas.new_tensor(coder.stds) + deltas.new_tensor(coder.means)
    shift, scaling = deltas[..., :2], deltas[..., 2:]
    center = (boxes[..., :2] + boxes[..., 2:]) * 0.5
    side = boxes[..., 2:] - boxes[..., :2]
    shift = side * shift
    if coder.add_ctr_clamp:
        shift = shift.clamp(-coder.ctr_clamp, coder.ctr_clamp)
        scaling = scaling.clamp(max=LARGEST_SCALING)
    else:
        scaling = scaling.clamp(-LARGEST_SCALING, LARGEST_SCALING)
    center = center + shift
    half = side * scaling.exp() * 0.5
    return torch.cat([center - half, center + half], dim=-1)
