"""YOLOX's head: a center and the logarithms of sides, from points."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch
from ghostnet_runtime.description import SelectionRule
from mmdet.models.dense_heads import YOLOXHead
from torch import Tensor

from .base import Decoder, Maps, flatten_maps


class YOLOXDecoder(Decoder):
    """Decodes YOLOX; objectness is the score factor."""

    HEADS = (YOLOXHead,)
    per_level = False
    has_factors = True

    def priors(
        self, sizes: Sequence[tuple[int, int]], device: torch.device
    ) -> tuple[Tensor, ...]:
        """Compute points and strides, ``(P, 4)``."""
        levels = self.head.prior_generator.grid_priors(
            sizes, device=device, with_stride=True
        )
        return (torch.cat(levels),)

    def decode(self, maps: Maps, priors: Sequence[Tensor]) -> dict[str, Tensor]:
        """Compute the candidates, see `Decoder.decode`."""
        sides = flatten_maps(maps[1], 4)
        points, strides = priors[0][:, :2], priors[0][:, 2:]
        center = sides[..., :2] * strides + points
        half = sides[..., 2:].exp() * strides / 2
        logits = flatten_maps(maps[0], self.head.cls_out_channels)
        return {
            "boxes": torch.cat([center - half, center + half], dim=-1),
            "scores": logits.sigmoid(),
            "score_factors": flatten_maps(maps[2], 1).squeeze(-1).sigmoid(),
        }

    def selection(self) -> SelectionRule:
        """Return mmdet's rules of selection, which keep every box that NMS leaves."""
        return replace(
            super().selection(),
            best_class=True,
            nms_pre=None,
            max_per_img=None,
            min_bbox_size=-1.0,
            clip=False,
        )
