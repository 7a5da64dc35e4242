"""Where an exported network starts to differ from the one in PyTorch."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ..graph.exportable_graph import ExportableGraph

# Every probe is an output that the exporter must keep: more of them take long.
MOST_PROBES = 40


@dataclass(frozen=True)
class Divergence:
    """The first layer whose output differs.

    Attributes:
        layer: Its module name in the deploy form.
        largest: The largest difference, as a fraction of the output's largest
            magnitude.
    """

    layer: str
    largest: float


class ProbedGraph(ExportableGraph):
    """A network that returns the outputs of some of its modules.

    Args:
        graph: The network.
        names: Names of modules that return one tensor; of several calls the first
            counts.
    """

    def __init__(self, graph: nn.Module, names: Sequence[str]):
        super().__init__()
        self.source = graph
        self.names = tuple(names)
        self.output_names = tuple(output_names(names))

    def fix_size(self, size: tuple[int, int] | None) -> ProbedGraph:
        """Pass the size on to the network, where it asks for one."""
        if isinstance(self.source, ExportableGraph):
            self.source.fix_size(size)
        return super().fix_size(size)

    def forward(self, image: Tensor) -> tuple[Tensor, ...]:
        """Return one tensor for each name."""
        seen: dict[str, Tensor] = {}
        with _recorded(self.source, self.names, seen):
            self.source(image)
        return tuple(seen[name] for name in self.names)


def first_divergence(
    graph: nn.Module,
    image: Tensor,
    run_exported: Callable[[ProbedGraph, Sequence[str]], Mapping[str, np.ndarray]],
    tolerance: float = 1e-3,
) -> Divergence | None:
    """Find the first layer whose exported output differs, in two to three exports.

    Large parts are compared first, then the layers inside the first part that differs.

    Args:
        graph: The network in PyTorch, in eval mode.
        image: The input that showed the difference, (1, 3, H, W).
        run_exported: Exports a `ProbedGraph` with the given output names, runs it on
            the image, and returns its outputs by name.
        tolerance: Differences up to this fraction of an output's largest magnitude
            are not a divergence.

    Returns:
        The layer, or ``None`` where all layers agree: then the difference arises
        after them, in decoding.
    """
    order = _call_order(graph, image)
    scope, found = "", None
    while True:
        names = _probes_within(order, scope)
        if not names:
            return found
        outputs = run_exported(ProbedGraph(graph, names), output_names(names))
        with torch.no_grad():
            expected = ProbedGraph(graph, names)(image)
        for name, mine in zip(output_names(names), expected, strict=True):
            gap = _relative_gap(mine.numpy(), outputs[name])
            if not gap <= tolerance:  # NaN is a difference too
                scope = names[output_names(names).index(name)]
                found = Divergence(scope, gap)
                break
        else:
            return found


def output_names(names: Sequence[str]) -> list[str]:
    """Return names that every format accepts for the outputs of a `ProbedGraph`."""
    return [f"probe_{name.replace('.', '_')}" for name in names]


def _call_order(graph: nn.Module, image: Tensor) -> list[str]:
    """Return the modules that return one tensor, in the order in which they finish."""
    seen: dict[str, Any] = {}
    names = [name for name, _ in graph.named_modules() if name]
    with torch.no_grad(), _recorded(graph, names, seen):
        graph(image)
    return [name for name, output in seen.items() if isinstance(output, Tensor)]


def _probes_within(order: Sequence[str], scope: str) -> list[str]:
    """Return modules inside ``scope``, as small as one export can return all of."""
    prefix = f"{scope}." if scope else ""
    inside = [name for name in order if name.startswith(prefix)]
    chosen: list[str] = []
    depth = prefix.count(".")
    while True:
        upper = [name for name in inside if name.count(".") <= depth]
        finest = [
            name
            for name in upper
            if not any(other.startswith(f"{name}.") for other in upper)
        ]
        if len(finest) > MOST_PROBES and chosen:
            return chosen
        if finest == chosen and len(upper) == len(inside):
            return chosen
        chosen, depth = finest, depth + 1


def _relative_gap(expected: np.ndarray, actual: np.ndarray) -> float:
    if expected.shape != actual.shape:
        # ncnn has no batch dimension.
        actual = actual.reshape(expected.shape)
    expected, actual = expected.astype(np.float64), actual.astype(np.float64)
    same = (expected == actual) | (np.isnan(expected) & np.isnan(actual))
    with np.errstate(invalid="ignore"):  # inf - inf
        gaps = np.where(same, 0, np.abs(expected - actual))
    finite = np.abs(expected[np.isfinite(expected)])
    return float(gaps.max()) / max(float(finite.max(initial=0)), 1e-12)


@contextmanager
def _recorded(
    graph: nn.Module, names: Sequence[str], seen: dict[str, Any]
) -> Iterator[None]:
    """Collect the first outputs of modules by name while the block runs."""

    def recorder(name: str) -> Callable[..., None]:
        def record(_module: nn.Module, _inputs: object, output: Any) -> None:
            seen.setdefault(name, output)

        return record

    handles = [
        graph.get_submodule(name).register_forward_hook(recorder(name))
        for name in names
    ]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()
