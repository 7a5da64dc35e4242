"""Faster R-CNN as one function of tensors, proposals and their NMS included."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch
import torchvision
from ghostnet_runtime.description import SelectionRule
from mmcv.ops import RoIAlign
from mmdet.models.dense_heads import RPNHead
from mmdet.models.detectors import BaseDetector, TwoStageDetector
from mmdet.models.roi_heads import StandardRoIHead
from mmdet.models.roi_heads.bbox_heads import BBoxHead
from mmdet.models.roi_heads.roi_extractors import SingleRoIExtractor
from torch import Tensor

from ..ranking import best_in_order
from ..selection_rules import nms_threshold, positive_or_none
from .anchors import move_boxes
from .base import Decoder, Maps, View, class_scores

# Of padding in lists of proposals: below every true score.
NO_SCORE = -1.0


class TwoStageDecoder(Decoder):
    """Turns the maps of Faster R-CNN's RPN into proposals, and these into candidates.

    Each image has as many candidates as ``test_cfg.rpn.max_per_img``; where the RPN
    finds fewer, the last have scores of 0.
    """

    CODERS = ("DeltaXYWHBBoxCoder",)
    per_level = False
    takes_image_sizes = True

    def __init__(self, network: BaseDetector):
        self.rpn = network.rpn_head
        self.extractor = network.roi_head.bbox_roi_extractor
        self.head = network.roi_head.bbox_head
        self.test_cfg = network.roi_head.test_cfg
        rules = self.rpn.test_cfg
        self.nms_pre = positive_or_none(rules.get("nms_pre", -1))
        self.iou_threshold = nms_threshold(rules.nms)
        self.min_size = float(rules.get("min_bbox_size", -1))
        self.num_proposals = int(rules.max_per_img)
        self.class_boxes = not self.head.reg_class_agnostic

    @classmethod
    def fits(cls, model: BaseDetector) -> bool:
        """Whether it decodes a detector that does nothing else."""
        if not isinstance(model, TwoStageDetector):
            return False
        rpn, roi = model.rpn_head, model.roi_head
        if type(rpn) is not RPNHead or type(roi) is not StandardRoIHead:
            return False
        head, extractor = roi.bbox_head, roi.bbox_roi_extractor
        return (
            not roi.with_mask
            and not roi.with_shared_head
            and type(extractor) is SingleRoIExtractor
            and all(
                isinstance(layer, RoIAlign) and layer.pool_mode == "avg"
                for layer in extractor.roi_layers
            )
            and isinstance(head, BBoxHead)
            and type(head)._predict_by_feat_single is BBoxHead._predict_by_feat_single
            and head.with_reg
            and not head.custom_cls_channels
            and all(
                type(part.bbox_coder).__name__ in cls.CODERS for part in (rpn, head)
            )
        )

    def selection(self) -> SelectionRule:
        """Return mmdet's rules of selection, from ``test_cfg.rcnn``."""
        return replace(super().selection(), nms_pre=None, min_bbox_size=-1.0)

    def maps(self, features: Sequence[Tensor]) -> Maps:
        """Return what the RPN predicts: lists with a map per level."""
        maps: Maps = self.rpn(features)
        return maps

    def level_lengths(self, sizes: Sequence[tuple[int, int]]) -> tuple[int, ...]:
        """Count the candidates, which are as many whatever the input's size."""
        return (self.num_proposals,)

    def priors(
        self, sizes: Sequence[tuple[int, int]], device: torch.device
    ) -> tuple[Tensor, ...]:
        """Compute the RPN's anchors, ``(P, 4)`` per level."""
        return tuple(self.rpn.prior_generator.grid_priors(sizes, device=device))

    def candidates(
        self, maps: Maps, priors: Sequence[Tensor], view: View
    ) -> dict[str, Tensor]:
        """Compute the candidates of what is seen.

        Returns:
            ``boxes`` ``(N, P, C, 4)``, or ``(N, P, 4)`` where classes share them, in
            pixels of the input, not clipped; ``scores`` ``(N, P, C)``.
        """
        image, image_sizes = view.image, view.image_sizes
        if image_sizes is None:
            image_sizes = torch.ones_like(image[:, 0, :1, :2])[:, 0]
            image_sizes = image_sizes * image_sizes.new_tensor(image.shape[-2:])
        proposals, found = self._proposals(maps, priors, image_sizes)
        batch, count = found.shape
        index = torch.arange(batch, device=image.device).to(image.dtype)
        index = index.reshape(-1, 1, 1).expand(-1, count, 1)
        rois = torch.cat([index, proposals], dim=-1).reshape(-1, 5)
        logits, deltas = self.head(self._pool(view.features, rois))
        # The last class is the background.
        scores = logits.softmax(-1)[:, :-1].reshape(batch, count, -1)
        if self.class_boxes:
            deltas = deltas.reshape(batch, count, -1, 4)
            proposals = proposals.unsqueeze(2)
        else:
            deltas = deltas.reshape(batch, count, 4)
        return {
            "boxes": move_boxes(proposals, deltas, self.head.bbox_coder),
            "scores": scores * found.unsqueeze(-1).to(scores.dtype),
        }

    def _proposals(
        self,
        maps: Maps,
        priors: Sequence[Tensor],
        image_sizes: Tensor,
    ) -> tuple[Tensor, Tensor]:
        """Return ``(N, P, 4)`` proposals, best first, and ``(N, P)`` which are true."""
        all_boxes, all_scores, all_levels = [], [], []
        limits = image_sizes.flip(-1).repeat(1, 2).unsqueeze(1)
        for level, (logits, deltas, anchors) in enumerate(
            zip(*maps, priors, strict=True)
        ):
            batch = logits.shape[0]
            logits = logits.permute(0, 2, 3, 1)
            logits = logits.reshape(batch, -1, self.rpn.cls_out_channels)
            scores = _objectness(self.rpn, logits).squeeze(-1)
            deltas = deltas.permute(0, 2, 3, 1).reshape(batch, -1, 4)
            scores, best = self._best(scores)
            # Of padding, which may point past the end.
            best = best.clamp(max=anchors.shape[0] - 1)
            deltas = deltas.gather(1, best.unsqueeze(-1).expand(-1, -1, 4))
            boxes = move_boxes(anchors[best], deltas, self.rpn.bbox_coder)
            if self.rpn.bbox_coder.clip_border:
                boxes = torch.minimum(boxes.clamp(min=0), limits)
            all_boxes.append(boxes)
            all_scores.append(scores)
            all_levels.append(torch.full_like(scores, float(level)))
        boxes = torch.cat(all_boxes, dim=1)
        scores = torch.cat(all_scores, dim=1)
        if self.min_size >= 0:
            sides = boxes[..., 2:] - boxes[..., :2]
            large = (sides > self.min_size).all(-1)
            scores = torch.where(large, scores, NO_SCORE)
        levels = torch.cat(all_levels, dim=1)
        kept = keep_by_nms(boxes, scores, levels, len(priors), self.iou_threshold)
        scores = torch.where(kept, scores, NO_SCORE)
        count = scores.shape[1]
        if not isinstance(count, int) or count < self.num_proposals:
            filling = scores.new_full((1, self.num_proposals), NO_SCORE)
            filling = filling.expand(scores.shape[0], -1)
            scores = torch.cat([scores, filling], dim=1)
            boxes = torch.cat([boxes, filling.unsqueeze(-1).expand(-1, -1, 4) * 0], 1)
        scores, best = best_in_order(scores, self.num_proposals)
        boxes = boxes.gather(1, best.unsqueeze(-1).expand(-1, -1, 4))
        return boxes, scores >= 0

    def _best(self, scores: Tensor) -> tuple[Tensor, Tensor]:
        """Return the best ``nms_pre`` of ``(N, P)`` scores, and where they are."""
        count: int | torch.SymInt = scores.shape[1]
        if self.nms_pre is None:
            return best_in_order(scores, count)
        if isinstance(count, int):
            return best_in_order(scores, min(count, self.nms_pre))
        # How many there are is known at run time only: now there are enough.
        filling = scores.new_full((1, self.nms_pre), NO_SCORE)
        scores = torch.cat([scores, filling.expand(scores.shape[0], -1)], dim=1)
        return best_in_order(scores, self.nms_pre)

    def _pool(self, features: Sequence[Tensor], rois: Tensor) -> Tensor:
        """Pool each of ``(R, 5)`` regions from the level that its size belongs to."""
        layers = self.extractor.roi_layers
        height, width = layers[0].output_size
        if len(layers) == 1:
            return _roi_align(layers[0], features[0], rois)
        pooled = features[0].new_zeros(
            rois.shape[0], self.extractor.out_channels, height, width
        )
        levels = self.extractor.map_roi_levels(rois, len(layers))
        for level, layer in enumerate(layers):
            rows = (levels == level).nonzero().squeeze(1)
            part = _roi_align(layer, features[level], rois[rows])
            pooled = pooled.index_put((rows,), part)
        return pooled


