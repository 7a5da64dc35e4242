"""The generalized focal loss head for phones: separable towers, dynamic assignment."""

import math
from collections.abc import Sequence

import torch
from mmcv.cnn import DepthwiseSeparableConvModule
from mmdet.models.dense_heads import GFLHead
from mmdet.models.task_modules.assigners import DynamicSoftLabelAssigner
from mmdet.models.utils import multi_apply
from mmdet.registry import MODELS
from mmdet.utils import reduce_mean
from mmengine.structures import InstanceData
from torch import Tensor, nn

from ..errors import OptionError


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
        init_cfg: mmengine's initialisation; by default class scores start at 0.01 and
            distances at about 2 strides.

    Raises:
        OptionError: For an impossible argument.

    Example:
        >>> import torch
        >>> from ghostnet_mm.dense_heads import MobileGFLHead
        >>> head = MobileGFLHead(num_classes=80, in_channels=96, strides=(8, 16)).eval()
        >>> maps = (torch.rand(1, 96, 20, 20), torch.rand(1, 96, 10, 10))
        >>> [tuple(one.shape) for one in head(maps)[1]]
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
        conv_cfg: dict | None = None,
        norm_cfg: dict | None = None,
        act_cfg: dict | None = None,
        loss_cls: dict | None = None,
        loss_bbox: dict | None = None,
        loss_dfl: dict | None = None,
        train_cfg: dict | None = None,
        test_cfg: dict | None = None,
        init_cfg: dict | list[dict] | None = None,
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
                    _tie_convolutions(per_level)

    def _build_tower(self) -> nn.Sequential:
        return nn.Sequential(
            *(
                DepthwiseSeparableConvModule(
                    self.feat_channels if index else self.in_channels,
                    self.feat_channels,
                    self.kernel_size,
                    padding=self.kernel_size // 2,
                    conv_cfg=self.conv_cfg,
                    norm_cfg=self.norm_cfg,
                    act_cfg=self.act_cfg,
                )
                for index in range(self.stacked_convs)
            )
        )

    def init_weights(self) -> None:
        """Initialise as ``init_cfg`` says, by default with small boxes.

        Distances spread evenly over 0 to ``reg_max`` strides make boxes that overlap
        small objects so little that these hardly count.
        """
        super().init_weights()
        if not self.starts_small:
            return
        # A geometric distribution of mean 2, cut off at reg_max.
        bias = -math.log(1.5) * torch.arange(self.reg_max + 1.0)
        for conv in self.gfl_reg:
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
        for level, one in enumerate(x):
            cls_feat = self.cls_convs[level](one)
            reg_feat = self.reg_convs[level](one) if self.separate_towers else cls_feat
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
        batch_img_metas: list[dict],
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
        sizes = [one.shape[-2:] for one in cls_scores]
        device = cls_scores[0].device
        priors = torch.cat(
            self.prior_generator.grid_priors(sizes, device=device, with_stride=True)
        )
        logits = _flatten_levels(cls_scores)
        distributions = _flatten_levels(bbox_preds)
        num_images = len(logits)
        points = priors[:, :2].expand(num_images, -1, -1)
        strides = priors[:, 2:3]
        distances = self.integral(distributions).reshape(num_images, -1, 4)
        boxes = self.bbox_coder.decode(points, distances * strides)
        valid = [
            torch.cat(
                self.prior_generator.valid_flags(sizes, meta["pad_shape"], device)
            )
            for meta in batch_img_metas
        ]
        labels, label_weights, box_targets, qualities = self.get_targets(
            logits, boxes, priors, valid, batch_gt_instances, batch_gt_instances_ignore
        )

        normaliser = reduce_mean(qualities.sum()).clamp(min=1)
        loss_cls = self.loss_cls(
            logits.flatten(0, 1),
            (labels.flatten(), qualities.flatten()),
            weight=label_weights.flatten(),
            avg_factor=normaliser,
        )
        positive = labels < self.num_classes
        targets = box_targets[positive]
        weights = qualities[positive]
        if not self.weigh_boxes:
            weights = torch.ones_like(weights)
            normaliser = reduce_mean(weights.sum()).clamp(min=1)
        loss_bbox = self.loss_bbox(
            boxes[positive], targets, weight=weights, avg_factor=normaliser
        )
        stride = strides.expand(num_images, -1, -1)[positive]
        target_distances = self.bbox_coder.encode(
            points[positive] / stride, targets / stride, self.reg_max
        )
        loss_dfl = self.loss_dfl(
            distributions[positive].reshape(-1, self.reg_max + 1),
            target_distances.reshape(-1),
            weight=weights[:, None].expand(-1, 4).reshape(-1),
            avg_factor=4 * normaliser,
        )
        return dict(loss_cls=loss_cls, loss_bbox=loss_bbox, loss_dfl=loss_dfl)

    @torch.no_grad()
    def get_targets(
        self,
        logits: Tensor,
        boxes: Tensor,
        priors: Tensor,
        valid: Sequence[Tensor],
        batch_gt_instances: list[InstanceData],
        batch_gt_instances_ignore: list[InstanceData] | None = None,
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Assign ground truth to the ``P`` priors of all levels.

        Args:
            logits: Class logits, ``(N, P, num_classes)``.
            boxes: Predicted boxes in input pixels, ``(N, P, 4)``.
            priors: Points and strides, ``(P, 4)``.
            valid: Per image, which priors lie on it, ``(P,)``.
            batch_gt_instances: ``bboxes`` in input pixels and ``labels`` per image.
            batch_gt_instances_ignore: Passed on to the assigner.

        Returns:
            Labels with ``num_classes`` for background, label weights and qualities (the
            overlap of each positive), all ``(N, P)``, and boxes ``(N, P, 4)``.
        """
        ignored = batch_gt_instances_ignore or [None] * len(logits)
        targets = multi_apply(
            self._get_targets_single,
            logits.detach(),
            boxes.detach(),
            valid,
            batch_gt_instances,
            ignored,
            priors=priors,
        )
        return tuple(torch.stack(one) for one in targets)

    def _get_targets_single(
        self,
        logits: Tensor,
        boxes: Tensor,
        valid: Tensor,
        gt_instances: InstanceData,
        gt_instances_ignore: InstanceData | None,
        priors: Tensor,
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        num_priors = len(priors)
        labels = priors.new_full((num_priors,), self.num_classes, dtype=torch.long)
        qualities = priors.new_zeros(num_priors)
        box_targets = priors.new_zeros(num_priors, 4)
        # Of mmdet's assigners only this one takes logits.
        takes_logits = isinstance(self.assigner, DynamicSoftLabelAssigner)
        predictions = InstanceData(
            scores=logits[valid] if takes_logits else logits[valid].sigmoid(),
            bboxes=boxes[valid],
            priors=priors[valid],
        )
        result = self.assigner.assign(predictions, gt_instances, gt_instances_ignore)
        assigned = result.gt_inds > 0
        positive = valid.nonzero().squeeze(1)[assigned]
        owners = result.gt_inds[assigned] - 1
        labels[positive] = gt_instances.labels[owners]
        qualities[positive] = result.max_overlaps[assigned].to(qualities)
        box_targets[positive] = gt_instances.bboxes[owners].to(box_targets)
        return labels, valid.to(qualities), box_targets, qualities


def _flatten_levels(maps: Sequence[Tensor]) -> Tensor:
    """Turn ``(N, C, H, W)`` maps into one ``(N, P, C)`` tensor in single precision."""
    flat = [one.permute(0, 2, 3, 1).flatten(1, 2) for one in maps]
    return torch.cat(flat, dim=1).float()


def _tie_convolutions(per_level: nn.ModuleList) -> None:
    """Let all levels use the first one's convolution weights.

    Parameters are tied, not modules: fusing norms into convolutions for deployment
    replaces each level's weights by its own.
    """
    for one in per_level:
        for mine, first in zip(one.modules(), per_level[0].modules(), strict=True):
            if isinstance(mine, nn.modules.conv._ConvNd):
                mine.weight, mine.bias = first.weight, first.bias
