"""Write ONNX nodes one call at a time, and put them into a finished model.

Everything here speaks opset 18 or newer. onnx is imported inside the functions: who
calls them holds a model already, and the rest of the package works without it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ....errors import OptionError

if TYPE_CHECKING:
    import onnx

# onnx.TensorProto's numbers of the types, fixed by the format.
FLOAT, UINT8, INT64 = 1, 2, 7

Operand = "str | int | float | list[int] | np.ndarray"


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
        output_count: int = 1,
        **attributes,
    ) -> str | list[str]:
        """Add one node and return the name of its output, or names if it has several.

        Args:
            op_type: Name of a standard ONNX operator.
            operands: Names of tensors ("" leaves an optional one out) or numbers: a
                float becomes a float32 scalar, an int an int64 scalar, a list of ints
                an int64 vector, an array stays as it is.
            output: A name of its own for the only output; made up by default.
            output_count: How many outputs the node has.
            attributes: The operator's attributes.
        """
        from onnx import helper

        name = f"{self.prefix}/{op_type}_{len(self.nodes)}"
        outputs = [f"{name}:{index}" for index in range(output_count)]
        if output is not None:
            outputs = [output]
        inputs = [
            operand if isinstance(operand, str) else self._constant(operand)
            for operand in operands
        ]
        node = helper.make_node(op_type, inputs, outputs, name=name, **attributes)
        self.nodes.append(node)
        return outputs[0] if len(outputs) == 1 else outputs

    def _constant(self, value: int | float | list[int] | np.ndarray) -> str:
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


def check_opset(model: onnx.ModelProto) -> None:
    """Raise an OptionError for a model older than opset 18."""
    versions = [o.version for o in model.opset_import if o.domain in ("", "ai.onnx")]
    if not versions or versions[0] < 18:
        raise OptionError(
            "The ONNX model has opset "
            f"{versions[0] if versions else 'none'}; export it with opset 18 or newer."
        )
