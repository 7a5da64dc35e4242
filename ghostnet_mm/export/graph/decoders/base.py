"""What all decoders share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, NamedTuple, TypeAlias

import torch
from ghostnet_runtime.description import MaskRule, SelectionRule
from mmdet.models.dense_heads.base_dense_head import BaseDenseHead
from mmdet.models.detectors import BaseDetector, SingleStageDetector
from torch import Tensor

from ..selection_rules import nms_threshold, positive_or_none

# Lists with a map per level.
Maps: TypeAlias = Sequence[Sequence[Tensor]]

PREDICTION_METHODS = ("predict_by_feat", "_predict_by_feat_single")


class View(NamedTuple):
    """What a detector sees before its head."""

    image: Tensor  # (N, 3, H, W)
    # (N, 2) height and width of the picture inside of each image; None: it fills them
    image_sizes: Tensor | None
    features: Sequence[Tensor]  # of the neck


class Decoder:
    """Turns the maps of a head into candidates, in operations that every exporter has.

    A decoder also says how mmdet selects among the candidates (`selection`).

    Args:
        network: The detector in eval mode.

    Attributes:
        head: What predicts boxes and scores.
        test_cfg: How mmdet selects.
        HEADS: mmdet's classes whose maps it decodes; subclasses are taken as long as
            they predict in the same way.
        CODERS: Names of the box coders it knows; empty for heads without one.
        has_factors: Whether a score factor belongs to each candidate.
        any_size: Whether the head works on other sizes than that of its config.
        per_level: Whether mmdet takes the best of each level by itself.
        class_boxes: Whether each class has boxes of its own.
        takes_image_sizes: Whether the size of the picture inside of the padded input
            matters.
    """

    HEADS: ClassVar[tuple[type, ...]] = ()
    CODERS: ClassVar[tuple[str, ...]] = ()
    has_factors: bool = False
    any_size: bool = True
    per_level: bool = True
    class_boxes: bool = False
    takes_image_sizes: bool = False

    def __init__(self, network: BaseDetector):
        self.head = network.bbox_head
        self.test_cfg = self.head.test_cfg

    @classmethod
    def fits(cls, model: BaseDetector) -> bool:
        """Whether it decodes a detector that does nothing else."""
        if not isinstance(model, SingleStageDetector) or model.with_mask:
            return False
        head = model.bbox_head
        if not isinstance(head, cls.HEADS):
            return False
        coder = type(getattr(head, "bbox_coder", None)).__name__
        loss = getattr(head, "loss_cls", None)
        return (
            (not cls.CODERS or coder in cls.CODERS)
            and not getattr(loss, "custom_cls_channels", False)
            and any(_predict_alike(type(head), known) for known in cls.HEADS)
        )

    @property
    def output_names(self) -> tuple[str, ...]:
        """Names of the outputs, in order."""
        return ("boxes", "scores") + ("score_factors",) * self.has_factors

    @property
    def strides(self) -> list[int]:
        """Stride of each level, in input pixels."""
        return [_number(stride) for stride in self.head.prior_generator.strides]

    @property
    def priors_per_cell(self) -> list[int]:
        """Priors at each cell of each level."""
        return list(self.head.prior_generator.num_base_priors)

    def maps(self, features: Sequence[Tensor]) -> Maps:
        """Return what the head predicts: lists with a map per level."""
        maps: Maps = self.head(features)
        return maps

    def sizes(self, maps: Maps) -> list[tuple[int, int]]:
        """Height and width of each level."""
        return [(level.shape[-2], level.shape[-1]) for level in maps[0]]

    def level_lengths(self, sizes: Sequence[tuple[int, int]]) -> tuple[int, ...]:
        """Count the candidates of each level for maps of these sizes."""
        return tuple(
            height * width * count
            for (height, width), count in zip(sizes, self.priors_per_cell, strict=True)
        )

    def priors(
        self, sizes: Sequence[tuple[int, int]], device: torch.device
    ) -> tuple[Tensor, ...]:
        """Compute the priors of maps of these sizes: here one ``(P, K)`` tensor."""
        levels = self.head.prior_generator.grid_priors(sizes, device=device)
        return (torch.cat(levels),)

    def candidates(
        self, maps: Maps, priors: Sequence[Tensor], view: View
    ) -> dict[str, Tensor]:
        """Compute the candidates of what is seen; by default of the maps alone."""
        return self.decode(maps, priors)

    def decode(self, maps: Maps, priors: Sequence[Tensor]) -> dict[str, Tensor]:
        """Compute the candidates.

        Args:
            maps: What the head predicts.
            priors: What `priors` computed for the sizes of these maps.

        Returns:
            ``boxes`` ``(N, P, 4)`` in pixels of the input, not clipped, ``scores``
            ``(N, P, C)`` and, where the head has them, ``score_factors`` ``(N, P)``.
        """
        raise NotImplementedError

    def selection(self) -> SelectionRule:
        """Return mmdet's rules of selection for any input, from the ``test_cfg``."""
        cfg, coder = self.test_cfg, getattr(self.head, "bbox_coder", None)
        return SelectionRule(
            levels=None,
            strides=tuple(self.strides) if self.per_level else (),
            priors_per_cell=tuple(self.priors_per_cell) if self.per_level else (),
            score_threshold=float(cfg.get("score_thr", 0)),
            nms_pre=positive_or_none(cfg.get("nms_pre", -1)),
            factor_threshold=None,
            best_class=False,
            iou_threshold=nms_threshold(cfg.get("nms")),
            max_per_img=positive_or_none(cfg.get("max_per_img", -1)),
            min_bbox_size=float(cfg.get("min_bbox_size", -1)),
            clip=bool(getattr(coder, "clip_border", True)),
            per_level=self.per_level,
        )

    def mask_rules(self) -> MaskRule | None:
        """Say how masks are made of the outputs; None without masks."""
        return None


def flatten_maps(maps: Sequence[Tensor], channels: int) -> Tensor:
    """Turn ``(N, A * channels, H, W)`` maps into ``(N, P, channels)``."""
    flat = [
        level.permute(0, 2, 3, 1).reshape(level.shape[0], -1, channels)
        for level in maps
    ]
    return torch.cat(flat, dim=1) if len(flat) > 1 else flat[0]


def stride_of_each_prior(
    head: BaseDenseHead, sizes: Sequence[tuple[int, int]], device: torch.device
) -> Tensor:
    """Return the stride of each prior, ``(P, 1)``."""
    generator = head.prior_generator
    return torch.cat(
        [
            torch.full((height * width * count, 1), float(_number(stride)))
            for (height, width), stride, count in zip(
                sizes, generator.strides, generator.num_base_priors, strict=True
            )
        ]
    ).to(device)


def class_scores(head: BaseDenseHead, logits: Tensor) -> Tensor:
    """Turn ``(..., channels)`` logits into ``(..., C)`` probabilities."""
    if head.use_sigmoid_cls:
        return logits.sigmoid()
    return logits.softmax(-1)[..., :-1]


def _predict_alike(mine: type, known: type) -> bool:
    return all(
        getattr(mine, name, None) is getattr(known, name, None)
        for name in PREDICTION_METHODS
    )


def _number(stride: int | Sequence[int]) -> int:
    return stride if isinstance(stride, int) else stride[0]
