"""What every exporter asks of a graph."""

from __future__ import annotations

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
    """

    output_names: tuple[str, ...]
    takes_image_sizes = False
    any_size = True

    def fix_size(self: Graph, size: tuple[int, int] | None) -> Graph:
        """Turn what depends on the input's size alone into constants, or back.

        Exporters that trace then find tensors in place of how they are computed.

        Args:
            size: Height and width of the input in pixels; None for any size.

        Returns:
            The graph itself.
        """
        return self
