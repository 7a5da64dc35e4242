"""ExecuTorch programs whose operators run in XNNPACK wherever it has them."""

from __future__ import annotations

import logging
from collections import Counter
from pathlib import Path
from typing import Any

from mmengine.logging import print_log

from ..graph.static_graph import StaticGraph
from .base import StaticFormat
from .libraries import import_library
from .pytorch import exported_program

# What hands a part of the graph to XNNPACK, and takes its results.
CALLS_OF_PARTS = ("executorch_call_delegate", "getitem")


class ExecuTorchFormat(StaticFormat):
    """ExecuTorch for XNNPACK, in float32.

    The log names the operators that XNNPACK does not have; ExecuTorch's portable
    kernels compute these.
    """

    name = "executorch"
    suffix = ".pte"
    modules = ("executorch",)
    extra = "executorch"
    takes_two_stages = False

    def convert(self, static: StaticGraph, path: Path) -> None:
        """Write a graph to ``path``."""
        exir = import_library("executorch.exir", self.extra)
        xnnpack = import_library(
            "executorch.backends.xnnpack.partition.xnnpack_partitioner", self.extra
        )
        lowered = exir.to_edge_transform_and_lower(
            exported_program(static), partitioner=[xnnpack.XnnpackPartitioner()]
        )
        left = undelegated(lowered)
        print_log(
            f"ExecuTorch: {sum(left.values())} operators run outside of XNNPACK"
            + "".join(f", {count} {name}" for name, count in sorted(left.items())),
            logger="current",
            level=logging.INFO,
        )
        path.write_bytes(lowered.to_executorch().buffer)


def undelegated(lowered: Any) -> Counter[str]:
    """Count the operators that stay outside of XNNPACK, by name."""
    nodes = lowered.exported_program().graph.nodes
    names = [
        getattr(node.target, "__name__", str(node.target))
        for node in nodes
        if node.op == "call_function"
    ]
    return Counter(name for name in names if name not in CALLS_OF_PARTS)
