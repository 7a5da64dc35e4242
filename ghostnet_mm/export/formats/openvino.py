"""OpenVINO IR, made of the ONNX file: all its forms, names and values carry over."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from ghostnet_runtime.description import Description
from ghostnet_runtime.description_text import METADATA_KEY
from torch import Tensor

from ..graph.exportable_graph import ExportableGraph
from ..model_files import finished_model
from .libraries import import_library
from .onnx.model import export_onnx


def export_openvino(
    graph: ExportableGraph,
    description: Description,
    path: str | os.PathLike[str],
    *,
    example: Tensor | None = None,
    half_weights: bool = False,
    **onnx_options: Any,
) -> Path:
    """Write a graph as OpenVINO IR, by way of ONNX.

    Args:
        graph: A `DetectionGraph`.
        description: Of the export.
        path: An ``.xml`` file; the weights go beside it, into a ``.bin`` file.
        example: Not needed: the size is the description's.
        half_weights: Stores weights as float16: half the size, not exact.
        **onnx_options: Of :func:`export_onnx`: NMS, preprocessing, dynamic axes.

    Returns:
        ``path``.

    Raises:
        OptionError: OpenVINO is not installed, or the path or an option is not
            possible.
    """
    import_library("openvino", "openvino")
    # A folder of its own: only the IR is to appear.
    with finished_model(path, ".xml") as scratch:
        onnx_path = scratch.with_suffix(".onnx")
        export_onnx(graph, description, onnx_path, **onnx_options)
        openvino_from_onnx(onnx_path, scratch, half_weights=half_weights)
        onnx_path.unlink()
    return Path(path)


def openvino_from_onnx(
    onnx_path: str | os.PathLike[str],
    path: str | os.PathLike[str],
    *,
    half_weights: bool = False,
) -> Path:
    """Convert an exported ONNX file, of any form, to OpenVINO IR.

    The description moves from the file's metadata to ``rt_info``.

    Args:
        onnx_path: The ONNX file.
        path: An ``.xml`` file; the weights go beside it, into a ``.bin`` file.
        half_weights: Stores weights as float16: half the size, not exact.

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
        # The importer forgets that equal scores come in the order of their places.
        if node.get_type_name() == "TopK":
            node.set_attribute("stable", True)
    for entry in metadata:
        if entry.key == METADATA_KEY:
            model.set_rt_info(entry.value, [METADATA_KEY])
    with finished_model(path, ".xml") as scratch:
        openvino.save_model(model, str(scratch), compress_to_fp16=half_weights)
    return Path(path)
