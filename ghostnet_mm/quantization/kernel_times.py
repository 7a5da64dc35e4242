"""Where a file spends its time, by kind of kernel: what INT8 speeds up and what not."""

from __future__ import annotations

import os
import statistics
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from ghostnet_runtime.backends import openvino_settings

from ..errors import OptionError
from ..export.formats.libraries import import_library
from ..measuring.onnx_runtime_profile import (
    Kernel,
    OnnxNodes,
    groups_of,
    profile_runs,
)

CONVOLUTIONS = ("Conv", "FusedConv", "QLinearConv")
# Microseconds of each pass, by kind and name of a kernel.
KernelPasses = dict[tuple[str, str], list[float]]


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
    path: str | os.PathLike[str],
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
    totals: dict[str, list[float]] = defaultdict(list)
    for (kind, _), each in profile(path, inputs, max(rounds, 1), threads).items():
        totals[kind].append(statistics.median(each))
    found = [KernelTime(kind, sum(each), len(each)) for kind, each in totals.items()]
    return sorted(found, key=lambda kernels: -kernels.microseconds)


def _onnxruntime(
    path: str | os.PathLike[str],
    inputs: Mapping[str, np.ndarray],
    rounds: int,
    threads: int | None,
) -> KernelPasses:
    nodes, passes = OnnxNodes(path), KernelPasses()
    for kernels in profile_runs(path, inputs, rounds, threads):
        for kernel in kernels:
            key = (_onnx_kind(kernel, nodes), kernel.name)
            passes.setdefault(key, []).append(kernel.microseconds)
    return passes


def _onnx_kind(kernel: Kernel, nodes: OnnxNodes) -> str:
    if kernel.operator not in CONVOLUTIONS:
        return kernel.operator
    convolution = nodes.convolution(kernel)
    is_grouped = convolution is not None and groups_of(convolution) > 1
    return f"{kernel.operator}, depthwise" if is_grouped else kernel.operator


def _openvino(
    path: str | os.PathLike[str],
    inputs: Mapping[str, np.ndarray],
    rounds: int,
    threads: int | None,
) -> KernelPasses:
    openvino = import_library("openvino", "openvino")
    options = {**openvino_settings(threads), "PERF_COUNT": "YES"}
    compiled = openvino.Core().compile_model(str(path), "CPU", options)
    request, passes = compiled.create_infer_request(), KernelPasses()
    for _ in range(rounds):
        request.infer(dict(inputs))
        for kernel in request.get_profiling_info():
            if kernel.status == openvino.ProfilingInfo.Status.EXECUTED:
                key = (f"{kernel.node_type}, {kernel.exec_type}", kernel.node_name)
                microseconds = kernel.real_time.total_seconds() * 1e6
                passes.setdefault(key, []).append(microseconds)
    return passes


PROFILERS = {".onnx": _onnxruntime, ".xml": _openvino}
