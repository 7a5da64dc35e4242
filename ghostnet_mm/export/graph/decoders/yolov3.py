"""YOLOv3's head: boxes, objectness and classes of an anchor in one map."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch
from ghostnet_runtime.description import SelectionRule
from mmdet.models.dense_heads import YOLOV3Head
from torch import Tensor

from .base import Decoder, Maps, flatten_maps, stride_of_each_prior


class YOLOv3Decoder(Decoder):
    """Decodes YOLOv3; objectness is the score factor."""

    HEADS = (YOLOV3Head,)
    CODERS = ("YOLOBBoxCoder",)
    per_level = False
    has_factors = True

    def priors(
        self, sizes: Sequence[tuple[int, int]], device: torch.device
    ) -> tuple[Tensor, ...]:
        """Compute anchors and strides, ``(P, 5)``."""
        (anchors,) = super().priors(sizes, device)
        strides = stride_of_each_prior(self.head, sizes, device)
        return (torch.cat([anchors, strides], dim=1),)

    def decode(self, maps: Maps, priors: Sequence[Tensor]) -> dict[str, Tensor]:
        """Compute the candidates, see `Decoder.decode`."""
        anchors, strides = priors[0][:, :4], priors[0][:, 4:]
        values = flatten_maps(maps[0], self.head.num_attrib)
        center = (anchors[:, :2] + anchors[:, 2:]) * 0.5
        half = (anchors[:, 2:] - anchors[:, :2]) * 0.5
        center = center + (values[..., :2].sigmoid() - 0.5) * strides
        half = half * values[..., 2:4].exp()
        chances = values[..., 4:].sigmoid()
        return {
            "boxes": torch.cat([center - half, center + half], dim=-1),
            "scores": chances[..., 1:],
            "score_factors": chances[..., 0],
        }

    def selection(self) -> SelectionRule:
        """Return mmdet's rules of selection, from ``test_cfg``."""
        threshold = self.head.test_cfg.get("conf_thr", -1)
        return replace(
            super().selection(),
            factor_threshold=float(threshold) if threshold > 0 else None,
            clip=False,
        )
