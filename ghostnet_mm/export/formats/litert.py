"""LiteRT (TensorFlow Lite) files."""

from __future__ import annotations

from pathlib import Path

from torch import Tensor, nn

from ..graph.static_graph import StaticGraph
from .base import StaticFormat
from .libraries import import_library


class LiteRtFormat(StaticFormat):
    """LiteRT, in float32.

    The input keeps PyTorch's order, ``(1, 3, H, W)``; inside, the converter transposes
    around the convolutions.
    """

    name = "litert"
    suffix = ".tflite"
    modules = ("litert_torch", "ai_edge_litert")
    extra = "litert"
    takes_two_stages = False

    def convert(self, static: StaticGraph, path: Path) -> None:
        """Write a graph to ``path``."""
        litert_torch = import_library("litert_torch", self.extra)
        (image,) = static.inputs
        named = _NamedOutputs(static).eval()
        converted = litert_torch.convert(named, sample_kwargs={"image": image})
        converted.export(str(path))


class _NamedOutputs(nn.Module):
    """Returns outputs by name: LiteRT's signature takes them over."""

    def __init__(self, static: StaticGraph):
        super().__init__()
        self.static = static

    def forward(self, image: Tensor) -> dict[str, Tensor]:
        return dict(zip(self.static.names, self.static(image), strict=True))
