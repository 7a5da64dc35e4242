"""Targets of a dense head, assigned from the predictions of the step."""

from collections.abc import Sequence
from typing import Any

import torch
from mmdet.models.task_modules.assigners import BaseAssigner, DynamicSoftLabelAssigner
from mmdet.models.task_modules.prior_generators import MlvlPointGenerator
from mmdet.models.utils import multi_apply
from mmengine.structures import InstanceData
from torch import Tensor


def flatten_levels(maps: Sequence[Tensor]) -> Tensor:
    """Turn ``(N, C, H, W)`` maps into one ``(N, P, C)`` tensor in single precision."""
    flat = [level.permute(0, 2, 3, 1).flatten(1, 2) for level in maps]
    return torch.cat(flat, dim=1).float()


def valid_priors(
    prior_generator: MlvlPointGenerator,
    sizes: Sequence[tuple[int, int]],
    batch_img_metas: Sequence[dict[str, Any]],
    device: torch.device,
) -> list[Tensor]:
    """Return for each image which of the ``P`` priors lie within its ``pad_shape``.

    Args:
        prior_generator: The head's.
        sizes: (height, width) of each level's map.
        batch_img_metas: With ``pad_shape`` per image.
        device: Of the returned masks.
    """
    return [
        torch.cat(prior_generator.valid_flags(sizes, meta["pad_shape"], device))
        for meta in batch_img_metas
    ]


@torch.no_grad()
def assign_targets(
    assigner: BaseAssigner,
    logits: Tensor,
    boxes: Tensor,
    priors: Tensor,
    valid: Sequence[Tensor],
    batch_gt_instances: list[InstanceData],
    batch_gt_instances_ignore: list[InstanceData] | None = None,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Assign ground truth to the ``P`` priors of all levels.

    Args:
        assigner: ``DynamicSoftLabelAssigner``, which takes logits, or one that takes
            scores, such as ``SimOTAAssigner``.
        logits: Class logits, ``(N, P, num_classes)``.
        boxes: Predicted boxes in input pixels, ``(N, P, 4)``.
        priors: Points and strides, ``(P, 4)``.
        valid: Per image, which priors lie on it, ``(P,)``.
        batch_gt_instances: ``bboxes`` in input pixels and ``labels`` per image.
        batch_gt_instances_ignore: Passed on to the assigner.

    Returns:
        Labels with ``num_classes`` for background, label weights and qualities (the
        overlap of each positive), all ``(N, P)``, and boxes ``(N, P, 4)``: labels,
        label weights, boxes, qualities.
    """
    ignored = batch_gt_instances_ignore or [None] * len(logits)
    targets = multi_apply(
        _assign_one_image,
        logits.detach(),
        boxes.detach(),
        valid,
        batch_gt_instances,
        ignored,
        assigner=assigner,
        priors=priors,
    )
    labels, weights, box_targets, qualities = map(torch.stack, targets)
    return labels, weights, box_targets, qualities


def _assign_one_image(
    logits: Tensor,
    boxes: Tensor,
    valid: Tensor,
    gt_instances: InstanceData,
    gt_instances_ignore: InstanceData | None,
    assigner: BaseAssigner,
    priors: Tensor,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    num_priors, background = logits.shape
    labels = priors.new_full((num_priors,), background, dtype=torch.long)
    qualities = priors.new_zeros(num_priors)
    box_targets = priors.new_zeros(num_priors, 4)
    # Of mmdet's assigners only this one takes logits.
    takes_logits = isinstance(assigner, DynamicSoftLabelAssigner)
    predictions = InstanceData(
        scores=logits[valid] if takes_logits else logits[valid].sigmoid(),
        bboxes=boxes[valid],
        priors=priors[valid],
    )
    result = assigner.assign(predictions, gt_instances, gt_instances_ignore)
    assigned = result.gt_inds > 0
    positive = valid.nonzero().squeeze(1)[assigned]
    owners = result.gt_inds[assigned] - 1
    labels[positive] = gt_instances.labels[owners]
    qualities[positive] = result.max_overlaps[assigned].to(qualities)
    box_targets[positive] = gt_instances.bboxes[owners].to(box_targets)
    return labels, valid.to(qualities), box_targets, qualities
