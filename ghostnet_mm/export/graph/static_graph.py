"""A detection graph as tracing exporters want it: one size, outputs as a tuple."""

from __future__ import annotations

import copy
from collections.abc import Mapping

import torch
from ghostnet_runtime.description import Description, InputForm
from torch import Tensor, nn

from .exportable_graph import ExportableGraph


class StaticGraph(nn.Module):
    """A copy of a graph whose priors are constants of one input size.

    Args:
        graph: Takes ``(N, 3, H, W)`` images and returns tensors, by name or in order.
            It stays as it is.
        description: Of the export, one of a fixed size.

    Attributes:
        input_name: Of the image.
        inputs: Example inputs to trace with.
        names: Names of the outputs.
    """

    def __init__(self, graph: ExportableGraph, description: Description):
        super().__init__()
        fed = description.input
        graph = copy.deepcopy(graph).eval().requires_grad_(False)
        # Not "graph": a traced module has an attribute of that name itself.
        self.source = graph.fix_size(fed.size)
        self.input_name = fed.name
        self.names = graph.output_names
        self.inputs: tuple[Tensor, ...] = (example_image(fed),)
        if fed.image_sizes is not None:
            self.inputs += (torch.tensor([fed.size], dtype=torch.float32),)
        self.eval()

    def forward(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        """Return the outputs in the order of `names`."""
        outputs = self.source(*inputs)
        if isinstance(outputs, Mapping):
            return tuple(outputs[name] for name in self.names)
        return tuple(outputs)


def example_image(fed: InputForm) -> Tensor:
    """Return a random image, ``(1, 3, H, W)`` float32, of the described size or any."""
    side = 10 * fed.size_divisor
    generator = torch.Generator().manual_seed(0)
    return torch.randn(1, 3, *(fed.size or (side, side)), generator=generator)
