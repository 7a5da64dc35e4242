"""CenterNet's head: peaks of a heat map."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch
import torch.nn.functional as F
from ghostnet_runtime.description import SelectionRule
from mmdet.models.dense_heads import CenterNetHead
from mmdet.models.detectors import BaseDetector
from mmdet.models.task_modules.prior_generators import MlvlPointGenerator
from torch import Tensor

from .base import Decoder, Maps, flatten_maps

# mmdet takes the ratio of the input's and the map's sides; every CenterNet it has
# predicts at this stride.
STRIDE = 4


class CenterNetDecoder(Decoder):
    """Decodes CenterNet; a score is 0 where the heat map has no peak."""

    HEADS = (CenterNetHead,)
    per_level = False

    def __init__(self, network: BaseDetector):
        super().__init__(network)
        self.cells = MlvlPointGenerator([1], offset=0)

    @property
    def strides(self) -> list[int]:
        """Stride of its one level."""
        return [STRIDE]

    @property
    def priors_per_cell(self) -> list[int]:
        """One candidate per cell."""
        return [1]

    def priors(
        self, sizes: Sequence[tuple[int, int]], device: torch.device
    ) -> tuple[Tensor, ...]:
        """Compute the cells' column and row, ``(P, 2)``."""
        return tuple(self.cells.grid_priors(sizes, device=device))

    def decode(self, maps: Maps, priors: Sequence[Tensor]) -> dict[str, Tensor]:
        """Compute the candidates, see `Decoder.decode`."""
        heat = maps[0][0]
        kernel = self.head.test_cfg.local_maximum_kernel
        highest = F.max_pool2d(heat, kernel, stride=1, padding=(kernel - 1) // 2)
        peaks = heat * (heat == highest).to(heat.dtype)
        half = flatten_maps(maps[1], 2) / 2
        center = priors[0] + flatten_maps(maps[2], 2)
        boxes = torch.cat([center - half, center + half], dim=-1) * STRIDE
        return {
            "boxes": boxes,
            "scores": flatten_maps([peaks], self.head.num_classes),
        }

    def selection(self) -> SelectionRule:
        """Return mmdet's rules: the best peaks, without NMS.

        mmdet fills up to ``topk`` with cells that are no peak, whose score is 0.
        """
        topk = int(self.head.test_cfg.topk)
        return replace(
            super().selection(),
            score_threshold=0.0,
            nms_pre=topk,
            iou_threshold=None,
            max_per_img=topk,
            min_bbox_size=-1.0,
            clip=False,
        )
