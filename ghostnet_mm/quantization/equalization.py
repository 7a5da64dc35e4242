"""Equalization: channels that share one INT8 scale are brought to similar ranges.

The two halves of a Ghost module share the scale of their concat, and each of its
channels has filters of its own, so their ranges differ widely. Dividing output channels
of a convolution and multiplying the weights of its readers changes nothing in float.
Source: "Data-Free Quantization Through Weight Equalization and Bias Correction" (ICCV
2019), section 4.1, with measured ranges as in SmoothQuant (ICML 2023), equation 4.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.fx import Interpreter, Node

from .channel_paths import Path, is_depthwise, scalable_paths, traced

# Ratios beyond this come from channels that are all but dead.
LARGEST_FACTOR = 64.0


@dataclass(frozen=True)
class Equalized:
    """A network that computes the same with other weights.

    Attributes:
        network: The copy.
        factors: By name of the convolution's weight, what each of its output channels
            was divided by.
    """

    network: nn.Module
    factors: dict[str, Tensor]


def equalize(
    network: nn.Module, images: Sequence[Tensor], strength: float = 0.5
) -> nn.Module:
    """Return an equalized copy; see :func:`equalize_and_report`."""
    return equalize_and_report(network, images, strength).network


@torch.no_grad()
def equalize_and_report(
    network: nn.Module, images: Sequence[Tensor], strength: float = 0.5
) -> Equalized:
    """Return a copy with equalized channels; outputs are equal up to rounding.

    Args:
        network: A deploy form, or a `DetectionGraph` of a fixed size; takes one image.
            It stays as it is.
        images: Calibration images ``(N, 3, H, W)``, all of one shape.
        strength: 0 leaves the activations as they are; 1 makes their channels' ranges
            equal and leaves it to the readers' weights to hold the difference. At 0.5
            both share it.

    Raises:
        ValueError: ``strength`` is outside of 0 to 1, or there is no image.
    """
    if not 0 <= strength <= 1:
        raise ValueError(f"strength={strength} is not between 0 and 1")
    if not images:
        raise ValueError("there is no image to equalize by")
    network = copy.deepcopy(network).eval()
    program = traced(network, images[0])
    names = program.graph_signature.inputs_to_parameters
    paths = scalable_paths(program)
    ranges = _channel_ranges(program, [one.output for one in paths], images)
    parameters = dict(network.named_parameters(remove_duplicate=False))
    wanted = [
        _wanted_factors(
            ranges[path.output], _reading_weights(path, parameters, names), strength
        )
        for path in paths
    ]
    factors = {}
    for path, scale in zip(paths, _centered(paths, wanted), strict=True):
        _divide(path.producer, scale, parameters, names)
        _multiply(path, scale, parameters, names)
        factors[names[path.producer.args[1].name]] = scale
    return Equalized(network, factors)


def _channel_ranges(
    program: Any, nodes: Sequence[Node], images: Sequence[Tensor]
) -> dict[Node, Tensor]:
    """Measure the largest absolute value of each channel of some nodes' outputs."""
    wanted = {node.name: node for node in nodes}
    module = program.module()
    found: dict[Node, Tensor] = {}

    class Watching(Interpreter):
        def run_node(self, n: Node) -> Any:
            result = super().run_node(n)
            node = wanted.get(n.name)
            if node is not None:
                peak = result.detach().abs().amax((0, 2, 3))
                found[node] = torch.maximum(found.get(node, peak), peak)
            return result

    for image in images:
        Watching(module).run(image)
    return found


def _reading_weights(
    path: Path, parameters: dict[str, Tensor], names: dict[str, str]
) -> Tensor:
    """Return the largest relative weight by which readers look at each channel.

    Depthwise readers are left out: with a scale for each channel they hold any range.
    """
    channels = path.producer.meta["val"].shape[1]
    largest = torch.zeros(channels)
    for reader, offset, first, count in path.readers:
        if is_depthwise(reader):
            continue
        weight = parameters[names[reader.args[1].name]].abs()
        relative = weight / weight.amax((1, 2, 3), keepdim=True).clamp_min(1e-12)
        seen = relative.amax((0, 2, 3))[offset : offset + count]
        part = largest[first : first + count]
        part.copy_(torch.maximum(part, seen))
    return largest


def _wanted_factors(activations: Tensor, weights: Tensor, strength: float) -> Tensor:
    """Return factors up to a common one; 0 for channels that are dead."""
    if strength == 0:
        return torch.ones_like(activations)
    scale = activations.pow(strength)
    if weights.any():
        scale = scale / weights.clamp_min(1e-6).pow(1 - strength)
    return torch.where(activations > 0, scale, torch.zeros_like(scale))


def _centered(paths: Sequence[Path], wanted: Sequence[Tensor]) -> list[Tensor]:
    """Keep the overall range of maps that the same layers read, such as two halves."""
    leader = list(range(len(paths)))
    first_of: dict[Node, int] = {}
    for index, path in enumerate(paths):
        for reader, *_ in path.readers:
            other = first_of.setdefault(reader, index)
            leader = [leader[other] if one == leader[index] else one for one in leader]
    factors = []
    for index, scale in enumerate(wanted):
        group = [
            w for one, w in zip(leader, wanted, strict=True) if one == leader[index]
        ]
        together = torch.cat(group)
        alive = together[together > 0]
        center = alive.log().mean().exp() if len(alive) else together.new_ones(())
        scaled = (scale / center).clamp(1 / LARGEST_FACTOR, LARGEST_FACTOR)
        factors.append(torch.where(scale > 0, scaled, torch.ones_like(scaled)))
    return factors


def _divide(
    node: Node, scale: Tensor, parameters: dict[str, Tensor], names: dict[str, str]
) -> None:
    weight = parameters[names[node.args[1].name]]
    weight.data = weight.data / scale.reshape(-1, 1, 1, 1)
    if len(node.args) > 2 and node.args[2] is not None:
        bias = parameters[names[node.args[2].name]]
        bias.data = bias.data / scale


def _multiply(
    path: Path, scale: Tensor, parameters: dict[str, Tensor], names: dict[str, str]
) -> None:
    for reader, offset, first, count in path.readers:
        weight = parameters[names[reader.args[1].name]]
        values = weight.data.clone()
        part = scale[first : first + count]
        if is_depthwise(reader):
            # Several filters of one channel follow each other.
            times = values.shape[0] // reader.args[0].meta["val"].shape[1]
            rows = slice(offset * times, (offset + count) * times)
            values[rows] *= part.repeat_interleave(times).reshape(-1, 1, 1, 1)
        else:
            values[:, offset : offset + count] *= part.reshape(1, -1, 1, 1)
        weight.data = values
