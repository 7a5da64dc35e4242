"""Selection and non-maximum suppression as nodes of an ONNX graph.

The rules are those of mmdet 3.3's ``predict_by_feat`` and ``mmcv.ops.batched_nms``;
`Description.selection` says which of them a head uses.
"""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from ghostnet_runtime.description import Description, OutputForm

from ...description import IMAGE_SIZES
from .candidates import OUT, OUT_LIMIT, Pairs, choose_pairs, gather_rows
from .nodes import FLOAT, INT64, NodeWriter, insert_after

if TYPE_CHECKING:
    import onnx

# Detections of an image where mmdet keeps any number.
MOST_DETECTIONS = 300


def append_selection(
    model: onnx.ModelProto, description: Description
) -> tuple[onnx.ModelProto, Description]:
    """Turn the outputs of a detector from candidates into detections.

    Args:
        model: A graph with the outputs ``boxes`` (N, P, 4) or (N, P, C, 4), ``scores``
            (N, P, C) and perhaps ``score_factors`` (N, P).
        description: Of that graph, one without masks and not of `needs_picture_sizes`.

    Returns:
        A new model with the outputs ``detections`` float32 (N, K, 5), x1 y1 x2 y2 score
        in pixels of the network input, best first, zeros past the last; and ``labels``
        int64 (N, K), -1 past the last; K is ``max_per_img``, or `MOST_DETECTIONS`.
        Where a padded picture limits the boxes there is a second input ``image_sizes``
        float32 (N, 2), the height and width of the picture. With it the description of
        that model.
    """
    model = copy.deepcopy(model)
    count = description.selection.max_per_img or MOST_DETECTIONS
    rule = replace(description.selection, max_per_img=count)
    fed, outputs = description.input, description.outputs
    class_count = len(description.classes)
    if fed.image_sizes is None and picture_can_be_smaller(description):
        fed = replace(fed, image_sizes=IMAGE_SIZES)
        _add_image_sizes_input(model, fed.batch)
    described = replace(
        description,
        input=fed,
        selection=rule,
        outputs=OutputForm(
            form="detections",
            names=("detections", "labels"),
            class_boxes=False,
            score_factors=False,
        ),
    )
    write = NodeWriter("selection")
    factors = "score_factors" if outputs.score_factors else None
    pairs = choose_pairs(write, described, factors)
    boxes = _gather_boxes(write, pairs, class_count if outputs.class_boxes else None)
    scores = pairs.scores
    if factors is not None:
        kept_factors = gather_rows(write, factors, pairs.priors)
        inside = write("Greater", scores, OUT_LIMIT)
        scores = write("Where", inside, write("Mul", scores, kept_factors), OUT)
    if rule.clip:
        limits = _box_limits(write, described)
        boxes = write("Min", write("Max", boxes, 0.0), limits)
    if rule.min_bbox_size >= 0:
        scores = _drop_small(write, boxes, scores, float(rule.min_bbox_size))
    if rule.iou_threshold is not None:
        apart = _classes_apart(write, boxes, scores, pairs.labels, class_count)
        scores = _suppress(write, apart, scores, count, rule.iou_threshold)
    _write_best(write, boxes, scores, pairs.labels, count)
    insert_after(model, write)
    _replace_outputs(model, count, fed.batch)
    return model, described


def picture_can_be_smaller(description: Description) -> bool:
    """Whether boxes end at a border that the size of the network input does not tell.

    mmdet takes what the pipeline's own ``Pad`` made for the picture and clips to that;
    only the padding of the data preprocessor is left outside.
    """
    resize = description.resize
    varies = resize.keep_ratio or resize.scale is None
    return description.selection.clip and varies and resize.pad == "divisor"


def needs_picture_sizes(description: Description) -> bool:
    """Whether boxes are dropped by their size in the picture.

    mmdet compares ``min_bbox_size`` after scaling boxes to the picture, before NMS. A
    graph knows the size of its input alone; to 0 both sizes compare alike.
    """
    resized = description.resize.scale is not None
    return resized and description.selection.min_bbox_size > 0


def _gather_boxes(write: NodeWriter, pairs: Pairs, class_count: int | None) -> str:
    """The boxes of the pairs, (N, S, 4); ``class_count`` where each class has one."""
    if class_count is None or pairs.priors is None:
        return gather_rows(write, "boxes", pairs.priors)
    flat = write("Reshape", "boxes", [0, -1, 4])
    rows = write("Add", write("Mul", pairs.priors, class_count), pairs.labels)
    return gather_rows(write, flat, rows)


