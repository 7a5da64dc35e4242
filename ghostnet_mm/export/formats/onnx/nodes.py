"""Write ONNX nodes one call at a time, and put them into a finished model.

Everything here speaks opset 18. onnx is imported inside the functions: who calls them
holds a model already, and the rest of the package works without it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

if TYPE_CHECKING:
    import onnx

# onnx.TensorProto's numbers of the types, fixed by the format.
FLOAT, UINT8, INT64 = 1, 2, 7

# A tensor's name ("" leaves an optional one out), or its values: a float becomes a
# float32 scalar, an int an int64 scalar, a list of ints an int64 vector.
Operand: TypeAlias = "str | int | float | list[int] | np.ndarray"
# A vector of whole numbers, known now or by the name of a tensor.
Numbers: TypeAlias = "str | list[int]"


class NodeWriter:
    """Collects nodes and constants of one part of a graph.

    Args:
        prefix: Put before every name, so that two parts never share one.
    """

    def __init__(self, prefix: str):
        self.prefix = prefix
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []

    def __call__(
        self,
        op_type: str,
        *operands: Operand,
        output: str | None = None,
        **attributes: Any,
    ) -> str:
        """Add a node with one output and return its name.

        Args:
            op_type: Name of a standard ONNX operator.
            operands: What it reads.
            output: A name for the output; made up by default.
            attributes: The operator's attributes.
        """
        outputs = [output or f"{self._next_name(op_type)}:0"]
        self._add(op_type, operands, outputs, attributes)
        return outputs[0]

    def pair(
        self, op_type: str, *operands: Operand, **attributes: Any
    ) -> tuple[str, str]:
        """Add a node with two outputs and return their names."""
        name = self._next_name(op_type)
        first, second = f"{name}:0", f"{name}:1"
        self._add(op_type, operands, [first, second], attributes)
        return first, second

    def _next_name(self, op_type: str) -> str:
        return f"{self.prefix}/{op_type}_{len(self.nodes)}"

    def _add(
        self,
        op_type: str,
        operands: Sequence[Operand],
        outputs: list[str],
        attributes: dict[str, Any],
    ) -> None:
        from onnx import helper

        inputs = [
            operand if isinstance(operand, str) else self._constant(operand)
            for operand in operands
        ]
        name = self._next_name(op_type)
        node = helper.make_node(op_type, inputs, outputs, name=name, **attributes)
        self.nodes.append(node)

    def _constant(self, value: float | list[int] | np.ndarray) -> str:
        from onnx import numpy_helper

        if not isinstance(value, np.ndarray):
            whole = not isinstance(value, float)
            value = np.array(value, dtype=np.int64 if whole else np.float32)
        name = f"{self.prefix}/constant_{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(value, name))
        return name


def size_of(write: NodeWriter, tensor: str, axis: int) -> str:
    """The length of one axis, int64 (1,)."""
    return write("Shape", tensor, start=axis, end=axis + 1)


def insert_before(model: onnx.ModelProto, write: NodeWriter) -> None:
    """Put the written nodes before all nodes of ``model``, in place."""
    nodes = [*write.nodes, *model.graph.node]
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    model.graph.initializer.extend(write.constants)


def insert_after(model: onnx.ModelProto, write: NodeWriter) -> None:
    """Put the written nodes after all nodes of ``model``, in place."""
    model.graph.node.extend(write.nodes)
    model.graph.initializer.extend(write.constants)


def rename_tensor(graph: onnx.GraphProto, old: str, new: str) -> None:
    """Rename a tensor wherever nodes make or read it, also in their subgraphs."""
    from onnx import AttributeProto

    for node in graph.node:
        for names in (node.input, node.output):
            for index, name in enumerate(names):
                if name == old:
                    names[index] = new
        for attribute in node.attribute:
            if attribute.type == AttributeProto.GRAPH:
                rename_tensor(attribute.g, old, new)
