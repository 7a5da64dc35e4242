"""What every exporter asks of a graph."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TypeVar

from torch import nn

Graph = TypeVar("Graph", bound="ExportableGraph")


class ExportableGraph(nn.Module):
    """A function from normalized pictures to tensors that a file can hold.

    Attributes:
        output_names: Names of what it returns, in order.
        takes_image_sizes: Whether there is a second input: height and width of each
            picture inside of the padded input.
        any_size: Whether it works on inputs of more than one size.
        fixed_size: Height and width whose priors are constants, see `fix_size`.
    """

    output_names: tuple[str, ...]
    takes_image_sizes = False
    any_size = True
    fixed_size: tuple[int, int] | None = None

    def fix_size(self: Graph, size: tuple[int, int] | None) -> Graph:
        """Turn what depends on the input's size alone into constants, or back.

        Exporters that trace then find tensors in place of how they are computed.

        Args:
            size: Height and width of the input in pixels; None for any size.

        Returns:
            The graph itself.
        """
        self.fixed_size = size
        return self


@contextmanager
def fixed_to(graph: ExportableGraph, size: tuple[int, int] | None) -> Iterator[None]:
    """Fix the size of a graph while the block runs."""
    before = graph.fixed_size
    graph.fix_size(size)
    try:
        yield
    finally:
        graph.fix_size(before)
