"""Selection and non-maximum suppression as nodes of an ONNX graph.

The rules are those of mmdet 3.3's ``predict_by_feat`` and ``mmcv.ops.batched_nms``;
``description["selection"]`` says which of them a head uses.
"""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING

import numpy as np

from ....errors import OptionError
from .candidates import OUT, OUT_LIMIT, Pairs, choose_pairs, gather_rows
from .nodes import FLOAT, INT64, NodeWriter, check_opset, insert_after

if TYPE_CHECKING:
    import onnx


def append_selection(
    model: onnx.ModelProto, description: dict
) -> tuple[onnx.ModelProto, dict]:
    """Turn the outputs of a detector from candidates into detections.

    Args:
        model: A graph with the outputs ``boxes`` (N, P, 4) or (N, P, C, 4), ``scores``
            (N, P, C) and perhaps ``score_factors`` (N, P).
        description: The description of that graph; docs/deploy.md has its keys.

    Returns:
        A new model with the outputs ``detections`` float32 (N, K, 5), x1 y1 x2 y2 score
        in pixels of the network input, best first, zeros past the last; and ``labels``
        int64 (N, K), -1 past the last; K is ``max_per_img``. Where a padded picture
        limits the boxes there is a second input ``image_sizes`` float32 (N, 2), the
        height and width of the picture, named in ``description["input"]``. With it the
        description of that model.

    Raises:
        OptionError: The graph has its selection already, makes masks, is older than
            opset 18, ``max_per_img`` is not limited, or `needs_picture_sizes`.
    """
    _check(model, description)
    model = copy.deepcopy(model)
    description = copy.deepcopy(description)
    rules = description["selection"]
    outputs = description["outputs"]
    class_count = len(description["classes"])
    factors = "score_factors" if outputs["score_factors"] else None
    sizes = description["input"].get("image_sizes")
    if sizes is None and picture_can_be_smaller(description):
        sizes = "image_sizes"
    write = NodeWriter("selection")

    pairs = choose_pairs(write, description, class_count, factors)
    boxes = _gather_boxes(write, pairs, class_count if outputs["class_boxes"] else None)
    scores = pairs.scores
    if factors is not None:
        kept_factors = gather_rows(write, factors, pairs.priors)
        inside = write("Greater", scores, OUT_LIMIT)
        scores = write("Where", inside, write("Mul", scores, kept_factors), OUT)
    if rules["clip"]:
        limits = _box_limits(write, description, sizes)
        boxes = write("Min", write("Max", boxes, 0.0), limits)
    if rules["min_bbox_size"] >= 0:
        scores = _drop_small(write, boxes, scores, float(rules["min_bbox_size"]))
    if rules["iou_threshold"] is not None:
        scores = _suppress(write, boxes, scores, pairs.labels, class_count, rules)
    _write_best(write, boxes, scores, pairs.labels, rules["max_per_img"])

    insert_after(model, write)
    _replace_outputs(model, rules["max_per_img"], description["input"]["batch"])
    if sizes is not None and description["input"].get("image_sizes") is None:
        _add_image_sizes_input(model, sizes, description["input"]["batch"])
    description["input"]["image_sizes"] = sizes or description["input"].get(
        "image_sizes"
    )
    outputs.update(
        form="detections",
        names=["detections", "labels"],
        class_boxes=False,
        score_factors=False,
    )
    return model, description


def picture_can_be_smaller(description: dict) -> bool:
    """Whether boxes end at a border that the size of the network input does not tell.

    mmdet takes what the pipeline's own ``Pad`` made for the picture and clips to that;
    only the padding of the data preprocessor is left outside.
    """
    resize = description["resize"]
    varies = resize["keep_ratio"] or resize["scale"] is None
    return bool(
        description["selection"]["clip"] and varies and resize["pad"] == "divisor"
    )


def needs_picture_sizes(description: dict) -> bool:
    """Whether boxes are dropped by their size in the picture.

    mmdet compares ``min_bbox_size`` after scaling boxes to the picture, before NMS. A
    graph knows the size of its input alone; to 0 both sizes compare alike.
    """
    resized = description["resize"]["scale"] is not None
    return resized and description["selection"]["min_bbox_size"] > 0


def _check(model: onnx.ModelProto, description: dict) -> None:
    check_opset(model)
    if description["outputs"]["form"] != "candidates":
        raise OptionError(
            "The ONNX model selects its detections already; "
            "give one that was exported without NMS."
        )
    if description["task"] != "detection":
        raise OptionError(
            "NMS in the graph gives boxes only and this model makes masks; "
            "export it without NMS."
        )
    if description["selection"]["max_per_img"] is None:
        raise OptionError(
            "NMS in the graph needs a number of detections; set max_per_img in the "
            "config's test_cfg."
        )
    if needs_picture_sizes(description):
        raise OptionError(
            "NMS in the graph does not know how large boxes are in the picture; set "
            "min_bbox_size=0 in the config's test_cfg, or export without NMS."
        )


