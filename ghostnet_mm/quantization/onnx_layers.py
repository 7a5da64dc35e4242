"""The convolutions of an exported ONNX graph, and which of its nodes INT8 may reach."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..errors import OptionError

if TYPE_CHECKING:
    import onnx

PREFIX = "network."
# A block of a backbone, or a convolution of neck and head.
BLOCK = re.compile(r"^(?P<block>.*?\b(?:blocks|layers?\d*|stages?)\.\d+(?:\.\d+)?)\.")
# Gates: a few values of each picture, at hardly any cost.
GATE = re.compile(r"\.se\.|short_conv")
FREE = ("Relu",)


@dataclass(frozen=True)
class ConvLayer:
    """A convolution.

    Attributes:
        name: Of its module in the detector.
        node: Of its node.
        shape: Of its weight: output channels, input channels of a group, kernel.
        groups: Its groups.
    """

    name: str
    node: str
    shape: tuple[int, ...]
    groups: int

    @property
    def is_depthwise(self) -> bool:
        """Whether each channel has filters of its own."""
        return self.groups > 1 and self.shape[1] == 1

    @property
    def is_gate(self) -> bool:
        """Whether it computes a gate of squeeze and excitation or attention."""
        return bool(GATE.search(self.name))

    @property
    def block(self) -> str:
        """Its block; convolutions of neck and head are blocks of their own."""
        found = BLOCK.match(self.name)
        return found["block"] if found else self.name


def conv_layers(model: onnx.ModelProto) -> list[ConvLayer]:
    """List the convolutions of a graph in order.

    Raises:
        OptionError: There is none with constant weights.
    """
    weights = {tensor.name: tensor for tensor in model.graph.initializer}
    layers = []
    for node in model.graph.node:
        if node.op_type != "Conv" or node.input[1] not in weights:
            continue
        groups = next((a.i for a in node.attribute if a.name == "group"), 1)
        name = node.input[1].removeprefix(PREFIX).removesuffix(".weight")
        layers.append(
            ConvLayer(name, node.name, tuple(weights[node.input[1]].dims), groups)
        )
    if not layers:
        raise OptionError(
            "The ONNX file has no convolution in float; quantize a file that "
            "ghostnet export wrote."
        )
    return layers


def blocks(layers: Iterable[ConvLayer]) -> dict[str, list[ConvLayer]]:
    """Group convolutions by block, in order."""
    grouped: dict[str, list[ConvLayer]] = defaultdict(list)
    for layer in layers:
        grouped[layer.block].append(layer)
    return dict(grouped)


def network_nodes(model: onnx.ModelProto) -> set[str]:
    """Name the nodes that a convolution follows, and the convolutions themselves.

    What remains decodes boxes and scores and stays in float.
    """
    reaching: set[str] = set()
    names = set()
    for node in reversed(model.graph.node):
        if node.op_type == "Conv" or reaching & set(node.output):
            names.add(node.name)
            reaching.update(node.input)
    return names


def surrounded_nodes(
    model: onnx.ModelProto, convs: Collection[str], kinds: Sequence[str]
) -> set[str]:
    """Name the nodes of some kinds that only INT8 layers feed and read.

    In any other place INT8 would convert to and fro for one cheap operation.

    Args:
        model: In float.
        convs: Nodes of the INT8 convolutions.
        kinds: Operations to consider.
    """
    constants = {tensor.name for tensor in model.graph.initializer}
    for node in model.graph.node:
        if node.op_type == "Constant":
            constants.update(node.output)
    makers = {out: node for node in model.graph.node for out in node.output}
    readers: dict[str, list[onnx.NodeProto]] = defaultdict(list)
    for node in model.graph.node:
        for name in node.input:
            readers[name].append(node)
    inside = set(convs) | {n.name for n in model.graph.node if n.op_type in kinds}

    def fits(node: onnx.NodeProto) -> bool:
        fed = [name for name in node.input if name and name not in constants]
        if not all(name in makers and makers[name].name in inside for name in fed):
            return False
        # After a convolution it costs nothing: the scale cuts off what is negative.
        return node.op_type in FREE or all(
            readers[out] and all(each.name in inside for each in readers[out])
            for out in node.output
        )

    # Each removal can bare its neighbours.
    while True:
        bare = {
            node.name
            for node in model.graph.node
            if node.name in inside and node.name not in convs and not fits(node)
        }
        if not bare:
            return inside - set(convs)
        inside -= bare


def chosen_names(layers: Sequence[ConvLayer], wanted: Iterable[str]) -> frozenset[str]:
    """Resolve names of layers or blocks to the names of convolutions.

    Raises:
        OptionError: A name fits nothing.
    """
    names = set()
    for part in wanted:
        found = {
            layer.name
            for layer in layers
            if layer.name == part or layer.name.startswith(f"{part}.")
        }
        if not found:
            raise OptionError(
                f"--float {part} names no convolution or block of the detector; the "
                "report lists their names."
            )
        names |= found
    return frozenset(names)
