"""LiteRT (TensorFlow Lite) files."""

from __future__ import annotations

import os
from pathlib import Path

from ghostnet_runtime.description import Description
from torch import Tensor, nn

from ..graph.exportable_graph import ExportableGraph
from ..graph.static_graph import StaticGraph, check_plain_candidates
from ..model_files import finished_model, write_description
from .libraries import import_library


class _NamedOutputs(nn.Module):
    """Returns outputs by name: LiteRT's signature takes them over."""

    def __init__(self, static: StaticGraph):
        super().__init__()
        self.static = static

    def forward(self, image: Tensor) -> dict[str, Tensor]:
        return dict(zip(self.static.names, self.static(image), strict=True))


def export_litert(
    graph: ExportableGraph,
    description: Description,
    path: str | os.PathLike[str],
    *,
    example: Tensor,
) -> Path:
    """Write a graph as a LiteRT file, in float32.

    The input keeps PyTorch's order, ``(1, 3, H, W)``; inside, the converter transposes
    around the convolutions. Inputs and outputs have the description's names.

    Args:
        graph: A `DetectionGraph` of a one-stage detector; it stays as it is.
        description: Of the export.
        path: A ``.tflite`` file; the description goes beside it, into ``.json``.
        example: An image of the size to export, ``(1, 3, H, W)``.

    Returns:
        ``path``.

    Raises:
        OptionError: litert-torch is not installed, or the path, the example or the
            form of the graph is not possible.
    """
    check_plain_candidates(description, "LiteRT")
    litert_torch = import_library("litert_torch", "litert")
    static = StaticGraph(graph, description, example)
    with finished_model(path, ".tflite") as scratch:
        converted = litert_torch.convert(
            _NamedOutputs(static).eval(),
            sample_kwargs={"image": example},
        )
        converted.export(str(scratch))
        write_description(description, scratch)
    return Path(path)