def _gather_boxes(write: NodeWriter, pairs: Pairs, class_count: int | None) -> str:
    """The boxes of the pairs, (N, S, 4); ``class_count`` where each class has one."""
    if class_count is None:
        return gather_rows(write, "boxes", pairs.priors)
    flat = write("Reshape", "boxes", [0, -1, 4])
    rows = write("Add", write("Mul", pairs.priors, class_count), pairs.labels)
    return gather_rows(write, flat, rows)


def _box_limits(
    write: NodeWriter, description: dict, sizes: str | None
) -> str | np.ndarray:
    """Width, height, width, height that boxes are clipped to: (N, 1, 4) or (4,)."""
    if sizes is not None:
        limits = write("Gather", sizes, [1, 0, 1, 0], axis=1)
        return write("Unsqueeze", limits, [1])
    height, width = description["input"]["height"], description["input"]["width"]
    if height is not None:
        resize = description["resize"]
        if resize["scale"] is not None and resize["pad"] == "divisor":
            width, height = (
                min(width, resize["scale"][0]),
                min(height, resize["scale"][1]),
            )
        return np.array([width, height, width, height], dtype=np.float32)
    size = write("Shape", description["input"]["name"], start=2, end=4)
    limits = write("Gather", size, [1, 0, 1, 0], axis=0)
    return write("Cast", limits, to=FLOAT)


def _drop_small(write: NodeWriter, boxes: str, scores: str, size: float) -> str:
    corners = write("Split", boxes, axis=2, num_outputs=2, output_count=2)
    sides = write("Sub", corners[1], corners[0])
    shortest = write("ReduceMin", sides, [2], keepdims=0)
    return write("Where", write("Greater", shortest, size), scores, OUT)


def _suppress(
    write: NodeWriter,
    boxes: str,
    scores: str,
    labels: str,
    class_count: int,
    rules: dict,
) -> str:
    """Scores with OUT where NMS drops the candidate or has enough.

    One call for all classes: boxes of other classes are moved out of reach, with the
    arithmetic of ``batched_nms`` because far-off boxes can meet there too.
    """
    if class_count > 1:
        inside = write("Unsqueeze", write("Greater", scores, OUT_LIMIT), [2])
        far_below = np.float32(-1e9)
        coordinates = write("Where", inside, boxes, float(far_below))
        largest = write("ReduceMax", coordinates, [1, 2], keepdims=1)
        step = write("Add", largest, 1.0)
        by_class = write("Unsqueeze", write("Cast", labels, to=FLOAT), [2])
        boxes = write("Add", boxes, write("Mul", by_class, step))
    selected = write(
        "NonMaxSuppression",
        boxes,
        write("Unsqueeze", scores, [1]),
        [rules["max_per_img"]],
        float(_threshold_beside(rules["iou_threshold"])),
        OUT_LIMIT,
    )
    places = write("Gather", selected, [0, 2], axis=1)
    kept = write("GatherND", scores, places)
    # OUT everywhere, in the shape of the scores.
    nothing = write("Min", scores, OUT)
    return write("ScatterND", nothing, places, kept)


def _threshold_beside(threshold: float) -> np.float32:
    """A float32 threshold that every runtime reads as ``IoU > threshold``.

    OpenVINO drops an IoU that equals the threshold, mmcv and ONNX Runtime keep it. Just
    above it they agree, and no two boxes of whole pixels overlap by that number.
    """
    return np.nextafter(np.float32(threshold), np.float32(np.inf))


def _write_best(
    write: NodeWriter, boxes: str, scores: str, labels: str, count: int
) -> None:
    """The outputs: the best ``count`` candidates, filled up where there are fewer."""
    scores = write("Pad", scores, [0, 0, 0, count], OUT)
    boxes = write("Pad", boxes, [0, 0, 0, 0, count, 0], 0.0)
    labels = write("Pad", labels, [0, 0, 0, count], -1)
    scores, order = write("TopK", scores, [count], axis=1, output_count=2)
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

    batch = "batch" if batch is None else batch
    del model.graph.output[:]
    model.graph.output.extend(
        [
            helper.make_tensor_value_info("detections", FLOAT, [batch, count, 5]),
            helper.make_tensor_value_info("labels", INT64, [batch, count]),
        ]
    )


def _add_image_sizes_input(
    model: onnx.ModelProto, name: str, batch: int | None
) -> None:
    from onnx import helper

    batch = "batch" if batch is None else batch
    sizes = helper.make_tensor_value_info(name, FLOAT, [batch, 2])
    model.graph.input.append(sizes)
