"""Where the time goes in ONNX Runtime, by its own profiler."""

from __future__ import annotations

import ast
import statistics
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..measuring.latency import alternating_times
from ..measuring.onnx_runtime_profile import (
    Kernel,
    OnnxNodes,
    groups_of,
    open_session,
    profile_runs,
)
from . import operator_kinds as kinds
from .profile_tables import Profile, Round, most_expensive_first, shares, with_rest

if TYPE_CHECKING:
    import onnx

RUNTIME = "ONNX Runtime"
SCOPES_KEY = "pkg.torch.onnx.name_scopes"
REST = "(decode, NMS and other)"
BETWEEN = "between operators (runtime)"
WARM_UP = 3
BYTES_OF = {"float": 4, "int64": 8, "int32": 4, "bool": 1, "uint8": 1, "double": 8}
# A part, and a kind that counts for all operators of a module.
Label = tuple[str, str | None]


class LabelledNodes(OnnxNodes):
    """The nodes of an exported file, with the parts of the detector they are of.

    An exporter may say from which module a node comes. Otherwise a layer is known by
    the name of its weights, and what has none is taken for a part of what came before.

    Args:
        path: The ONNX file.
        labels: By module name, as `part_labels.module_labels` gives them.
    """

    def __init__(self, path: str | Path, labels: Mapping[str, Label]):
        super().__init__(path)
        self.labels = labels
        self._found: dict[str, Label] = {}
        for node in self.nodes:
            self._found.update(dict.fromkeys(node.output, self._label_of(node)))

    def label(self, kernel: Kernel) -> Label:
        """Return part and kind of a kernel; kind is None where no module gives one."""
        node = self.find(kernel)
        return (REST, None) if node is None else self._found[node.output[0]]

    def _label_of(self, node: onnx.NodeProto) -> Label:
        for entry in node.metadata_props:
            if entry.key == SCOPES_KEY:
                modules = reversed(ast.literal_eval(entry.value))
                return self._of_modules(modules) or (REST, None)
        weights = [name for name in node.input if name in self.weights]
        parts = [self._found[name][0] for name in node.input if name in self._found]
        before = parts[-1] if parts else REST
        return self._of_modules(weights) or (before, None)

    def _of_modules(self, names: Iterable[str]) -> Label | None:
        """Return the label of the first name that stands in a labelled module."""
        for name in names:
            while name:
                # The graph may hold the detector as a module of its own.
                for module in (name, name.partition(".")[2]):
                    if module in self.labels:
                        return self.labels[module]
                name = name.rpartition(".")[0]
        return None


def profile_onnx(
    path: str | Path,
    inputs: Mapping[str, np.ndarray],
    rounds: int,
    threads: int,
    labels: Mapping[str, Label] | None = None,
) -> Profile:
    """Run an ONNX file with profiling and sum up its nodes.

    Args:
        path: The file.
        inputs: By name.
        rounds: Timed runs.
        threads: Of the runtime.
        labels: Part and kind by module name; None leaves parts out.

    Raises:
        OptionError: ONNX or ONNX Runtime is not installed.
    """
    # The profiler slows what is between operators: the whole is timed without it.
    run = partial(open_session(path, threads).run, None, dict(inputs))
    whole = statistics.median(alternating_times({"run": run}, rounds, WARM_UP)["run"])
    runs = profile_runs(path, inputs, rounds, threads, WARM_UP)
    return summarize(runs, LabelledNodes(path, labels or {}), whole)


def summarize(
    runs: Sequence[Sequence[Kernel]], nodes: LabelledNodes, whole: float
) -> Profile:
    """Sum up the kernels of some runs.

    Args:
        runs: At least one.
        nodes: What the kernels stand for.
        whole: Milliseconds of a run without the profiler.
    """
    by_kind, by_part = [], []
    for kernels in runs:
        kind_sums, part_sums = Round(), Round()
        for kernel in kernels:
            part, kind = nodes.label(kernel)
            macs, own_kind = _work(kernel, nodes)
            for sums, name in ((kind_sums, kind or own_kind), (part_sums, part)):
                moved = _bytes_moved(kernel)
                sums.charge(name, kernel.microseconds / 1e6, macs, moved)
        by_kind.append(kind_sums)
        by_part.append(part_sums)
    return Profile(
        RUNTIME,
        with_rest(shares(by_part), BETWEEN, whole) if nodes.labels else (),
        most_expensive_first(with_rest(shares(by_kind), BETWEEN, whole)),
        "Operators: the runtime's own profiler. The whole: runs without it.",
    )


def _work(kernel: Kernel, nodes: OnnxNodes) -> tuple[int, str]:
    """Return multiply-accumulates and kind of a kernel."""
    if not kinds.is_onnx_convolution(kernel.operator):
        kind = kinds.kind_of_onnx(kernel.operator)
        if kind != kinds.PRODUCT:
            return 0, kind
        return prod(kernel.outputs[0].shape) * kernel.inputs[0].shape[-1], kind
    convolution = nodes.convolution(kernel)
    if convolution is not None and convolution.input[1] in nodes.weights:
        weight = nodes.weights[convolution.input[1]]
        channels = weight[1] * groups_of(convolution)
    else:
        # Padded to whole blocks of channels, where the runtime computes in such.
        weight, channels = kernel.inputs[1].shape, kernel.inputs[0].shape[1]
    batch, _, *places = kernel.outputs[0].shape
    macs = prod(weight) * batch * prod(places)
    kind = kinds.kind_of_convolution(channels // weight[1], channels, weight[2:])
    return macs, kind


def _bytes_moved(kernel: Kernel) -> int:
    return sum(
        prod(tensor.shape) * BYTES_OF.get(tensor.kind, 4)
        for tensor in (*kernel.inputs, *kernel.outputs)
    )
