"""Mixed precision: the most sensitive blocks stay in float until the goal is met."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from .onnx_layers import ConvLayer
from .sensitivity import BlockSensitivity

# Convolutions with fewer channels gain nothing from INT8 in ONNX Runtime.
NARROW = 32
Measured = TypeVar("Measured")


def keep_worst_in_float(
    ranking: Sequence[BlockSensitivity],
    measure: Callable[[frozenset[str]], Measured],
    meets_goal: Callable[[Measured], bool],
    start: frozenset[str] = frozenset(),
) -> tuple[list[str], Measured]:
    """Add the worst blocks to those in float, one by one, until the goal is met.

    Args:
        ranking: Blocks, the most sensitive first.
        measure: Quantizes with these layers in float and measures.
        meets_goal: Judges a measurement.
        start: Layers that are in float anyway.

    Returns:
        Names of the blocks that were added, and the first measurement that meets the
        goal, or else the last, with almost all in float.
    """
    everything = {name for block in ranking for name in block.layers}
    layers, kept = start, list[str]()
    found = measure(layers)
    for block in ranking:
        added = set(block.layers)
        if meets_goal(found) or everything - layers <= added:
            break
        if not added <= layers:
            layers = layers | added
            kept.append(block.block)
            found = measure(layers)
    return kept, found


def layer_choices(layers: Sequence[ConvLayer]) -> dict[str, frozenset[str]]:
    """Return sets of layers to leave in float, to find the fastest by measurement.

    Runtimes differ in what INT8 speeds up: kernels of depthwise and narrow
    convolutions may be slower, and every change of type costs a pass over the map.
    """
    depthwise = {layer.name for layer in layers if layer.is_depthwise or layer.is_gate}
    narrow = {layer.name for layer in layers if _is_narrow(layer)}
    choices = {
        "all INT8": frozenset[str](),
        "depthwise and gates float": frozenset(depthwise),
        "narrow and depthwise float": frozenset(depthwise | narrow),
        "backbone float": frozenset(
            layer.name for layer in layers if layer.name.startswith("backbone.")
        ),
    }
    everything = {layer.name for layer in layers}
    distinct: dict[str, frozenset[str]] = {}
    for name, chosen in choices.items():
        if chosen != everything and chosen not in distinct.values():
            distinct[name] = chosen
    return distinct


def _is_narrow(layer: ConvLayer) -> bool:
    """Whether a layer has few channels, but those of the head: they are outputs."""
    fewest = min(layer.shape[0], layer.shape[1] * layer.groups)
    return fewest < NARROW and "head." not in layer.name
