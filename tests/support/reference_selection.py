"""The selection of detections among candidates, written from its description alone."""

import torch
from mmcv.ops import batched_nms


def select(outputs, index, description, picture, scale_factor, offset=(0.0, 0.0)):
    """Select the detections of image ``index``.

    Returns:
        Boxes in original pixels, scores, labels, and the candidates they come from.
    """
    rules = description.selection
    boxes = outputs["boxes"][index]
    scores = outputs["scores"][index]
    factors = outputs["score_factors"][index] if "score_factors" in outputs else None
    alive = torch.ones(len(scores), dtype=torch.bool)
    if rules.factor_threshold is not None:
        alive = factors >= rules.factor_threshold
    if rules.best_class:
        best, labels = scores.max(dim=1)
        rows = (best * factors >= rules.score_threshold).nonzero().squeeze(1)
        labels, scores = labels[rows], best[rows]
    else:
        all_rows, all_labels, all_scores = [], [], []
        start = 0
        for count in rules.levels:
            part = scores[start : start + count]
            passes = (part > rules.score_threshold) & alive[start : start + count, None]
            rows, labels = passes.nonzero().unbind(1)
            values, order = part[rows, labels].sort(descending=True, stable=True)
            order = order[: rules.nms_pre]
            all_rows.append(rows[order] + start)
            all_labels.append(labels[order])
            all_scores.append(values[: rules.nms_pre])
            start += count
        assert start == len(scores)
        rows, labels = torch.cat(all_rows), torch.cat(all_labels)
        scores = torch.cat(all_scores)
    class_boxes = description.outputs.class_boxes
    boxes = boxes[rows, labels] if class_boxes else boxes[rows]
    if rules.clip:
        height, width = picture
        boxes[:, 0::2] = boxes[:, 0::2].clamp(0, width)
        boxes[:, 1::2] = boxes[:, 1::2].clamp(0, height)
    if factors is not None:
        scores = scores * factors[rows]
    sides = boxes[:, 2:] - boxes[:, :2]
    if rules.min_bbox_size >= 0:
        large = (sides > rules.min_bbox_size).all(dim=1)
        boxes, scores, labels = boxes[large], scores[large], labels[large]
        rows = rows[large]
    boxes = boxes - boxes.new_tensor([*offset, *offset])
    boxes = boxes / boxes.new_tensor([*scale_factor, *scale_factor])
    if rules.iou_threshold is None or not len(boxes):
        keep = scores.sort(descending=True, stable=True).indices
    else:
        nms = dict(type="nms", iou_threshold=rules.iou_threshold)
        _, keep = batched_nms(boxes, scores, labels, nms)
    keep = keep[: rules.max_per_img]
    return boxes[keep], scores[keep], labels[keep], rows[keep]