def keep_by_nms(
    boxes: Tensor,
    scores: Tensor,
    groups: Tensor,
    num_groups: int,
    iou_threshold: float | None,
) -> Tensor:
    """Suppress boxes of the same image and group, as ``mmcv.ops.batched_nms`` does.

    Args:
        boxes: ``(N, P, 4)``.
        scores: ``(N, P)``.
        groups: ``(N, P)`` whole numbers below ``num_groups``.
        num_groups: Their number.
        iou_threshold: Overlap above it suppresses; None for none.

    Returns:
        ``(N, P)`` bool, true for what stays.
    """
    if iou_threshold is None:
        return torch.ones_like(scores, dtype=torch.bool)
    batch, count = scores.shape
    image = torch.arange(batch, device=boxes.device).to(boxes.dtype).unsqueeze(1)
    # One call for all images: boxes of different images or groups lie apart.
    offsets = (image * num_groups + groups) * (boxes.max() + 1)
    apart = (boxes + offsets.unsqueeze(-1)).reshape(-1, 4)
    # mmcv's kernels take the threshold in single precision.
    threshold = torch.tensor(iou_threshold, dtype=torch.float32).item()
    kept = torchvision.ops.nms(apart, scores.reshape(-1), threshold)
    mask = scores.new_zeros(batch * count)
    mask = mask.scatter(0, kept, torch.ones_like(kept, dtype=scores.dtype))
    return mask.reshape(batch, count) > 0


def _objectness(rpn: RPNHead, logits: Tensor) -> Tensor:
    """Turn ``(..., channels)`` logits into ``(..., 1)`` scores that rank proposals.

    ONNX Runtime's Sigmoid is exact to some 3e-8 only, so that scores below come out in
    another order and NMS keeps other proposals. Its Exp is exact in proportion.
    """
    if rpn.use_sigmoid_cls:
        return 1 / (1 + (-logits).exp())
    return class_scores(rpn, logits)


def _roi_align(layer: RoIAlign, feature: Tensor, rois: Tensor) -> Tensor:
    pooled: Tensor = torchvision.ops.roi_align(
        feature,
        rois,
        layer.output_size,
        layer.spatial_scale,
        layer.sampling_ratio,
        layer.aligned,
    )
    return pooled
