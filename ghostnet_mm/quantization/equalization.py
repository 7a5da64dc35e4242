"""Equalization: channels that share one INT8 scale are brought to similar ranges.

The two halves of a Ghost module share the scale of their concat, and each of its
channels has filters of its own, so their ranges differ widely. Dividing output channels
of a convolution and multiplying the weights of its readers changes nothing in float.
Source: "Data-Free Quantization Through Weight Equalization and Bias Correction" (ICCV
2019), section 4.1, with measured ranges as in SmoothQuant (ICML 2023), equation 4.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.export import ExportedProgram
from torch.fx import Interpreter, Node

from .channel_paths import ScalablePath, scalable_paths, traced

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


@torch.no_grad()
def equalize(
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
    paths = scalable_paths(program)
    ranges = _channel_ranges(program, [path.output for path in paths], images)
    parameters = dict(network.named_parameters(remove_duplicate=False))
    wanted = [
        _wanted_factors(
            ranges[path.output], _reading_weights(path, parameters), strength
        )
        for path in paths
    ]
    factors = {}
    for path, scale in zip(paths, _centered(paths, wanted), strict=True):
        _divide(path, scale, parameters)
        _multiply(path, scale, parameters)
        factors[path.weight] = scale
    return Equalized(network, factors)


def _channel_ranges(
    program: ExportedProgram, names: Sequence[str], images: Sequence[Tensor]
) -> dict[str, Tensor]:
    """Measure the largest absolute value of each channel of some nodes' outputs."""
    module = program.module()
    found: dict[str, Tensor] = {}

    class Watching(Interpreter):
        def run_node(self, n: Node) -> Any:
            result = super().run_node(n)
            if n.name in names:
                peak = result.detach().abs().amax((0, 2, 3))
                found[n.name] = torch.maximum(found.get(n.name, peak), peak)
            return result

    for image in images:
        Watching(module).run(image)
    return found


def _reading_weights(path: ScalablePath, parameters: Mapping[str, Tensor]) -> Tensor:
    """Return the largest relative weight by which readers look at each channel.

    Depthwise readers are left out: with a scale for each channel they hold any range.
    """
    largest = torch.zeros(path.channels)
    for reader in path.readers:
        if reader.filters:
            continue
        weight = parameters[reader.weight].abs()
        relative = weight / weight.amax((1, 2, 3), keepdim=True).clamp_min(1e-12)
        seen = relative.amax((0, 2, 3))[reader.offset : reader.offset + reader.count]
        part = largest[reader.first : reader.first + reader.count]
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


def _centered(paths: Sequence[ScalablePath], wanted: Sequence[Tensor]) -> list[Tensor]:
    """Keep the overall range of maps that the same layers read, such as two halves."""
    group = list(range(len(paths)))
    first_of: dict[str, int] = {}
    for index, path in enumerate(paths):
        for reader in path.readers:
            other = first_of.setdefault(reader.weight, index)
            group = [group[other] if own == group[index] else own for own in group]
    factors = []
    for own, scale in zip(group, wanted, strict=True):
        together = torch.cat(
            [each for other, each in zip(group, wanted, strict=True) if other == own]
        )
        alive = together[together > 0]
        center = alive.log().mean().exp() if len(alive) else together.new_ones(())
        scaled = (scale / center).clamp(1 / LARGEST_FACTOR, LARGEST_FACTOR)
        factors.append(torch.where(scale > 0, scaled, torch.ones_like(scaled)))
    return factors


def _divide(
    path: ScalablePath, scale: Tensor, parameters: Mapping[str, Tensor]
) -> None:
    parameters[path.weight].div_(scale.reshape(-1, 1, 1, 1))
    if path.bias is not None:
        parameters[path.bias].div_(scale)


def _multiply(
    path: ScalablePath, scale: Tensor, parameters: Mapping[str, Tensor]
) -> None:
    for reader in path.readers:
        weight = parameters[reader.weight]
        start, end = reader.offset, reader.offset + reader.count
        part = scale[reader.first : reader.first + reader.count]
        if reader.filters:
            # Several filters of one channel follow each other.
            rows = weight[start * reader.filters : end * reader.filters]
            factors = part.repeat_interleave(reader.filters)
            rows.mul_(factors.reshape(-1, 1, 1, 1))
        else:
            weight[:, start:end].mul_(part.reshape(1, -1, 1, 1))
