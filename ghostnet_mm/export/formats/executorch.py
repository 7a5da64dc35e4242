"""ExecuTorch programs whose operators run in XNNPACK wherever it has them."""

from __future__ import annotations

import logging
import os
from collections import Counter
from pathlib import Path
from typing import Any

from ghostnet_runtime.description import Description
from mmengine.logging import print_log
from torch import Tensor

from ..graph.exportable_graph import ExportableGraph
from ..graph.static_graph import StaticGraph, check_plain_candidates
from ..model_files import finished_model, write_description
from .libraries import import_library
from .pytorch import exported_program

# What hands a part of the graph to XNNPACK, and takes its results.
CALLS_OF_PARTS = ("executorch_call_delegate", "getitem")


def export_executorch(
    graph: ExportableGraph,
    description: Description,
    path: str | os.PathLike[str],
    *,
    example: Tensor,
) -> Path:
    """Write a graph as an ExecuTorch program for XNNPACK, in float32.

    The log names the operators that XNNPACK does not have; ExecuTorch's portable
    kernels compute these.

    Args:
        graph: A `DetectionGraph` of a one-stage detector; it stays as it is.
        description: Of the export.
        path: A ``.pte`` file; the description goes beside it, into ``.json``.
        example: An image of the size to export, ``(1, 3, H, W)``.

    Returns:
        ``path``.

    Raises:
        OptionError: ExecuTorch is not installed, or the path, the example or the form
            of the graph is not possible.
    """
    check_plain_candidates(description, "ExecuTorch")
    lowered = lower(StaticGraph(graph, description, example))
    left = undelegated(lowered)
    print_log(
        f"ExecuTorch: {sum(left.values())} operators run outside of XNNPACK"
        + "".join(f", {count} {name}" for name, count in sorted(left.items())),
        logger="current",
        level=logging.INFO,
    )
    with finished_model(path, ".pte") as scratch:
        scratch.write_bytes(lowered.to_executorch().buffer)
        write_description(description, scratch)
    return Path(path)


def lower(static: StaticGraph) -> Any:
    """Return the graph as ExecuTorch's edge program with parts handed to XNNPACK.

    Raises:
        OptionError: ExecuTorch is not installed.
    """
    exir = import_library("executorch.exir", "executorch")
    xnnpack = import_library(
        "executorch.backends.xnnpack.partition.xnnpack_partitioner", "executorch"
    )
    return exir.to_edge_transform_and_lower(
        exported_program(static), partitioner=[xnnpack.XnnpackPartitioner()]
    )


def undelegated(lowered: Any) -> Counter[str]:
    """Count the operators that stay outside of XNNPACK, by name."""
    nodes = lowered.exported_program().graph.nodes
    names = [
        getattr(node.target, "__name__", str(node.target))
        for node in nodes
        if node.op == "call_function"
    ]
    return Counter(name for name in names if name not in CALLS_OF_PARTS)
