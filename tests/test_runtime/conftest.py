"""Descriptions and tiny models for the tests of the runtime."""

import copy
import json

import numpy as np
import pytest
from ghostnet_runtime.description import read_description

IMAGENET = {
    "mean": [123.675, 116.28, 103.53],
    "std": [58.395, 57.12, 57.375],
}

BASE = {
    "format": "ghostnet_mm.detector/1",
    "task": "detection",
    "name": "tiny",
    "classes": ["cat", "dog", "bird"],
    "input": {
        "name": "image",
        "form": "tensor",
        "batch": 1,
        "height": 32,
        "width": 32,
        "size_divisor": 32,
        "channel_order": "rgb",
        **IMAGENET,
    },
    "resize": {
        "scale": [32, 32],
        "keep_ratio": False,
        "pad_value": IMAGENET["mean"],
        "pad": "divisor",
    },
    "outputs": {
        "form": "candidates",
        "names": ["boxes", "scores"],
        "class_boxes": False,
        "score_factors": False,
    },
    "selection": {
        "levels": None,
        "strides": [],
        "priors_per_cell": [],
        "score_threshold": 0.05,
        "nms_pre": 1000,
        "factor_threshold": None,
        "best_class": False,
        "iou_threshold": 0.5,
        "max_per_img": 100,
        "min_bbox_size": 0,
        "clip": True,
        "per_level": False,
    },
    "source": {"config": "none", "ghostnet_mm": "0", "torch": "0", "mmdet": "0"},
}


def changed(**sections):
    """The base description, with keys of its sections replaced."""
    raw = copy.deepcopy(BASE)
    for section, values in sections.items():
        if isinstance(values, dict) and isinstance(raw.get(section), dict):
            raw[section].update(values)
        else:
            raw[section] = values
    return raw


@pytest.fixture(scope="session")
def raw_description():
    return changed


@pytest.fixture(scope="session")
def description():
    return lambda **sections: read_description(json.dumps(changed(**sections)), "test")


@pytest.fixture(scope="session")
def tiny_onnx():
    """Write a model whose outputs grow with the mean of its input.

    Its candidates are ``boxes`` (P, 4), and ``scores`` (P, C) times a half plus the
    input's mean, within 0 and 1.
    """
    onnx = pytest.importorskip("onnx")

    def write(path, raw, boxes, scores, embed=True):
        onnx_type = onnx.TensorProto.FLOAT
        helper, numpy_helper = onnx.helper, onnx.numpy_helper
        is_pixels = raw["input"]["form"] == "pixels"
        shape = [1, None, None, 3] if is_pixels else [1, 3, None, None]
        kind = onnx.TensorProto.UINT8 if is_pixels else onnx_type
        constants = {
            "all_boxes": np.asarray(boxes, np.float32)[None],
            "all_scores": np.asarray(scores, np.float32)[None],
            "half": np.float32(0.5),
            "low": np.float32(0),
            "high": np.float32(1),
        }
        nodes = [
            helper.make_node("Cast", ["image"], ["real"], to=onnx_type),
            helper.make_node("ReduceMean", ["real"], ["mean"], keepdims=0),
            helper.make_node("Mul", ["mean", "half"], ["shift"]),
            helper.make_node("Add", ["all_scores", "shift"], ["raised"]),
            helper.make_node("Clip", ["raised", "low", "high"], ["scores"]),
            helper.make_node("Identity", ["all_boxes"], ["boxes"]),
        ]
        graph = helper.make_graph(
            nodes,
            "tiny",
            [helper.make_tensor_value_info("image", kind, shape)],
            [
                helper.make_tensor_value_info(
                    name, onnx_type, list(constants[f"all_{name}"].shape)
                )
                for name in ("boxes", "scores")
            ],
            [numpy_helper.from_array(v, k) for k, v in constants.items()],
        )
        opset = [helper.make_opsetid("", 17)]
        model = helper.make_model(graph, opset_imports=opset, ir_version=8)
        if embed:
            helper.set_model_props(model, {"ghostnet_mm": json.dumps(raw)})
        onnx.save(model, str(path))
        return path

    return write
