"""Where a factor on one channel of a convolution can be undone exactly.

A convolution's output channel may be divided by a positive factor if everything that
reads it is positively homogeneous per channel (ReLU, concat, pooling, a gate's product)
until convolutions multiply their weights of that channel by the factor.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

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


@dataclass
class Path:
    """One convolution whose output channels can be scaled, and who undoes it.

    Attributes:
        producer: The convolution's node.
        output: The last node before other operations: its activation, or itself.
        readers: Convolution nodes with the first of their input channels that is the
            producer's channel ``first``, and how many follow: (node, offset, first,
            count).
    """

    producer: Node
    output: Node
    readers: list[tuple[Node, int, int, int]] = field(default_factory=list)


def traced(module: nn.Module, image: Tensor) -> ExportedProgram:
    """Trace a module that takes one image."""
    with torch.no_grad():
        return torch.export.export(module, (image,), strict=False)


def scalable_paths(program: ExportedProgram) -> list[Path]:
    """Find every convolution whose output channels can be scaled and unscaled.

    Convolutions whose weights or readers' weights several nodes share are left out.
    """
    convs = [node for node in program.graph.nodes if is_convolution(node)]
    storage = {node: _storage(program, node) for node in convs}
    uses = Counter(storage.values())

    def is_own(node: Node) -> bool:
        return storage[node] is not None and uses[storage[node]] == 1

    paths = []
    for node in convs:
        path = Path(node, _activated(node))
        channels = node.meta["val"].shape[1]
        if is_own(node) and _follow(node, 0, 0, channels, path.readers):
            if path.readers and all(is_own(reader[0]) for reader in path.readers):
                paths.append(path)
    return paths


def is_convolution(node: Node) -> bool:
    """Whether a node is a 2D convolution."""
    return node.op == "call_function" and node.target in CONVOLUTIONS


def groups_of(node: Node) -> int:
    """Return the groups of a convolution node."""
    position = 8 if node.target is aten.convolution.default else 6
    return node.args[position] if len(node.args) > position else 1


def is_depthwise(node: Node) -> bool:
    """Whether each input channel has filters of its own."""
    return groups_of(node) == node.args[0].meta["val"].shape[1] > 1


def _storage(program: ExportedProgram, node: Node) -> int | None:
    """Tell weights apart: layers may share them under different names."""
    name = program.graph_signature.inputs_to_parameters.get(node.args[1].name)
    return None if name is None else program.state_dict[name].data_ptr()


def _activated(node: Node) -> Node:
    users = list(node.users)
    if len(users) == 1 and users[0].target in ACTIVATIONS:
        return users[0]
    return node


def _follow(node: Node, offset: int, first: int, count: int, readers: list) -> bool:
    """Collect who reads channels ``offset ... offset + count`` of a node.

    Returns whether all of them can undo a factor.
    """
    for user in node.users:
        if is_convolution(user):
            # Grouped ones but depthwise have no column for each channel.
            if user.args[0] is not node or groups_of(user) not in (1, _width(node)):
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
    if user.op != "call_function":
        return None
    if user.target in HOMOGENEOUS and user.args[0] is node:
        return offset, first, count
    if user.target is aten.mean.dim:
        dims = {axis % 4 for axis in user.args[1]}
        return (offset, first, count) if dims == {2, 3} else None
    if user.target in PRODUCTS:
        other = [one for one in user.args[:2] if one is not node]
        same = len(other) == 1 and isinstance(other[0], Node)
        # A gate of the same channels; where it depends on them, its own path tells.
        if same and _width(other[0]) in (1, _width(node)):
            return offset, first, count
        return None
    if user.target is aten.cat.default:
        if len(user.args) < 2 or user.args[1] % 4 != 1:
            return None
        parts = user.args[0]
        if list(parts).count(node) != 1:
            return None
        before = sum(_width(one) for one in parts[: parts.index(node)])
        return before + offset, first, count
    if user.target is aten.slice.Tensor:
        return _sliced(node, user, offset, first, count)
    return None


def _sliced(
    node: Node, user: Node, offset: int, first: int, count: int
) -> tuple[int, int, int] | None:
    axis, start, end, step = (*user.args[1:], *(0, 0, LAST, 1)[len(user.args) - 1 :])
    if axis % 4 != 1:
        return offset, first, count
    if step != 1 or start < 0 or end < 0:
        return None
    end = min(end, _width(node))
    low, high = max(offset, start), min(offset + count, end)
    kept = max(high - low, 0)
    return low - start, first + low - offset, kept


def _width(node: Node) -> int:
    shape = node.meta["val"].shape
    return shape[1] if len(shape) == 4 else 0
