"""Translating a graph to ONNX."""

from __future__ import annotations

import copy
import warnings
from typing import TYPE_CHECKING, Any, cast

import torch
from ghostnet_runtime.description import Description, InputForm
from torch import Tensor

from ...graph.exportable_graph import ExportableGraph
from ...graph.ranking import stable_topk

if TYPE_CHECKING:
    import onnx

# Where the exporter says of which modules a node is.
SCOPES_KEY = "pkg.torch.onnx.name_scopes"
OPSET = 18


def onnx_model(graph: ExportableGraph, description: Description) -> onnx.ModelProto:
    """Translate a graph to ONNX, with the batch and the size that are described."""
    fed = description.input
    inputs, shapes = _example(graph, fed)
    graph = copy.deepcopy(graph).fix_size(fed.size)
    with torch.no_grad(), warnings.catch_warnings():
        # Of mmdet's calls, and of the exporter's own.
        warnings.simplefilter("ignore")
        with stable_topk():
            program = torch.export.export(
                graph, inputs, dynamic_shapes=shapes, strict=False
            )
        exported = torch.onnx.export(
            program,
            dynamo=True,
            opset_version=OPSET,
            input_names=[name for name in (fed.name, fed.image_sizes) if name],
            output_names=graph.output_names,
            external_data=False,
            verbose=False,
        )
    return _cleaned(cast(torch.onnx.ONNXProgram, exported).model_proto, description)


def _example(
    graph: ExportableGraph, fed: InputForm
) -> tuple[tuple[Tensor, ...], tuple[dict[int, Any], ...] | None]:
    """Return inputs to trace with, and which of their axes are free."""
    step = fed.size_divisor
    # Axes of size 1 would be taken for constants, and equal ones for the same.
    batch = fed.batch or 2
    height, width = fed.size or (3 * step, 4 * step)
    device = next(graph.parameters(), torch.empty(0)).device
    image = torch.zeros(batch, 3, height, width, device=device)
    axes: dict[int, Any] = {}
    if fed.batch is None:
        axes[0] = torch.export.Dim("batch")
    if fed.size is None:
        axes[2] = step * torch.export.Dim("rows")
        axes[3] = step * torch.export.Dim("columns")
    if fed.image_sizes is None:
        return (image,), ((axes,) if axes else None)
    sizes = torch.tensor([[height, width]] * batch, dtype=torch.float32, device=device)
    if not axes:
        return (image, sizes), None
    return (image, sizes), (axes, {0: axes[0]} if 0 in axes else {})


def _cleaned(model: onnx.ModelProto, description: Description) -> onnx.ModelProto:
    """Drop what only debugging needs, and name the free axes."""
    for node in model.graph.node:
        # Source lines, with paths of this machine; the modules' names stay.
        scopes = [kept.value for kept in node.metadata_props if kept.key == SCOPES_KEY]
        del node.metadata_props[:]
        for scope in scopes:
            node.metadata_props.add(key=SCOPES_KEY, value=scope)
        node.doc_string = ""
    del model.graph.value_info[:]
    del model.graph.metadata_props[:]
    for value in [*model.graph.input, *model.graph.output, *model.graph.initializer]:
        del value.metadata_props[:]
        value.doc_string = ""
    model.doc_string = ""
    model.graph.name = description.name
    _name_axes(model)
    return model


def _name_axes(model: onnx.ModelProto) -> None:
    """Give free axes plain names in place of the exporter's formulas."""
    image = model.graph.input[0].type.tensor_type.shape.dim
    renamed = {}
    for dim, name in zip(image, ("batch", "", "height", "width"), strict=True):
        if dim.dim_param:
            renamed[dim.dim_param] = name
    for value in [*model.graph.input, *model.graph.output]:
        dims = value.type.tensor_type.shape.dim
        for position, dim in enumerate(dims):
            if dim.dim_param in renamed:
                dim.dim_param = renamed[dim.dim_param]
            elif dim.dim_param:
                unnamed = "candidates" if position == 1 else f"{value.name}_{position}"
                dim.dim_param = unnamed
