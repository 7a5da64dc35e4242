"""The generalized focal loss head for phones: separable towers, dynamic assignment."""

import math
from collections.abc import Sequence
from typing import Any

import torch
from mmdet.models.dense_heads import GFLHead
from mmdet.registry import MODELS
from mmdet.utils import reduce_mean
from mmengine.structures import InstanceData
from torch import Tensor, nn

from ..errors import OptionError
from .dynamic_targets import assign_targets, flatten_levels, valid_priors
from .separable_towers import separable_tower, tie_convolutions


@MODELS.register_module()
class MobileGFLHead(GFLHead):
    """mmdet's ``GFLHead`` as NanoDet-Plus builds it, trained as RTMDet is.

    Each level has a tower of depthwise-separable convolutions that classification and
    regression share, then two 1x1 convolutions. Outputs and predictions are
    ``GFLHead``'s: class logits that include the quality of the box, and per side the
    logits of a distribution over distances of 0 to ``reg_max`` strides.

    Every prior is a point with one prediction. Targets are assigned from the
    predictions of the step (``train_cfg.assigner``: ``DynamicSoftLabelAssigner`` or
    ``SimOTAAssigner``). All losses are divided by sums over the processes. Positives
    weigh in by the overlap of their boxes, not by their class scores as in
    NanoDet-Plus: those start near 0, and so would the box losses.

    Sources: Generalized Focal Loss (arXiv 2006.04388), NanoDet-Plus
    (github.com/RangiLyu/nanodet, 2021), RTMDet (arXiv 2212.07784).

    Args:
        num_classes: Number of classes, the background not counted.
        in_channels: Channels of the input maps.
        feat_channels: Channels of the towers.
        stacked_convs: Depthwise-separable convolutions of a tower; 0 for none.
        kernel_size: Their depthwise kernel, odd.
        strides: Strides of the input maps, in input pixels.
        separate_towers: Gives regression towers of its own.
        share_levels: Ties the convolution weights of all levels; norms stay apart.
        reg_max: Largest distance from a prior to a side of its box, in strides.
        weigh_boxes: Weighs the box losses of positives by their overlap, as RTMDet
            does; otherwise all positives count the same, as in YOLOX.
        conv_cfg: Convolution type, ``None`` for plain ones.
        norm_cfg: Norm type.
        act_cfg: Activation type.
        loss_cls: Quality focal loss on the class logits.
        loss_bbox: Loss on boxes in input pixels.
        loss_dfl: Distribution focal loss on the distances.
        train_cfg: mmdet's; ``assigner`` is used.
        test_cfg: mmdet's: ``nms_pre``, ``score_thr``, ``nms``, ``max_per_img``.
        init_cfg: mmengine's initialization; by default class scores start at 0.01 and
            distances at about 2 strides.

    Raises:
        OptionError: For an impossible argument.

    Example:
        >>> import torch
        >>> from ghostnet_mm.dense_heads import MobileGFLHead
        >>> head = MobileGFLHead(num_classes=80, in_channels=96, strides=(8, 16)).eval()
        >>> maps = (torch.rand(1, 96, 20, 20), torch.rand(1, 96, 10, 10))
        >>> [tuple(level.shape) for level in head(maps)[1]]
        [(1, 32, 20, 20), (1, 32, 10, 10)]
    """

    def __init__(
        self,
        num_classes: int,
        in_channels: int,
        feat_channels: int = 96,
        stacked_convs: int = 2,
        kernel_size: int = 5,
        strides: Sequence[int] = (8, 16, 32, 64),
        separate_towers: bool = False,
        share_levels: bool = False,
        reg_max: int = 7,
        weigh_boxes: bool = True,
        conv_cfg: dict[str, Any] | None = None,
        norm_cfg: dict[str, Any] | None = None,
        act_cfg: dict[str, Any] | None = None,
        loss_cls: dict[str, Any] | None = None,
        loss_bbox: dict[str, Any] | None = None,
        loss_dfl: dict[str, Any] | None = None,
        train_cfg: dict[str, Any] | None = None,
        test_cfg: dict[str, Any] | None = None,
        init_cfg: dict[str, Any] | list[dict[str, Any]] | None = None,
    ):
        if kernel_size < 1 or kernel_size % 2 == 0:
            raise OptionError(
                f"kernel_size={kernel_size} is not possible: give an odd number such "
                "as 3 or 5."
            )
        if reg_max < 1:
            raise OptionError(f"reg_max={reg_max} is not possible: give at least 1.")
        if stacked_convs < 0 or (stacked_convs == 0 and feat_channels != in_channels):
            raise OptionError(
                f"stacked_convs={stacked_convs} is not possible with in_channels="
                f"{in_channels} and feat_channels={feat_channels}: without a "
                "convolution these must be equal."
            )
        self.kernel_size = kernel_size
        self.separate_towers = separate_towers
        self.share_levels = share_levels
        self.weigh_boxes = weigh_boxes
        self.act_cfg = act_cfg or dict(type="ReLU")
        self.starts_small = init_cfg is None
        super().__init__(
            num_classes,
            in_channels,
            stacked_convs=stacked_convs,
            conv_cfg=conv_cfg,
            norm_cfg=norm_cfg or dict(type="BN"),
            loss_dfl=loss_dfl or dict(type="DistributionFocalLoss", loss_weight=0.25),
            reg_max=reg_max,
            feat_channels=feat_channels,
            # A padded convolution sees around multiples of its stride, hence offset 0.
            anchor_generator=dict(
                type="MlvlPointGenerator", offset=0, strides=list(strides)
            ),
            loss_cls=loss_cls
            or dict(type="QualityFocalLoss", beta=2.0, use_sigmoid=True),
            loss_bbox=loss_bbox or dict(type="GIoULoss", loss_weight=2.0),
            train_cfg=train_cfg,
            test_cfg=test_cfg,
            init_cfg=init_cfg
            or dict(
                type="Normal",
                std=0.01,
                override=[
                    dict(type="Normal", name="gfl_cls", std=0.01, bias_prob=0.01),
                    dict(type="Normal", name="gfl_reg", std=0.01),
                ],
            ),
        )

    def _init_layers(self) -> None:
        levels = range(self.prior_generator.num_levels)
        width = self.feat_channels
        sides = 4 * (self.reg_max + 1)
        self.cls_convs = nn.ModuleList(self._build_tower() for _ in levels)
        # Without towers of their own, boxes are read from the classification's.
        self.reg_convs = nn.ModuleList(
            self._build_tower() for _ in levels if self.separate_towers
        )
        self.gfl_cls = nn.ModuleList(
            nn.Conv2d(width, self.cls_out_channels, 1) for _ in levels
        )
        self.gfl_reg = nn.ModuleList(nn.Conv2d(width, sides, 1) for _ in levels)
        if self.share_levels:
            for per_level in self.children():
                if isinstance(per_level, nn.ModuleList):
                    tie_convolutions(per_level)

    def _build_tower(self) -> nn.Sequential:
        return separable_tower(
            self.in_channels,
            self.feat_channels,
            self.stacked_convs,
            kernel_size=self.kernel_size,
            conv_cfg=self.conv_cfg,
            norm_cfg=self.norm_cfg,
            act_cfg=self.act_cfg,
        )

    def init_weights(self) -> None:
        """Initialize as ``init_cfg`` says, by default with small boxes.

        Distances spread evenly over 0 to ``reg_max`` strides make boxes that overlap
        small objects so little that these hardly count.
        """
        super().init_weights()
        if not self.starts_small:
            return
        # A geometric distribution of mean 2, cut off at reg_max.
        bias = -math.log(1.5) * torch.arange(self.reg_max + 1.0)
        for conv in self.gfl_reg:
            assert isinstance(conv.bias, Tensor)
            conv.bias.data.copy_(bias.repeat(4))

    def forward(self, x: Sequence[Tensor]) -> tuple[list[Tensor], list[Tensor]]:
        """Return class logits and distance logits of every level.

        Args:
            x: One ``(N, in_channels, H, W)`` map per stride.

        Returns:
            Per level ``(N, num_classes, H, W)`` and ``(N, 4 * (reg_max + 1), H, W)``,
            the latter ordered left, top, right, bottom.
        """
        cls_scores, bbox_preds = [], []
        for level, feat in enumerate(x):
            cls_feat = self.cls_convs[level](feat)
            reg_feat = self.reg_convs[level](feat) if self.separate_towers else cls_feat
            cls_scores.append(self.gfl_cls[level](cls_feat))
            bbox_preds.append(self.gfl_reg[level](reg_feat))
        return cls_scores, bbox_preds

    def anchor_center(self, anchors: Tensor) -> Tensor:
        """Return the points of ``(..., 2 or 4)`` priors, which start with them."""
        return anchors[..., :2]

    def loss_by_feat(
        self,
        cls_scores: list[Tensor],
        bbox_preds: list[Tensor],
        batch_gt_instances: list[InstanceData],
        batch_img_metas: list[dict[str, Any]],
        batch_gt_instances_ignore: list[InstanceData] | None = None,
    ) -> dict[str, Tensor]:
        """Compute the losses of a batch.

        Args:
            cls_scores: Class logits per level, ``(N, num_classes, H, W)``.
            bbox_preds: Distance logits per level, ``(N, 4 * (reg_max + 1), H, W)``.
            batch_gt_instances: ``bboxes`` in input pixels and ``labels`` per image.
            batch_img_metas: With ``pad_shape``: priors beyond it are left out.
            batch_gt_instances_ignore: Passed on to the assigner.

        Returns:
            ``loss_cls``, ``loss_bbox`` and ``loss_dfl``, one number each.
        """
        sizes = [(level.shape[-2], level.shape[-1]) for level in cls_scores]
        device = cls_scores[0].device
        priors = torch.cat(
            self.prior_generator.grid_priors(sizes, device=device, with_stride=True)
        )
        logits = flatten_levels(cls_scores)
        distributions = flatten_levels(bbox_preds)
        num_images = len(logits)
        points = priors[:, :2].expand(num_images, -1, -1)
        strides = priors[:, 2:3]
        distances = self.integral(distributions).reshape(num_images, -1, 4)
        boxes = self.bbox_coder.decode(points, distances * strides)
        labels, label_weights, box_targets, qualities = assign_targets(
            self.assigner,
            logits,
            boxes,
            priors,
            valid_priors(self.prior_generator, sizes, batch_img_metas, device),
            batch_gt_instances,
            batch_gt_instances_ignore,
        )

        normalizer = reduce_mean(qualities.sum()).clamp(min=1)
        loss_cls = self.loss_cls(
            logits.flatten(0, 1),
            (labels.flatten(), qualities.flatten()),
            weight=label_weights.flatten(),
            avg_factor=normalizer,
        )
        positive = labels < self.num_classes
        targets = box_targets[positive]
        weights = qualities[positive]
        if not self.weigh_boxes:
            weights = torch.ones_like(weights)
            normalizer = reduce_mean(weights.sum()).clamp(min=1)
        loss_bbox = self.loss_bbox(
            boxes[positive], targets, weight=weights, avg_factor=normalizer
        )
        stride = strides.expand(num_images, -1, -1)[positive]
        target_distances = self.bbox_coder.encode(
            points[positive] / stride, targets / stride, self.reg_max
        )
        loss_dfl = self.loss_dfl(
            distributions[positive].reshape(-1, self.reg_max + 1),
            target_distances.reshape(-1),
            weight=weights[:, None].expand(-1, 4).reshape(-1),
            avg_factor=4 * normalizer,
        )
        return dict(loss_cls=loss_cls, loss_bbox=loss_bbox, loss_dfl=loss_dfl)
