"""Files for PyTorch itself: TorchScript and ExportedProgram.

Both hold the raw candidates of one input size, and a description beside the file.
"""

from __future__ import annotations

import os
import warnings
from pathlib import Path

import torch
from ghostnet_runtime.description import Description
from torch import Tensor, nn

from ...errors import OptionError
from ..graph.exportable_graph import ExportableGraph
from ..graph.static_graph import StaticGraph
from ..model_files import finished_model, write_description


def export_torchscript(
    graph: ExportableGraph,
    description: Description,
    path: str | os.PathLike[str],
    *,
    example: Tensor,
) -> Path:
    """Trace a graph and write it as TorchScript.

    PyTorch has deprecated TorchScript in favour of `export_program`; C++ programs on
    libtorch and Android's PyTorch Mobile still load nothing else.

    Args:
        graph: A `DetectionGraph`; it stays as it is.
        description: Of the export.
        path: A ``.pt`` file. Its outputs are a tuple in the description's order.
        example: An image of the size to export, ``(1, 3, H, W)``.

    Returns:
        ``path``.

    Raises:
        OptionError: The path, the example or the form of the graph is not possible.
    """
    static = _static(graph, description, example, "TorchScript")
    with finished_model(path, ".pt") as scratch:
        trace(static).save(str(scratch))
        write_description(description, scratch)
    return Path(path)


def export_program(
    graph: ExportableGraph,
    description: Description,
    path: str | os.PathLike[str],
    *,
    example: Tensor,
) -> Path:
    """Write a graph as an ``ExportedProgram`` of ``torch.export``.

    Args:
        graph: A `DetectionGraph`; it stays as it is.
        description: Of the export.
        path: A ``.pt2`` file. Its outputs are a tuple in the description's order.
        example: An image of the size to export, ``(1, 3, H, W)``.

    Returns:
        ``path``.

    Raises:
        OptionError: The path, the example or the form of the graph is not possible.
    """
    static = _static(graph, description, example, "An ExportedProgram")
    with finished_model(path, ".pt2") as scratch:
        torch.export.save(exported_program(static), str(scratch))
        write_description(description, scratch)
    return Path(path)


def trace(static: nn.Module) -> torch.jit.ScriptModule:
    """Trace a module with the example ``inputs`` it has; its weights become constants.

    Frozen, because pnnx can lose the weights of a module that is called several times.
    """
    with warnings.catch_warnings(), torch.no_grad():
        # Deprecation, and shapes that become constants: wanted here.
        warnings.simplefilter("ignore")
        traced = torch.jit.trace(static, static.inputs, check_trace=False)
        return torch.jit.freeze(traced.eval())


def exported_program(static: StaticGraph) -> torch.export.ExportedProgram:
    """Return a graph as ``torch.export`` sees it."""
    with torch.no_grad():
        return torch.export.export(static, static.inputs, strict=False)


def _static(
    graph: ExportableGraph, description: Description, example: Tensor, kind: str
) -> StaticGraph:
    if description.outputs.form == "detections":
        raise OptionError(
            f"{kind} cannot hold NMS in the graph; export to ONNX or OpenVINO instead."
        )
    if description.input.form == "pixels":
        raise OptionError(
            f"{kind} cannot hold preprocessing in the graph; export to ONNX or "
            "OpenVINO instead."
        )
    return StaticGraph(graph, description, example)
