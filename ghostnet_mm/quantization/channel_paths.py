"""Where a factor on one channel of a convolution can be undone exactly.

A convolution's output channel may be divided by a positive factor if everything that
reads it is positively homogeneous per channel (ReLU, concat, pooling, a gate's product)
until convolutions multiply their weights of that channel by the factor.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.export import ExportedProgram
from torch.fx import Node

aten = torch.ops.aten
CONVOLUTIONS = {aten.conv2d.default, aten.conv2d.padding, aten.convolution.default}
# f(a * x) = a * f(x) for every a > 0 on every channel by itself.
HOMOGENEOUS = {
    aten.relu.default,
    aten.relu_.default,
    aten.leaky_relu.default,
    aten.leaky_relu_.default,
    aten.max_pool2d.default,
    aten.avg_pool2d.default,
    aten.adaptive_avg_pool2d.default,
    aten.upsample_nearest2d.default,
    aten.upsample_nearest2d.vec,
    aten.upsample_bilinear2d.vec,
    aten.alias.default,
    aten.clone.default,
    aten.contiguous.default,
    aten.detach.default,
    aten.detach_.default,
    aten.lift_fresh_copy.default,
}
ACTIVATIONS = {
    aten.relu.default,
    aten.relu_.default,
    aten.leaky_relu.default,
    aten.leaky_relu_.default,
}
PRODUCTS = {aten.mul.Tensor, aten.mul_.Tensor}
# The slice that reaches to the end.
LAST = 2**62


@dataclass(frozen=True)
class Reader:
    """A convolution that reads channels which are scaled.

    Attributes:
        weight: Name of its weight.
        offset: The first of its input channels that is one of the producer's.
        first: Which of the producer's channels that is.
        count: How many follow.
        filters: Of each channel, where it is depthwise; 0 where all filters read all
            channels.
    """

    weight: str
    offset: int
    first: int
    count: int
    filters: int


@dataclass(frozen=True)
class ScalablePath:
    """A convolution whose output channels can be scaled, and who undoes it.

    Attributes:
        weight: Name of its weight.
        bias: Name of its bias, if it has one.
        channels: How many it makes.
        output: Name of the last node before other operations: its activation, or
            itself.
        readers: Who undoes it.
    """

    weight: str
    bias: str | None
    channels: int
    output: str
    readers: tuple[Reader, ...]


def traced(module: nn.Module, image: Tensor) -> ExportedProgram:
    """Trace a module that takes one image."""
    with torch.no_grad():
        return torch.export.export(module, (image,), strict=False)


def scalable_paths(program: ExportedProgram) -> list[ScalablePath]:
    """Find every convolution whose output channels can be scaled and unscaled.

    Convolutions whose weights or readers' weights several nodes share are left out.
    """
    convs = [node for node in program.graph.nodes if _is_convolution(node)]
    names = {conv: _parameter(program, conv.args[1]) for conv in convs}
    # Layers may share weights under different names.
    storage = {
        conv: program.state_dict[name].data_ptr()
        for conv, name in names.items()
        if name is not None
    }
    uses = Counter(storage.values())
    own = {
        conv: name
        for conv, name in names.items()
        if name is not None and uses[storage[conv]] == 1
    }
    paths = []
    for conv, name in own.items():
        channels, readers = _width(conv), list[_Reading]()
        complete = _follow(conv, 0, 0, channels, readers)
        if not complete or not readers or not all(user in own for user, *_ in readers):
            continue
        bias = conv.args[2] if len(conv.args) > 2 else None
        paths.append(
            ScalablePath(
                name,
                _parameter(program, bias),
                channels,
                _activated(conv).name,
                tuple(
                    Reader(own[user], offset, first, count, _filters(user))
                    for user, offset, first, count in readers
                ),
            )
        )
    return paths


# A convolution, and offset, first and count of `Reader`.
_Reading = tuple[Node, int, int, int]


def _is_convolution(node: Node) -> bool:
    return node.op == "call_function" and node.target in CONVOLUTIONS


def _parameter(program: ExportedProgram, argument: object) -> str | None:
    """Return the name of the parameter that an argument of a node is, if it is one."""
    if not isinstance(argument, Node):
        return None
    return program.graph_signature.inputs_to_parameters.get(argument.name)


def _groups(conv: Node) -> int:
    position = 8 if conv.target is aten.convolution.default else 6
    groups = conv.args[position] if len(conv.args) > position else 1
    assert isinstance(groups, int)
    return groups


def _filters(conv: Node) -> int:
    """Return the filters of each channel where each has some of its own, or 0."""
    channels = _width(conv.args[0])
    return _width(conv) // channels if _groups(conv) == channels > 1 else 0


def _activated(node: Node) -> Node:
    users = list(node.users)
    if len(users) == 1 and users[0].target in ACTIVATIONS:
        return users[0]
    return node


def _follow(
    node: Node, offset: int, first: int, count: int, readers: list[_Reading]
) -> bool:
    """Collect who reads channels ``offset ... offset + count`` of a node.

    Returns whether all of them can undo a factor.
    """
    for user in node.users:
        if _is_convolution(user):
            # Grouped ones but depthwise have no column for each channel.
            if user.args[0] is not node or _groups(user) not in (1, _width(node)):
                return False
            readers.append((user, offset, first, count))
            continue
        found = _through(node, user, offset, first, count)
        if found is None:
            return False
        if found[2] and not _follow(user, *found, readers):
            return False
    return True


def _through(
    node: Node, user: Node, offset: int, first: int, count: int
) -> tuple[int, int, int] | None:
    """Return offset, first channel and count behind an operation; None if it ends."""
    if user.op != "call_function" or not user.args:
        return None
    given, *options = user.args
    if user.target in HOMOGENEOUS and given is node:
        return offset, first, count
    if user.target is aten.mean.dim:
        axes = options[0]
        spatial = isinstance(axes, list | tuple) and sorted(axes) in ([-2, -1], [2, 3])
        return (offset, first, count) if spatial else None
    if user.target in PRODUCTS:
        others = [argument for argument in user.args[:2] if argument is not node]
        # A gate of the same channels; where it depends on them, its own path tells.
        same = len(others) == 1 and _width(others[0]) in {1, _width(node)} - {0}
        return (offset, first, count) if same else None
    if user.target is aten.cat.default:
        parts = list(given) if isinstance(given, list | tuple) else []
        if options not in ([1], [-3]) or parts.count(node) != 1:
            return None
        before = sum(_width(part) for part in parts[: parts.index(node)])
        return before + offset, first, count
    if user.target is aten.slice.Tensor:
        return _sliced(node, options, offset, first, count)
    return None


def _sliced(
    node: Node, options: Sequence[object], offset: int, first: int, count: int
) -> tuple[int, int, int] | None:
    given = [option for option in options if isinstance(option, int)]
    axis, start, end, step = given + [0, 0, LAST, 1][len(given) :]
    if axis % 4 != 1:
        return offset, first, count
    if None in options or step != 1 or start < 0 or end < 0:
        return None
    low = max(offset, start)
    high = min(offset + count, end, _width(node))
    return low - start, first + low - offset, max(high - low, 0)


def _width(argument: object) -> int:
    """Return the channels of a map, or 0 for anything else."""
    shape = argument.meta["val"].shape if isinstance(argument, Node) else []
    return shape[1] if len(shape) == 4 else 0
