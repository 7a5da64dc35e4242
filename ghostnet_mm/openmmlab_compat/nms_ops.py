"""Non-maximum suppression with the results of mmcv's compiled CPU kernels.

``nms`` and ``softnms`` take and return what the functions of the same name in
``mmcv._ext`` do; ``mmcv.ops.nms`` documents the arguments for users.
"""

import torch
import torchvision
from torch import Tensor


def nms(boxes: Tensor, scores: Tensor, iou_threshold: float, offset: int) -> Tensor:
    """Greedy non-maximum suppression.

    Args:
        boxes: (N, 4) corners ``x1, y1, x2, y2`` in pixels, on any device; half
            precision is computed in float32.
        scores: (N,).
        iou_threshold: A box goes when its IoU with a kept box is above this.
        offset: 0, or 1 where the last pixel counts as part of the box.

    Returns:
        (K,) int64 indices of the kept boxes, by falling score. Equal scores come in
        the order of torch's sort, as in mmcv.
    """
    if boxes.numel() == 0:
        return boxes.new_empty(0, dtype=torch.long)
    boxes = _at_least_float32(boxes)
    order = scores.sort(dim=0, descending=True).indices
    # mmcv's kernels take the threshold as a float32; 0.6 and float32(0.6) differ, and
    # IoUs of exactly 0.6 occur.
    iou_threshold = torch.tensor(iou_threshold, dtype=torch.float32).item()
    sorted_boxes = boxes[order]
    if offset == 0:
        # Falling ranks in place of the scores keep torchvision from sorting ties anew.
        ranks = torch.arange(len(order), 0, -1, device=boxes.device).to(boxes.dtype)
        kept = torchvision.ops.nms(sorted_boxes, ranks, iou_threshold)
    else:
        kept = _nms_of_sorted_boxes(sorted_boxes, iou_threshold, offset)
    return order[kept]


def _nms_of_sorted_boxes(boxes: Tensor, iou_threshold: float, offset: int) -> Tensor:
    """Suppress among boxes that come by falling score; return the kept positions.

    torchvision knows no offset, and adding it to the corners rounds differently.
    """
    areas = _areas(boxes, offset)
    alive = torch.ones(len(boxes), dtype=torch.bool, device=boxes.device)
    for best in range(len(boxes) - 1):
        if alive[best]:
            rest = slice(best + 1, None)
            iou = _iou_with_others(
                boxes[best], areas[best], boxes[rest], areas[rest], offset
            )
            alive[rest] &= ~(iou > iou_threshold)
    return alive.nonzero().squeeze(1)


def softnms(
    boxes: Tensor,
    scores: Tensor,
    dets: Tensor,
    iou_threshold: float,
    sigma: float,
    min_score: float,
    method: int,
    offset: int,
) -> Tensor:
    """Soft-NMS: lower the scores of overlapping boxes instead of removing them.

    Args:
        boxes: (N, 4) corners ``x1, y1, x2, y2`` in pixels.
        scores: (N,).
        dets: (N, 5), overwritten: row k becomes the k-th kept box and its lowered
            score; rows after the last kept box are left as they are.
        iou_threshold: From this IoU on, ``method`` 0 and 1 change a score.
        sigma: Width of the Gaussian of ``method`` 2.
        min_score: Boxes whose score falls below this go.
        method: 0 sets the score to zero, 1 multiplies by ``1 - IoU``, 2 by
            ``exp(-IoU^2 / sigma)``.
        offset: 0, or 1 where the last pixel counts as part of the box.

    Returns:
        (K,) int64 indices of the kept boxes, in the order they were chosen.

    The paper: Bodla et al., Soft-NMS (https://arxiv.org/abs/1704.04503).
    """
    if boxes.numel() == 0:
        return boxes.new_empty(0, dtype=torch.long)
    boxes = _at_least_float32(boxes)
    scores = _at_least_float32(scores).clone()
    areas = _areas(boxes, offset)
    # `slots` lists the boxes still in play: first the chosen ones, then the others, in
    # the order in which the compiled kernel shuffles them, since of equal scores the
    # one that comes first is chosen.
    slots = torch.arange(len(boxes), device=boxes.device)
    chosen = 0
    while chosen < len(slots):
        best_slot = chosen + int(scores[slots[chosen:]].argmax())
        swapped = slots[[chosen, best_slot]]
        slots[[best_slot, chosen]] = swapped
        best, others = slots[chosen], slots[chosen + 1 :]
        dets[chosen, :4] = boxes[best]
        dets[chosen, 4] = scores[best]
        chosen += 1
        iou = _iou_with_others(
            boxes[best], areas[best], boxes[others], areas[others], offset
        )
        scores[others] *= _score_factor(iou, iou_threshold, sigma, method)
        survives = ~(scores[others] < min_score)
        slots = torch.cat([slots[:chosen], _fill_holes_from_the_end(others, survives)])
    return slots


def _score_factor(
    iou: Tensor, iou_threshold: float, sigma: float, method: int
) -> Tensor:
    """Return the (M,) factors on the scores of boxes that overlap by ``iou``."""
    if method == 2:
        return torch.exp(-(iou * iou) / sigma)
    iou_threshold = torch.tensor(iou_threshold, dtype=torch.float32).item()
    lowered = torch.zeros_like(iou) if method == 0 else 1 - iou
    return torch.where(iou >= iou_threshold, lowered, torch.ones_like(iou))


def _fill_holes_from_the_end(items: Tensor, survives: Tensor) -> Tensor:
    """Drop the items that do not survive, moving the last survivors to their places."""
    count = int(survives.sum())
    front = items[:count].clone()
    front[~survives[:count]] = items[count:][survives[count:]].flip(0)
    return front


def _areas(boxes: Tensor, offset: int) -> Tensor:
    x1, y1, x2, y2 = boxes.unbind(-1)
    return (x2 - x1 + offset) * (y2 - y1 + offset)


def _iou_with_others(
    box: Tensor, area: Tensor, others: Tensor, other_areas: Tensor, offset: int
) -> Tensor:
    """Return the IoU of one box (4,) with each of ``others`` (M, 4), as (M,)."""
    top_left = torch.maximum(box[:2], others[:, :2])
    bottom_right = torch.minimum(box[2:], others[:, 2:])
    sides = (bottom_right - top_left + offset).clamp(min=0)
    intersection = sides[:, 0] * sides[:, 1]
    return intersection / (area + other_areas - intersection)


def _at_least_float32(tensor: Tensor) -> Tensor:
    return tensor if tensor.dtype == torch.float64 else tensor.float()
