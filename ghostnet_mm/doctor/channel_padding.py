"""Channels of an ONNX file in multiples of 8 or 16, by adding channels of zeros.

The outputs stay what they are: an added channel starts from weights of zero, and
whatever reads it weighs it with zero. For the time this is the network of those widths.
"""

from __future__ import annotations

import copy
import os
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..errors import OptionError
from .channel_runs import ChannelRuns, Layout

if TYPE_CHECKING:
    import onnx

# What keeps channels apart; a ReduceMean over them is told by the shape of its output.
PER_CHANNEL = frozenset(
    {
        *("Relu", "Clip", "HardSwish", "HardSigmoid", "Sigmoid", "LeakyRelu", "Tanh"),
        *("Softplus", "Mish", "Gelu", "Elu", "Identity", "MaxPool", "AveragePool"),
        *("GlobalAveragePool", "GlobalMaxPool", "ReduceMean", "ReduceMax", "Resize"),
    }
)
BETWEEN_MAPS = frozenset({"Add", "Sub", "Mul", "Max", "Min"})
RESIZE_SIZES = 3


@dataclass(frozen=True)
class Padding:
    """What widening did.

    Attributes:
        macs_before: Multiply-accumulates of the convolutions, as they were.
        macs_after: With the added channels.
        layers: How many convolutions there are.
        rounded: How many of them compute a multiple of channels now.
    """

    macs_before: int
    macs_after: int
    layers: int
    rounded: int

    @property
    def growth(self) -> float:
        """The added multiply-accumulates as a fraction of those before."""
        return self.macs_after / self.macs_before - 1


def pad_file(
    source: str | os.PathLike, target: str | os.PathLike, divisor: int
) -> Padding:
    """Write an ONNX file with all widths inside of the network rounded up.

    Rounded are the outputs of every convolution, the halves of ghost modules each by
    itself. The image, the outputs of the head, and what passes an operation that mixes
    or splits channels in another way than a convolution keep their widths.

    Args:
        source: A file with convolutions in float and an input of fixed size.
        target: The file to write, with the metadata of ``source``.
        divisor: What the widths become multiples of.

    Raises:
        OptionError: The input has no fixed size, or the divisor is not positive.
    """
    import onnx

    if divisor < 1:
        raise OptionError(f"Widths cannot be multiples of {divisor}; give at least 1.")
    model = onnx.load(str(source))
    padded = padded_model(model, divisor)
    widths = _convolution_widths(padded)
    counts = Padding(
        convolution_macs(model),
        convolution_macs(padded),
        len(widths),
        sum(one % divisor == 0 for one in widths),
    )
    onnx.checker.check_model(padded, full_check=True)
    Path(target).write_bytes(padded.SerializeToString())
    return counts


def padded_model(model: onnx.ModelProto, divisor: int) -> onnx.ModelProto:
    """Return a copy with all widths inside of the network rounded up."""
    from onnx import numpy_helper

    plan = _Plan(model)
    padded = copy.deepcopy(model)
    del padded.graph.value_info[:]
    added: dict[str, np.ndarray] = {}

    def replace(node: onnx.NodeProto, index: int, values: np.ndarray) -> None:
        # Named by its shape: layers that share weights go on sharing them.
        name = f"{node.input[index]}.{'x'.join(map(str, values.shape))}"
        if name in added and not np.array_equal(added[name], values):
            name = f"{name}.{node.output[0]}"
        added[name] = values
        node.input[index] = name

    for node in padded.graph.node:
        if node.output[0] not in plan.layouts or node.input[0] not in plan.layouts:
            continue
        rows, height = plan.runs.places(plan.layouts[node.output[0]], divisor)
        columns, width = plan.runs.places(plan.layouts[node.input[0]], divisor)
        if node.op_type == "Resize" and len(node.input) > RESIZE_SIZES:
            sizes = plan.constants[node.input[RESIZE_SIZES]].copy()
            sizes[1] = height
            replace(node, RESIZE_SIZES, sizes)
        if node.op_type != "Conv" or (height, width) == (len(rows), len(columns)):
            continue
        weight = plan.constants[node.input[1]]
        depthwise = _groups(node) > 1
        shape = (height, 1 if depthwise else width, *weight.shape[2:])
        wide = np.zeros(shape, weight.dtype)
        wide[rows if depthwise else np.ix_(rows, columns)] = weight
        if len(node.input) > 2:
            bias = np.zeros(height, weight.dtype)
            bias[rows] = plan.constants[node.input[2]]
            replace(node, 2, bias)
        replace(node, 1, wide)
        for attribute in node.attribute:
            if attribute.name == "group" and depthwise:
                attribute.i = height
    kept = {name for node in padded.graph.node for name in node.input}
    old = [one for one in padded.graph.initializer if one.name in kept]
    del padded.graph.initializer[:]
    padded.graph.initializer.extend(old)
    padded.graph.initializer.extend(
        numpy_helper.from_array(values, name) for name, values in added.items()
    )
    return padded


