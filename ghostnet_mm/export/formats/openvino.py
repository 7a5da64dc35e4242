"""OpenVINO IR, made of the ONNX file: all its forms, names and values carry over."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
from ghostnet_runtime.description_text import METADATA_KEY

from ..model_files import finished_model
from .base import ExportJob
from .libraries import import_library
from .onnx.format import OnnxFormat

# The square of more does not fit into int32.
MOST_TIES = 2**15


class OpenVinoFormat(OnnxFormat):
    """OpenVINO IR in float32, by way of ONNX; the weights go into ``.bin``."""

    name = "openvino"
    suffix = ".xml"
    modules = (*OnnxFormat.modules, "openvino")
    extra = "openvino"

    def save(self, job: ExportJob, path: Path) -> None:
        """Write what the job asks for to ``path`` in place of the job's own."""
        onnx_path = path.with_suffix(".onnx")
        super().save(job, onnx_path)
        openvino_from_onnx(onnx_path, path)
        onnx_path.unlink()


def openvino_from_onnx(
    onnx_path: str | os.PathLike[str], path: str | os.PathLike[str]
) -> Path:
    """Convert an exported ONNX file, of any form, to OpenVINO IR.

    The description moves from the file's metadata to ``rt_info``.

    Args:
        onnx_path: The ONNX file.
        path: An ``.xml`` file; the weights go beside it, into a ``.bin`` file.

    Returns:
        ``path``.

    Raises:
        OptionError: OpenVINO or ONNX is not installed, or the path is not possible.
    """
    openvino = import_library("openvino", "openvino")
    onnx = import_library("onnx", "onnx")
    metadata = onnx.load(str(onnx_path), load_external_data=False).metadata_props
    model = openvino.convert_model(str(onnx_path))
    for node in model.get_ops():
        if node.get_type_name() == "TopK":
            _keep_ties_in_order(node)
    for entry in metadata:
        if entry.key == METADATA_KEY:
            model.set_rt_info(entry.value, [METADATA_KEY])
    with finished_model(path, ".xml") as scratch:
        openvino.save_model(model, str(scratch), compress_to_fp16=False)
    return Path(path)


def _keep_ties_in_order(topk: Any) -> None:
    """Let equal scores come in the order of their places, as ONNX promises of TopK.

    OpenVINO's importer forgets it. Its own stable TopK compares each score with each
    that is chosen: a second for the anchors of a large input, where this takes some
    milliseconds.

    Args:
        topk: The node; what reads its second output reads the ordered places after.
    """
    best, places = topk.output(0), topk.output(1)
    scores, shape = topk.input_value(0), best.get_partial_shape()
    is_small = shape[-1].is_static and shape[-1].get_length() <= MOST_TIES
    if len(shape) != 2 or not is_small or topk.get_attributes()["mode"] != "max":
        topk.set_attribute("stable", True)
        return
    ops = import_library("openvino.opset13", "openvino")
    count = shape[1].get_length()

    def whole(values: Any) -> Any:
        return ops.convert(values, "i32")

    def smallest(values: Any) -> Any:
        return ops.topk(values, np.int64(count), 1, "min", "value").output(0)

    # Of those that equal the worst of the best, the first are chosen.
    worst = ops.gather(best, np.array([count - 1]), np.int64(1))
    better, equal = ops.greater(scores, worst), ops.equal(scores, worst)
    number = ops.reduce_sum(whole(better), np.array([1]), keep_dims=True)
    nth = ops.add(ops.cum_sum(whole(equal), np.int64(1)), number)
    is_first = ops.logical_and(equal, ops.less_equal(nth, np.int32(count)))
    length = whole(ops.gather(ops.shape_of(scores), np.int64(1), np.int64(0)))
    every = ops.range(np.int32(0), length, np.int32(1), output_type="i32")
    kept = ops.logical_or(better, is_first)
    chosen = smallest(ops.select(kept, every, length))
    # The chosen in order of their scores, and equal ones in that of their places.
    picked = ops.gather_elements(scores, chosen, 1)
    by_score = whole(ops.topk(picked, np.int64(count), 1, "max", "value").output(1))
    before = ops.gather(best, np.maximum(np.arange(count) - 1, 0), np.int64(1))
    group = ops.cum_sum(whole(ops.not_equal(best, before)), np.int64(1))
    keys = smallest(ops.add(ops.multiply(group, np.int32(count)), by_score))
    ordered = ops.gather_elements(chosen, ops.mod(keys, np.int32(count)), 1)
    readers = places.get_target_inputs()
    ordered = ops.convert(ordered, places.get_element_type()).output(0)
    for reader in readers:
        reader.replace_source_output(ordered)
