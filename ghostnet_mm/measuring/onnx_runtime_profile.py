"""ONNX Runtime's own profile of a file: every kernel of every run.

The runtime fuses and renames nodes; what a kernel was in the file is found by name:
fused convolutions are called after the value that they compute.
"""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from ghostnet_runtime.libraries import import_library

if TYPE_CHECKING:
    import onnx
    import onnxruntime

EXTRA = '"ghostnet_mm[onnx]"'
KERNEL_TIME = "_kernel_time"
# What the runtime adds to names where it fuses, or computes in blocks of channels.
FUSED, BLOCKED, TOKEN = "fused ", "_nchwc", "_token_"
CONVOLUTION = "Conv"


@dataclass(frozen=True)
class Tensor:
    """What a kernel reads or makes.

    Attributes:
        kind: Its type, as in ``float`` or ``uint8``.
        shape: Its sides.
    """

    kind: str
    shape: tuple[int, ...]


@dataclass(frozen=True)
class Kernel:
    """One kernel of one run.

    Attributes:
        name: The runtime's, unique in a run.
        operator: Such as ``Conv`` or ``QLinearConv``.
        microseconds: How long it took.
        inputs: What it read, in order; packed weights are missing.
        outputs: What it made.
    """

    name: str
    operator: str
    microseconds: float
    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]


def open_session(
    model: str | os.PathLike[str] | bytes,
    threads: int | None = None,
    profile_prefix: str | None = None,
) -> onnxruntime.InferenceSession:
    """Open a model on the CPU.

    Args:
        model: A file or its content.
        threads: By default as many as the runtime chooses.
        profile_prefix: Start of the name of a profile; by default none is taken.

    Raises:
        OptionError: ONNX Runtime is not installed.
    """
    runtime = import_library("onnxruntime", EXTRA)
    options = runtime.SessionOptions()
    options.intra_op_num_threads = threads or 0
    options.log_severity_level = 3
    if profile_prefix is not None:
        options.enable_profiling = True
        options.profile_file_prefix = profile_prefix
    source = model if isinstance(model, bytes) else str(model)
    return runtime.InferenceSession(source, options, providers=["CPUExecutionProvider"])


def profile_runs(
    path: str | os.PathLike[str],
    inputs: Mapping[str, np.ndarray],
    rounds: int,
    threads: int | None = None,
    warm_up: int = 0,
) -> list[list[Kernel]]:
    """Run a file with profiling, which costs time in and between kernels.

    Args:
        path: An ``.onnx`` file.
        inputs: By name.
        rounds: Runs that are returned.
        threads: Of the runtime.
        warm_up: Runs before these.

    Returns:
        The kernels of each run, in order.

    Raises:
        OptionError: ONNX Runtime is not installed.
    """
    with tempfile.TemporaryDirectory() as folder:
        session = open_session(path, threads, str(Path(folder) / "profile"))
        for _ in range(warm_up + rounds):
            session.run(None, dict(inputs))
        text = Path(session.end_profiling()).read_text(encoding="utf-8")
    events = json.loads(text)
    runs = [event for event in events if event["name"] == "model_run"][warm_up:]
    kernels = [event for event in events if event["name"].endswith(KERNEL_TIME)]
    return [
        [
            _kernel(event)
            for event in kernels
            if run["ts"] <= event["ts"] < run["ts"] + run["dur"]
        ]
        for run in runs
    ]


class OnnxNodes:
    """The nodes of a file, by the names of a profile.

    Args:
        path: The ONNX file.

    Attributes:
        nodes: In order.
        weights: The shapes of constants by name.
    """

    def __init__(self, path: str | os.PathLike[str]):
        graph = import_library("onnx", EXTRA).load(str(path)).graph
        self.nodes: list[onnx.NodeProto] = list(graph.node)
        self.weights = {value.name: tuple(value.dims) for value in graph.initializer}
        self._by_name = {node.name: node for node in self.nodes if node.name}
        self._by_output = {name: node for node in self.nodes for name in node.output}

    def find(self, kernel: Kernel) -> onnx.NodeProto | None:
        """Return the node that a kernel stands for, if it is known."""
        name = kernel.name.removesuffix(BLOCKED).removeprefix(FUSED)
        name = name.partition(TOKEN)[0]
        return self._by_name.get(name) or self._by_output.get(name)

    def convolution(self, kernel: Kernel) -> onnx.NodeProto | None:
        """Return the convolution that a kernel is, or that was fused into it."""
        node = self.find(kernel)
        for _ in range(3):
            if node is None or node.op_type == CONVOLUTION:
                return node
            before = [
                self._by_output[name] for name in node.input if name in self._by_output
            ]
            convolutions = [maker for maker in before if maker.op_type == CONVOLUTION]
            node = next(iter(convolutions or before), None)
        return None


def groups_of(convolution: onnx.NodeProto) -> int:
    """Return the groups of a convolution."""
    return next((each.i for each in convolution.attribute if each.name == "group"), 1)


def _kernel(event: Mapping[str, Any]) -> Kernel:
    arguments = event["args"]
    return Kernel(
        event["name"].removesuffix(KERNEL_TIME),
        arguments["op_name"],
        float(event["dur"]),
        _tensors(arguments["input_type_shape"]),
        _tensors(arguments["output_type_shape"]),
    )


def _tensors(listed: list[dict[str, list[int]]]) -> tuple[Tensor, ...]:
    return tuple(
        Tensor(kind, tuple(shape)) for each in listed for kind, shape in each.items()
    )
