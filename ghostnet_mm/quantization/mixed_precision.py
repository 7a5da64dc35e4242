"""Mixed precision: the most sensitive blocks stay in float until the goal is met."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from .onnx_layers import ConvLayer
from .sensitivity import BlockSensitivity

# Convolutions with fewer channels gain nothing from INT8 in ONNX Runtime.
NARROW = 32
Trial = TypeVar("Trial")


@dataclass(frozen=True)
class MixedPrecision(Generic[Trial]):
    """The outcome of the search.

    Attributes:
        float_layers: Names of the convolutions in float.
        kept: Names of the blocks that were added for accuracy, in order.
        trial: What the measurement returned.
        meets_goal: Whether the goal is met.
    """

    float_layers: frozenset[str]
    kept: tuple[str, ...]
    trial: Trial
    meets_goal: bool


def keep_worst_in_float(
    ranking: Sequence[BlockSensitivity],
    measure: Callable[[frozenset[str]], Trial],
    meets_goal: Callable[[Trial], bool],
    start: frozenset[str] = frozenset(),
) -> MixedPrecision[Trial]:
    """Add the worst blocks to those in float, one by one, until the goal is met.

    Args:
        ranking: Blocks, the most sensitive first.
        measure: Quantizes with these layers in float and measures.
        meets_goal: Judges a measurement.
        start: Layers that are in float anyway.

    Returns:
        The first that meets the goal, or else the last, almost all in float.
    """
    layers, kept = start, []
    trial = measure(layers)
    for one in ranking:
        if meets_goal(trial):
            break
        if set(one.layers) <= layers:
            continue
        remaining = {name for other in ranking for name in other.layers} - layers
        if remaining <= set(one.layers):
            break
        layers = layers | set(one.layers)
        kept.append(one.block)
        trial = measure(layers)
    return MixedPrecision(layers, tuple(kept), trial, meets_goal(trial))


def layer_choices(layers: Sequence[ConvLayer]) -> dict[str, frozenset[str]]:
    """Return sets of layers to leave in float, to find the fastest by measurement.

    Runtimes differ in what INT8 speeds up: kernels of depthwise and narrow
    convolutions may be slower, and every change of type costs a pass over the map.
    """
    depthwise = {one.name for one in layers if one.is_depthwise or one.is_gate}
    narrow = {
        one.name
        for one in layers
        if min(one.shape[0], one.shape[1] * one.groups) < NARROW and not _predicts(one)
    }
    backbone = {one.name for one in layers if one.name.startswith("backbone.")}
    choices = {
        "all INT8": frozenset(),
        "depthwise and gates float": frozenset(depthwise),
        "narrow and depthwise float": frozenset(depthwise | narrow),
        "backbone float": frozenset(backbone),
    }
    everything = {one.name for one in layers}
    distinct: dict[str, frozenset[str]] = {}
    for name, chosen in choices.items():
        if chosen != everything and chosen not in distinct.values():
            distinct[name] = chosen
    return distinct


def _predicts(layer: ConvLayer) -> bool:
    """Whether a layer is of the head: its few channels are outputs."""
    return "head." in layer.name
