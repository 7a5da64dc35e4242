"""Export to ONNX: one file of standard operators, with its description inside."""

from __future__ import annotations

import os
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from ghostnet_runtime.description import Description, InputForm
from ghostnet_runtime.description_text import METADATA_KEY
from torch import Tensor

from ....errors import OptionError
from ...description import with_dynamic_axes
from ...graph.exportable_graph import ExportableGraph, with_fixed_size
from .postprocessing import append_selection
from .preprocessing import prepend_preprocessing

if TYPE_CHECKING:
    import onnx

# Where the exporter says of which modules a node is.
SCOPES_KEY = "pkg.torch.onnx.name_scopes"
OPSET = 18


def export_onnx(
    graph: ExportableGraph,
    description: Description,
    path: str | os.PathLike[str],
    *,
    nms: bool = False,
    dynamic_batch: bool = False,
    dynamic_size: bool = False,
    preprocess: bool = False,
) -> Description:
    """Write a detector as an ONNX file.

    Args:
        graph: The detector's graph.
        description: Of ``description.describe``; its input size is that of the file.
        path: The file to write.
        nms: Selects detections in the graph: outputs ``detections`` and ``labels``.
        dynamic_batch: Takes any number of images at once.
        dynamic_size: Takes inputs of any height and width that the stride divides.
        preprocess: Takes pictures as they are, uint8, and resizes and normalizes them.

    Returns:
        The description of what was written, which the file carries as metadata under
        ``ghostnet_mm``.

    Raises:
        OptionError: A package is missing, or the graph has no such form.
    """
    description = with_dynamic_axes(description, batch=dynamic_batch, size=dynamic_size)
    if dynamic_size and not graph.any_size:
        raise OptionError(
            "SSD's anchors are made for one input size: export it without "
            "--dynamic-size."
        )
    model = onnx_model(graph, description)
    if nms:
        model, description = append_selection(model, description)
    if preprocess:
        model, description = prepend_preprocessing(model, description)
    save_onnx(model, description, path)
    return description


def onnx_model(graph: ExportableGraph, description: Description) -> onnx.ModelProto:
    """Translate a graph to ONNX, with the batch and the size that are described.

    Raises:
        OptionError: onnx or onnxscript is not installed.
    """
    _require_packages()
    fed = description.input
    inputs, shapes = _example(graph, fed)
    with with_fixed_size(graph, fed.size):
        with torch.no_grad(), warnings.catch_warnings():
            # Of mmdet's calls, and of the exporter's own.
            warnings.simplefilter("ignore")
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
                custom_translation_table={
                    torch.ops.aten.sort.stable: _translate_stable_sort
                },
            )
    return _cleaned(exported.model_proto, description)


def save_onnx(
    model: onnx.ModelProto, description: Description, path: str | os.PathLike[str]
) -> None:
    """Check a model and write it with its description; nothing is left by an error."""
    import onnx

    domains = {node.domain for node in model.graph.node} | {
        f.domain for f in model.functions
    }
    if domains - {"", "ai.onnx"}:
        raise RuntimeError(f"operators outside of the standard: {sorted(domains)}")
    del model.metadata_props[:]
    entry = model.metadata_props.add()
    entry.key, entry.value = METADATA_KEY, description.to_json()
    onnx.checker.check_model(model, full_check=True)
    target = Path(path).expanduser()
    target.parent.mkdir(parents=True, exist_ok=True)
    unfinished = target.with_name(f".{target.name}.unfinished")
    try:
        onnx.save_model(model, unfinished)
        unfinished.replace(target)
    finally:
        unfinished.unlink(missing_ok=True)


def _translate_stable_sort(
    values: Any,
    stable: bool | None = None,
    dim: int = -1,
    descending: bool = False,
) -> tuple[Any, Any]:
    """Translate ``sort``; TopK keeps the order of equal values by its definition."""
    from onnxscript import opset18 as op

    length = op.Shape(values, start=dim, end=dim + 1)
    return op.TopK(values, length, axis=dim, largest=int(descending))


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
        scopes = [one.value for one in node.metadata_props if one.key == SCOPES_KEY]
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


def _require_packages() -> None:
    try:
        import onnx  # noqa: F401
        import onnxscript  # noqa: F401
    except ModuleNotFoundError as error:
        raise OptionError(
            f"{error.name} is not installed, which the export to ONNX needs: "
            f'pip install "ghostnet_mm[onnx]".'
        ) from error
