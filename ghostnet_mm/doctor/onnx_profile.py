"""Where the time goes in ONNX Runtime, by its own profiler.

The runtime fuses and renames nodes; what a node of its profile was in the exported file
is found by name: fused convolutions are called after the value that they compute.
"""

import ast
import json
import statistics
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from math import prod
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import OptionError
from ..measuring.latency import alternating_times
from . import operator_kinds as kinds
from .profile_tables import Profile, Round, Share, shares

RUNTIME = "ONNX Runtime"
SCOPES_KEY = "pkg.torch.onnx.name_scopes"
REST = "(decode, NMS and other)"
BETWEEN = "between operators (runtime)"
WARM_UP = 3
BYTES_OF = {"float": 4, "int64": 8, "int32": 4, "bool": 1, "uint8": 1, "double": 8}
Labels = Mapping[str, tuple[str, str | None]]


class OnnxNodes:
    """What the nodes of an exported file are, by the names of a runtime's profile.

    Args:
        path: The ONNX file.
        labels: Part and kind by module name, as `part_labels.module_labels` gives them.
    """

    def __init__(self, path: Path, labels: Labels):
        import onnx

        graph = onnx.load(str(path)).graph
        self.labels = labels
        self.weights = {one.name: tuple(one.dims) for one in graph.initializer}
        self.by_name = {one.name: one for one in graph.node if one.name}
        self.by_output = {name: one for one in graph.node for name in one.output}
        self._labels = self._label_all(graph.node)

    def find(self, name: str) -> Any | None:
        """Return the node that a name of the profile stands for, if it is known."""
        name = name.removesuffix("_kernel_time").removesuffix("_nchwc")
        name = name.removeprefix("fused ")
        return self.by_name.get(name) or self.by_output.get(name)

    def convolution(self, node: Any | None) -> Any | None:
        """Return the convolution that a node is, or that was fused with it."""
        for _ in range(3):
            if node is None or node.op_type == "Conv":
                return node
            before = [
                self.by_output[one] for one in node.input if one in self.by_output
            ]
            convolutions = [one for one in before if one.op_type == "Conv"]
            node = next(iter(convolutions or before), None)
        return None

    def label(self, node: Any | None) -> tuple[str, str | None]:
        """Return part and kind of a node; kind is None where no module gives one."""
        return (REST, None) if node is None else self._labels[node.output[0]]

    def _label_all(self, nodes: Sequence[Any]) -> dict[str, tuple[str, str | None]]:
        """Return the label of each node by its first output.

        An exporter may say from which module a node comes. Otherwise a layer is known
        by the name of its weights, and what has none is taken for a part of what
        came before it.
        """
        found: dict[str, tuple[str, str | None]] = {}
        for node in nodes:
            scopes = next(
                (one.value for one in node.metadata_props if one.key == SCOPES_KEY),
                None,
            )
            if scopes is not None:
                label = self._of_modules(reversed(ast.literal_eval(scopes)))
                label = label or (REST, None)
            else:
                weights = [one for one in node.input if one in self.weights]
                label = self._of_modules(weights)
            if label is None:
                parts = [found[one][0] for one in node.input if one in found]
                label = (parts[-1] if parts else REST, None)
            found.update(dict.fromkeys(node.output, label))
        return found

    def _of_modules(self, names: Iterable[str]) -> tuple[str, str | None] | None:
        """Return the label of the first name that stands in a labelled module."""
        for name in names:
            while name:
                # The graph may hold the detector as a module of its own.
                for one in (name, name.partition(".")[2]):
                    if one in self.labels:
                        return self.labels[one]
                name = name.rpartition(".")[0]
        return None


def profile_onnx(
    path: str | Path,
    image: np.ndarray,
    rounds: int,
    threads: int,
    labels: Labels | None = None,
) -> Profile:
    """Run an ONNX file with profiling and sum up its nodes.

    Args:
        path: The file.
        image: Its first input.
        rounds: Timed runs.
        threads: Of the runtime.
        labels: Part and kind by module name; None leaves parts out.

    Raises:
        OptionError: ONNX or ONNX Runtime is not installed.
    """
    try:
        import onnx  # noqa: F401
        import onnxruntime
    except ImportError as error:
        raise OptionError(
            'ONNX Runtime is not installed; run pip install "ghostnet_mm[onnx]".'
        ) from error
    with tempfile.TemporaryDirectory() as folder:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.log_severity_level = 3
        # The profiler slows what is between operators: the whole is timed without it.
        whole = _milliseconds(_session(path, options), image, rounds)
        options.enable_profiling = True
        options.profile_file_prefix = str(Path(folder) / "profile")
        session = _session(path, options)
        _milliseconds(session, image, rounds)
        events = json.loads(Path(session.end_profiling()).read_text(encoding="utf-8"))
    return summarize(events, OnnxNodes(Path(path), labels or {}), WARM_UP, whole)


