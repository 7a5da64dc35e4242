"""Faster R-CNN as one function of tensors, proposals and their NMS included."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torchvision
from ghostnet_runtime.description import SelectionRule
from mmcv.ops import RoIAlign
from mmdet.models.dense_heads import RPNHead
from mmdet.models.roi_heads import StandardRoIHead
from mmdet.models.roi_heads.bbox_heads import BBoxHead
from mmdet.models.roi_heads.roi_extractors import SingleRoIExtractor
from torch import Tensor, nn

from .decoders.anchors import move_boxes
from .decoders.base import class_scores
from .selection_rules import nms_threshold, positive_or_none

# Of padding in lists of proposals: below every true score.
NO_SCORE = -1.0


class TwoStageDecoder:
    """Turns the maps of an RPN into proposals, and these into candidates.

    Each image has as many candidates as ``test_cfg.rpn.max_per_img``; where the RPN
    finds fewer, the last have scores of 0.

    Args:
        network: mmdet's Faster R-CNN in eval mode.

    Attributes:
        output_names: Names of the outputs, in order.
        class_boxes: Whether each class has boxes of its own.
        any_size: True: it works on inputs of any size.
    """

    output_names = ("boxes", "scores")
    any_size = True
    has_factors = False

    def __init__(self, network: nn.Module):
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

    @staticmethod
    def fits(model: nn.Module) -> bool:
        """Whether the parts of a two-stage detector are those that are known here."""
        rpn, roi = model.rpn_head, model.roi_head
        if type(rpn) is not RPNHead or type(roi) is not StandardRoIHead:
            return False
        head, extractor = roi.bbox_head, roi.bbox_roi_extractor
        return (
            not roi.with_mask
            and not roi.with_shared_head
            and type(extractor) is SingleRoIExtractor
            and all(
                isinstance(one, RoIAlign) and one.pool_mode == "avg"
                for one in extractor.roi_layers
            )
            and isinstance(head, BBoxHead)
            and type(head)._predict_by_feat_single is BBoxHead._predict_by_feat_single
            and head.with_reg
            and not head.custom_cls_channels
            and all(
                type(one.bbox_coder).__name__ == "DeltaXYWHBBoxCoder"
                for one in (rpn, head)
            )
        )

    @property
    def strides(self) -> list[int]:
        """Empty: candidates belong to no cell of a map."""
        return []

    priors_per_cell = strides

    def selection(self) -> SelectionRule:
        """Return mmdet's rules of selection, from ``test_cfg.rcnn``."""
        cfg = self.test_cfg
        return SelectionRule(
            levels=None,
            strides=(),
            priors_per_cell=(),
            factor_threshold=None,
            best_class=False,
            min_bbox_size=-1.0,
            per_level=False,
            score_threshold=float(cfg.score_thr),
            nms_pre=None,
            iou_threshold=nms_threshold(cfg.nms),
            max_per_img=positive_or_none(cfg.max_per_img),
            clip=bool(self.head.bbox_coder.clip_border),
        )

    def mask_rules(self) -> None:
        """Return None: there are no masks."""

    def sizes(self, maps: Sequence[Sequence[Tensor]]) -> list[tuple[int, int]]:
        """Height and width of each level of the RPN."""
        return [tuple(one.shape[-2:]) for one in maps[0]]

    def priors(
        self, sizes: Sequence[tuple[int, int]], device: torch.device
    ) -> tuple[Tensor, ...]:
        """Compute the RPN's anchors, ``(P, 4)`` per level."""
        return tuple(self.rpn.prior_generator.grid_priors(sizes, device=device))

    def decode(
        self,
        maps: Sequence[Sequence[Tensor]],
        priors: Sequence[Tensor],
        features: Sequence[Tensor],
        image: Tensor,
        image_sizes: Tensor | None,
    ) -> dict[str, Tensor]:
        """Compute the candidates.

        Args:
            maps: What the RPN returns.
            priors: What `priors` computed for the sizes of these maps.
            features: What the neck returns.
            image: The input, ``(N, 3, H, W)``.
            image_sizes: ``(N, 2)`` height and width to clip proposals to; None for
                the input's.

        Returns:
            ``boxes`` ``(N, P, C, 4)``, or ``(N, P, 4)`` where classes share them, in
            pixels of the input, not clipped; ``scores`` ``(N, P, C)``.
        """
        if image_sizes is None:
            image_sizes = torch.ones_like(image[:, 0, :1, :2])[:, 0]
            image_sizes = image_sizes * image_sizes.new_tensor(image.shape[-2:])
        proposals, found = self._proposals(maps, priors, image_sizes)
        batch, count = found.shape
        index = torch.arange(batch, device=image.device).to(image.dtype)
        index = index.reshape(-1, 1, 1).expand(-1, count, 1)
        rois = torch.cat([index, proposals], dim=-1).reshape(-1, 5)
        logits, deltas = self.head(self._pool(features, rois))
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
        maps: Sequence[Sequence[Tensor]],
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
        scores, best = (one[:, : self.num_proposals] for one in _sorted(scores))
        boxes = boxes.gather(1, best.unsqueeze(-1).expand(-1, -1, 4))
        return boxes, scores >= 0

    def _best(self, scores: Tensor) -> tuple[Tensor, Tensor]:
        """Return the best ``nms_pre`` of ``(N, P)`` scores, and where they are."""
        count = scores.shape[1]
        if self.nms_pre is not None and not isinstance(count, int):
            # How many there are is known at run time only: now there are enough.
            filling = scores.new_full((1, self.nms_pre), NO_SCORE)
            filling = filling.expand(scores.shape[0], -1)
            scores = torch.cat([scores, filling], dim=1)
        scores, best = _sorted(scores)
        return scores[:, : self.nms_pre], best[:, : self.nms_pre]

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


def _sorted(scores: Tensor) -> tuple[Tensor, Tensor]:
    """Sort ``(N, P)`` scores, best first; of equal ones the first stays first.

    Plain areas of a picture have the same score in every cell, and ``topk`` would order
    them as it likes.
    """
    return scores.sort(dim=1, descending=True, stable=True)


def _objectness(rpn: RPNHead, logits: Tensor) -> Tensor:
    """Turn ``(..., channels)`` logits into ``(..., 1)`` scores that rank proposals.

    ONNX Runtime's Sigmoid is exact to some 3e-8 only, so that scores below come out in
    another order and NMS keeps other proposals. Its Exp is exact in proportion.
    """
    if rpn.use_sigmoid_cls:
        return 1 / (1 + (-logits).exp())
    return class_scores(rpn, logits)


def _roi_align(layer: RoIAlign, feature: Tensor, rois: Tensor) -> Tensor:
    return torchvision.ops.roi_align(
        feature,
        rois,
        layer.output_size,
        layer.spatial_scale,
        layer.sampling_ratio,
        layer.aligned,
    )