def convolution_macs(model: onnx.ModelProto) -> int:
    """Count the multiply-accumulates of a graph's convolutions.

    Raises:
        OptionError: The graph leaves the size of its input open.
    """
    weights = {one.name: tuple(one.dims) for one in model.graph.initializer}
    shapes = _shapes(model)
    total = 0
    for node in model.graph.node:
        if node.op_type == "Conv" and node.input[1] in weights:
            batch, _, *pixels = shapes.get(node.output[0], (0, 0, 0, 0))
            if not batch or not all(pixels):
                raise OptionError(
                    "The file leaves the size of its input open; export it with a "
                    "fixed one."
                )
            total += prod(weights[node.input[1]]) * batch * prod(pixels)
    return total


def _convolution_widths(model: onnx.ModelProto) -> list[int]:
    weights = {one.name: one.dims[0] for one in model.graph.initializer if one.dims}
    return [
        weights[node.input[1]]
        for node in model.graph.node
        if node.op_type == "Conv" and node.input[1] in weights
    ]


class _Plan:
    """Follows the channels of maps (N, C, H, W) through a graph.

    Attributes:
        runs: Which channels are widened together.
        layouts: The runs of each map that was followed, by name.
        constants: Values of the initializers.
    """

    def __init__(self, model: onnx.ModelProto):
        from onnx import numpy_helper

        graph = model.graph
        self.runs = ChannelRuns()
        self.layouts: dict[str, Layout] = {}
        self.constants = {
            one.name: numpy_helper.to_array(one) for one in graph.initializer
        }
        self._shapes = _shapes(model)
        for node in graph.node:
            layout = self._layout_after(node)
            if layout is None:
                for name in node.input:
                    self.runs.fix(self.layouts.get(name, ()))
            else:
                self.layouts[node.output[0]] = layout
        for output in graph.output:
            self.runs.fix(self.layouts.get(output.name, ()))

    def _layout_after(self, node: onnx.NodeProto) -> Layout | None:
        """Return the runs of what a node computes, or None where they get lost."""
        channels = self._channels(node.output[0])
        if not channels or len(node.output) > 1:
            return None
        if node.op_type == "Conv":
            return self._after_convolution(node, channels)
        if node.op_type == "Concat":
            axis = next(one.i for one in node.attribute if one.name == "axis")
            if axis != 1:
                return None
            return tuple(run for name in node.input for run in self._layout(name))
        if node.op_type in BETWEEN_MAPS and len(node.input) == 2:
            return self._after_pair(node, channels)
        if node.op_type == "Resize" and not self._resizes_to_constant(node):
            return None
        # One channel may be the mean of one.
        mixes = channels == 1 and node.op_type.startswith("Reduce")
        same = channels == self._channels(node.input[0])
        if node.op_type in PER_CHANNEL and same and not mixes:
            return self._layout(node.input[0])
        return None

    def _resizes_to_constant(self, node: onnx.NodeProto) -> bool:
        """Whether the size after resizing, if it is given, can be changed."""
        names = node.input[RESIZE_SIZES:]
        return all(self.constants.get(one, np.empty(0)).size == 4 for one in names)

    def _after_convolution(self, node: onnx.NodeProto, channels: int) -> Layout | None:
        if any(name not in self.constants for name in node.input[1:]):
            return None
        before, groups = self._layout(node.input[0]), _groups(node)
        if groups == 1:
            return self.runs.add(channels)
        if groups == channels == self._channels(node.input[0]):
            return before
        self.runs.fix(before)
        return self.runs.add(channels, fixed=True)

    def _after_pair(self, node: onnx.NodeProto, channels: int) -> Layout | None:
        maps = [one for one in node.input if one not in self.constants]
        for name in set(node.input) - set(maps):
            # One value for all channels.
            if (1, *self.constants[name].shape)[-3:][0] != 1:
                return None
        whole = [one for one in maps if self._channels(one) == channels]
        if not whole or any(not self._channels(one) for one in maps):
            return None
        first, *others = (self._layout(one) for one in whole)
        for other in others:
            self.runs.unite(first, other)
        for name in set(maps) - set(whole):
            self.runs.fix(self._layout(name))
        return first

    def _layout(self, name: str) -> Layout:
        if name not in self.layouts:
            # An image, or the result of an operation that is not followed.
            self.layouts[name] = self.runs.add(self._channels(name), fixed=True)
        return self.layouts[name]

    def _channels(self, name: str) -> int:
        """Return the channels of a map, 0 for what is none."""
        shape = self._shapes.get(name, ())
        return shape[1] if len(shape) == 4 else 0


def _shapes(model: onnx.ModelProto) -> dict[str, tuple[int, ...]]:
    """Return the shapes of all values; 0 stands for what is not known."""
    import onnx

    graph = onnx.shape_inference.infer_shapes(model).graph
    return {
        value.name: tuple(one.dim_value for one in value.type.tensor_type.shape.dim)
        for value in (*graph.input, *graph.value_info, *graph.output)
    }


def _groups(node: onnx.NodeProto) -> int:
    return next((one.i for one in node.attribute if one.name == "group"), 1)
