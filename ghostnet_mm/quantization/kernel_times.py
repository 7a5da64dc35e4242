"""Where a file spends its time, by kind of kernel: what INT8 speeds up and what not."""

from __future__ import annotations

import json
import os
import statistics
import tempfile
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import OptionError
from ..export.formats.libraries import import_library

KERNEL_TIME = "_kernel_time"
FUSED = "_token_"
CONVOLUTIONS = ("Conv", "FusedConv", "QLinearConv")


@dataclass(frozen=True)
class KernelTime:
    """All kernels of a kind.

    Attributes:
        kind: Of operation, with the type it computes in where the runtime tells it.
        microseconds: Of one pass: the sum of the kernels' medians.
        count: How many there are.
    """

    kind: str
    microseconds: float
    count: int


def kernel_times(
    path: str | os.PathLike,
    inputs: Mapping[str, np.ndarray],
    rounds: int = 30,
    threads: int | None = None,
) -> list[KernelTime]:
    """Profile a file, the costliest kind first.

    Profiling itself costs time in every kernel: compare files by it, do not add up.

    Args:
        path: An ``.onnx`` or ``.xml`` file.
        inputs: By name.
        rounds: Passes.
        threads: Of the runtime.

    Raises:
        OptionError: There is no profiler for such files.
    """
    profile = PROFILERS.get(Path(path).suffix)
    if profile is None:
        raise OptionError(f"{path} cannot be profiled: give an .onnx or .xml file.")
    kinds, times = profile(Path(path), dict(inputs), max(rounds, 1), threads)
    totals: dict[str, list[float]] = defaultdict(list)
    for name, each in times.items():
        totals[kinds[name]].append(statistics.median(each))
    found = [KernelTime(kind, sum(each), len(each)) for kind, each in totals.items()]
    return sorted(found, key=lambda one: -one.microseconds)


Profile = tuple[dict[str, str], dict[str, list[float]]]


def _onnxruntime(
    path: Path, inputs: dict[str, np.ndarray], rounds: int, threads: int | None
) -> Profile:
    runtime = import_library("onnxruntime", "onnx")
    with tempfile.TemporaryDirectory() as folder:
        options = runtime.SessionOptions()
        options.intra_op_num_threads = threads or 0
        options.enable_profiling = True
        options.profile_file_prefix = str(Path(folder) / "profile")
        session = runtime.InferenceSession(
            str(path), options, providers=["CPUExecutionProvider"]
        )
        for _ in range(rounds):
            session.run(None, inputs)
        events = json.loads(Path(session.end_profiling()).read_text(encoding="utf-8"))
    grouped = _grouped_convolutions(path)
    kinds, times = {}, defaultdict(list)
    for event in events:
        if event.get("cat") == "Node" and event["name"].endswith(KERNEL_TIME):
            name = event["name"].removesuffix(KERNEL_TIME)
            kinds[name] = _onnx_kind(name, event["args"], grouped)
            times[name].append(float(event["dur"]))
    return kinds, times


def _grouped_convolutions(path: Path) -> set[str]:
    """Name the convolutions of a file that have groups."""
    onnx = import_library("onnx", "onnx")
    return {
        node.name
        for node in onnx.load(str(path)).graph.node
        if any(one.name == "group" and one.i > 1 for one in node.attribute)
    }


def _onnx_kind(name: str, arguments: Mapping[str, Any], grouped: set[str]) -> str:
    kind = arguments["op_name"]
    if kind not in CONVOLUTIONS:
        return kind
    shapes = [next(iter(one.values())) for one in arguments["input_type_shape"]]
    weight = [shape for shape in shapes if len(shape) == 4][1:2]
    # In INT8 the weights are packed and without a shape, but the name is kept.
    is_depthwise = name.partition(FUSED)[0] in grouped or (
        bool(weight) and weight[0][1] == 1 and weight[0][2] > 1
    )
    return f"{kind}, depthwise" if is_depthwise else kind


def _openvino(
    path: Path, inputs: dict[str, np.ndarray], rounds: int, threads: int | None
) -> Profile:
    openvino = import_library("openvino", "openvino")
    options = {
        "INFERENCE_PRECISION_HINT": "f32",
        "PERFORMANCE_HINT": "LATENCY",
        "PERF_COUNT": "YES",
    }
    if threads is not None:
        options["INFERENCE_NUM_THREADS"] = str(threads)
    request = (
        openvino.Core().compile_model(str(path), "CPU", options).create_infer_request()
    )
    kinds, times = {}, defaultdict(list)
    for _ in range(rounds):
        request.infer(inputs)
        for one in request.get_profiling_info():
            if one.status == openvino.ProfilingInfo.Status.EXECUTED:
                kinds[one.node_name] = f"{one.node_type}, {one.exec_type}"
                times[one.node_name].append(one.real_time.total_seconds() * 1e6)
    return kinds, times


PROFILERS = {".onnx": _onnxruntime, ".xml": _openvino}
PROFILED = tuple(PROFILERS)
