"""A detection graph as tracing exporters want it: one size, outputs as a tuple."""

from __future__ import annotations

import copy
from collections.abc import Mapping

import torch
from ghostnet_runtime.description import Description
from torch import Tensor, nn

from ...errors import OptionError
from .exportable_graph import ExportableGraph


class StaticGraph(nn.Module):
    """A copy of a graph whose priors are constants of one input size.

    Args:
        graph: Takes ``(N, 3, H, W)`` images and returns tensors, by name or in order.
            It stays as it is.
        description: Of the export.
        example: An image of the size to export, ``(1, 3, H, W)`` float32.

    Attributes:
        inputs: Example inputs to trace with.
        names: Names of the outputs.

    Raises:
        OptionError: The example is no such image, or of another size than described.
    """

    def __init__(
        self, graph: ExportableGraph, description: Description, example: Tensor
    ):
        super().__init__()
        if example.dim() != 4 or example.dtype != torch.float32:
            raise OptionError(
                "The example image must be float32 of the shape (1, 3, H, W), not "
                f"{example.dtype} of the shape {tuple(example.shape)}."
            )
        size = tuple(example.shape[-2:])
        described = description.input.size
        if described not in (size, None):
            raise OptionError(
                f"The description is of inputs of {described[0]}x{described[1]} pixels "
                f"and the example has {size[0]}x{size[1]}: make them equal."
            )
        graph = copy.deepcopy(graph).eval().requires_grad_(False)
        graph.fix_size(size)
        # Not "graph": a traced module has an attribute of that name itself.
        self.source = graph
        self.names = graph.output_names
        self.inputs: tuple[Tensor, ...] = (example,)
        if description.input.image_sizes is not None:
            self.inputs += (example.new_tensor([size]).expand(len(example), 2),)
        self.eval()

    def forward(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        """Return the outputs in the order of `names`."""
        outputs = self.source(*inputs)
        if isinstance(outputs, Mapping):
            return tuple(outputs[name] for name in self.names)
        return tuple(outputs)


def check_plain_candidates(description: Description, kind: str) -> None:
    """Refuse what only ONNX, OpenVINO and torch can hold.

    Args:
        description: Of the export.
        kind: The format that is asked for, for the message.

    Raises:
        OptionError: The graph has two stages, NMS or preprocessing in it.
    """
    outputs, fed = description.outputs, description.input
    reason = None
    if outputs.class_boxes or fed.image_sizes is not None:
        reason = "two-stage detectors"
    elif outputs.form == "detections":
        reason = "NMS in the graph"
    elif fed.form == "pixels":
        reason = "preprocessing in the graph"
    if reason:
        raise OptionError(
            f"{kind} cannot hold {reason}; export to ONNX or OpenVINO instead."
        )
    if fed.batch != 1 or fed.size is None:
        raise OptionError(
            f"{kind} needs a fixed size and a batch of 1; export without dynamic axes."
        )