def _box_limits(write: NodeWriter, description: Description) -> str | np.ndarray:
    """Width, height, width, height that boxes are clipped to: (N, 1, 4) or (4,)."""
    fed, resize = description.input, description.resize
    if fed.image_sizes is not None:
        limits = write("Gather", fed.image_sizes, [1, 0, 1, 0], axis=1)
        return write("Unsqueeze", limits, [1])
    if fed.size is not None:
        height, width = fed.size
        if resize.scale is not None and resize.pad == "divisor":
            width, height = min(width, resize.scale[0]), min(height, resize.scale[1])
        return np.array([width, height, width, height], dtype=np.float32)
    size = write("Shape", fed.name, start=2, end=4)
    limits = write("Gather", size, [1, 0, 1, 0], axis=0)
    return write("Cast", limits, to=FLOAT)


def _drop_small(write: NodeWriter, boxes: str, scores: str, size: float) -> str:
    first, last = write.pair("Split", boxes, axis=2, num_outputs=2)
    sides = write("Sub", last, first)
    shortest = write("ReduceMin", sides, [2], keepdims=0)
    return write("Where", write("Greater", shortest, size), scores, OUT)


def _classes_apart(
    write: NodeWriter, boxes: str, scores: str, labels: str, class_count: int
) -> str:
    """The boxes, those of each class moved out of reach of the others.

    With the arithmetic of ``batched_nms``, because far-off boxes can meet there too.
    """
    if class_count == 1:
        return boxes
    inside = write("Unsqueeze", write("Greater", scores, OUT_LIMIT), [2])
    coordinates = write("Where", inside, boxes, float(np.float32(-1e9)))
    largest = write("ReduceMax", coordinates, [1, 2], keepdims=1)
    step = write("Add", largest, 1.0)
    by_class = write("Unsqueeze", write("Cast", labels, to=FLOAT), [2])
    return write("Add", boxes, write("Mul", by_class, step))


def _suppress(
    write: NodeWriter, boxes: str, scores: str, count: int, threshold: float
) -> str:
    """Scores with OUT where NMS drops the candidate or has enough."""
    # A float32 threshold that every runtime reads as ``IoU > threshold``: OpenVINO
    # drops an IoU that equals it, mmcv and ONNX Runtime keep it. Just above it they
    # agree, and no two boxes of whole pixels overlap by that number.
    beside = float(np.nextafter(np.float32(threshold), np.float32(np.inf)))
    by_class = write("Unsqueeze", scores, [1])
    selected = write("NonMaxSuppression", boxes, by_class, [count], beside, OUT_LIMIT)
    places = write("Gather", selected, [0, 2], axis=1)
    kept = write("GatherND", scores, places)
    # OUT everywhere, in the shape of the scores.
    nothing = write("Min", scores, OUT)
    return write("ScatterND", nothing, places, kept)


def _write_best(
    write: NodeWriter, boxes: str, scores: str, labels: str, count: int
) -> None:
    """The outputs: the best ``count`` candidates, filled up where there are fewer."""
    scores = write("Pad", scores, [0, 0, 0, count], OUT)
    boxes = write("Pad", boxes, [0, 0, 0, 0, count, 0], 0.0)
    labels = write("Pad", labels, [0, 0, 0, count], -1)
    scores, order = write.pair("TopK", scores, [count], axis=1)
    found = write("Greater", scores, OUT_LIMIT)
    best = write(
        "Concat",
        gather_rows(write, boxes, order),
        write("Unsqueeze", scores, [2]),
        axis=2,
    )
    write("Where", write("Unsqueeze", found, [2]), best, 0.0, output="detections")
    labels = write("GatherElements", labels, order, axis=1)
    write("Where", found, labels, -1, output="labels")


def _replace_outputs(model: onnx.ModelProto, count: int, batch: int | None) -> None:
    from onnx import helper

    rows: list[int | str] = [batch or "batch", count]
    detections = helper.make_tensor_value_info("detections", FLOAT, [*rows, 5])
    labels = helper.make_tensor_value_info("labels", INT64, rows)
    del model.graph.output[:]
    model.graph.output.extend([detections, labels])


def _add_image_sizes_input(model: onnx.ModelProto, batch: int | None) -> None:
    from onnx import helper

    sizes = helper.make_tensor_value_info(IMAGE_SIZES, FLOAT, [batch or "batch", 2])
    model.graph.input.append(sizes)