def _session(path: str | Path, options: Any) -> Any:
    import onnxruntime

    return onnxruntime.InferenceSession(
        str(path), options, providers=["CPUExecutionProvider"]
    )


def _milliseconds(session: Any, image: np.ndarray, rounds: int) -> float:
    feeds = _feeds(session, image)
    times = alternating_times(
        {"run": lambda: session.run(None, feeds)}, rounds, warm_up=WARM_UP
    )
    return statistics.median(times["run"])


def summarize(
    events: Sequence[Mapping[str, Any]], nodes: OnnxNodes, warm_up: int, whole: float
) -> Profile:
    """Sum up a profile of ONNX Runtime.

    Args:
        events: Its JSON.
        nodes: What they stand for.
        warm_up: Runs at the beginning that do not count.
        whole: Milliseconds of a run without the profiler.
    """
    runs = [one for one in events if one["name"] == "model_run"][warm_up:]
    kernels = [one for one in events if one["name"].endswith("_kernel_time")]
    by_kind, by_part = [], []
    for run in runs:
        start, end = run["ts"], run["ts"] + run["dur"]
        kind_sums, part_sums = Round({}, {}, {}), Round({}, {}, {})
        for event in kernels:
            if not start <= event["ts"] < end:
                continue
            node = nodes.find(event["name"])
            part, kind = nodes.label(node)
            macs, own_kind = _work(event, node, nodes)
            for sums, name in ((kind_sums, kind or own_kind), (part_sums, part)):
                _add(sums, name, event, macs)
        by_kind.append(kind_sums)
        by_part.append(part_sums)
    names = dict.fromkeys(name for one in by_kind for name in one.seconds)
    kind_rows = _with_rest(shares(by_kind, names), whole)
    parts = dict.fromkeys(name for one in by_part for name in one.seconds)
    return Profile(
        RUNTIME,
        _with_rest(shares(by_part, parts), whole) if nodes.labels else (),
        tuple(sorted(kind_rows, key=lambda one: -one.milliseconds)),
        "Operators: the runtime's own profiler. The whole: runs without it.",
    )


def _with_rest(rows: Iterable[Share], whole: float) -> tuple[Share, ...]:
    rows = tuple(rows)
    rest = whole - sum(one.milliseconds for one in rows)
    return (*rows, Share(BETWEEN, max(rest, 0.0)))


def _add(sums: Round, name: str, event: Mapping[str, Any], macs: int) -> None:
    sums.seconds[name] = sums.seconds.get(name, 0.0) + event["dur"] / 1e6
    sums.macs[name] = sums.macs.get(name, 0) + macs
    moved = sums.bytes_moved.get(name, 0)
    sums.bytes_moved[name] = moved + _bytes_moved(event["args"])


def _work(
    event: Mapping[str, Any], node: Any | None, nodes: OnnxNodes
) -> tuple[int, str]:
    """Return multiply-accumulates and kind of an event."""
    name = event["args"]["op_name"]
    if not kinds.is_onnx_convolution(name):
        return _product_macs(name, event["args"]), kinds.kind_of_onnx(name)
    output = _shapes(event["args"]["output_type_shape"])[0]
    convolution = nodes.convolution(node)
    shape = None if convolution is None else nodes.weights.get(convolution.input[1])
    if shape is None:
        # Padded to whole blocks of channels, where the runtime computes in such.
        shape = _shapes(event["args"]["input_type_shape"])[1]
        channels = _shapes(event["args"]["input_type_shape"])[0][1]
    else:
        channels = shape[1] * _groups(convolution)
    groups = channels // shape[1]
    kernel = tuple(shape[2:])
    macs = prod(shape) * output[0] * prod(output[2:])
    return macs, kinds.kind_of_convolution(groups, channels, kernel)


def _product_macs(name: str, arguments: Mapping[str, Any]) -> int:
    if kinds.kind_of_onnx(name) != kinds.PRODUCT:
        return 0
    first = _shapes(arguments["input_type_shape"])[0]
    output = _shapes(arguments["output_type_shape"])[0]
    return prod(output) * first[-1]


def _groups(convolution: Any) -> int:
    return next((one.i for one in convolution.attribute if one.name == "group"), 1)


def _shapes(listed: Sequence[Mapping[str, Sequence[int]]]) -> list[Sequence[int]]:
    return [shape for one in listed for shape in one.values()]


def _bytes_moved(arguments: Mapping[str, Any]) -> int:
    listed = [*arguments["input_type_shape"], *arguments["output_type_shape"]]
    return sum(
        prod(shape) * BYTES_OF.get(kind, 4)
        for one in listed
        for kind, shape in one.items()
    )


def _feeds(session: Any, image: np.ndarray) -> dict[str, np.ndarray]:
    first, *others = session.get_inputs()
    feeds = {first.name: image}
    for one in others:
        # The second input of graphs with NMS: the picture fills its frame.
        feeds[one.name] = np.tile(np.float32([image.shape[-2:]]), (image.shape[0], 1))
    return feeds
