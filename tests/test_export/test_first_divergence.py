"""The search for the first layer that an exporter got wrong."""

from collections.abc import Sequence

import numpy as np
import pytest
import torch
from torch import nn

from ghostnet_mm.export.card.first_divergence import first_divergence


class Block(nn.Module):
    """Two convolutions with a name each."""

    def __init__(self, width: int):
        super().__init__()
        self.first = nn.Conv2d(width, width, 1)
        self.second = nn.Conv2d(width, width, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return a map of the same shape."""
        return x + self.second(self.first(x).relu())


def network(blocks: int = 4) -> nn.Module:
    """Return a small network of blocks."""
    torch.manual_seed(0)
    return nn.Sequential(*(Block(3) for _ in range(blocks))).eval()


def exported_with_fault(
    layer: str | None, calls: list[int], fault=lambda output: output + 0.1
):
    """Return a stand-in for an exporter that gets one layer wrong."""

    def run(graph: nn.Module, names: Sequence[str]) -> dict[str, np.ndarray]:
        calls.append(len(names))
        handle = None
        if layer is not None:
            wrong = graph.source.get_submodule(layer)
            handle = wrong.register_forward_hook(lambda m, i, output: fault(output))
        with torch.no_grad():
            outputs = graph(torch.ones(1, 3, 4, 4))
        if handle is not None:
            handle.remove()
        pairs = zip(names, outputs, strict=True)
        return {name: output.numpy()[0] for name, output in pairs}

    return run


@pytest.mark.parametrize("blocks", [4, 30])
@pytest.mark.parametrize("layer", ["2.first", "2.second", "0.first"])
def test_the_wrong_layer_is_found(layer, blocks):
    calls = []
    found = first_divergence(
        network(blocks), torch.ones(1, 3, 4, 4), exported_with_fault(layer, calls)
    )
    assert found.layer == layer
    assert found.largest > 1e-3
    assert len(calls) <= 3
    assert max(calls) <= 40


def test_a_layer_that_gives_nan_is_found():
    found = first_divergence(
        network(),
        torch.ones(1, 3, 4, 4),
        exported_with_fault("1.second", [], lambda output: output * np.nan),
    )
    assert found.layer == "1.second"
    assert np.isnan(found.largest)


def test_infinity_and_nan_on_both_sides_are_no_divergence():
    graph = network()
    with torch.no_grad():
        graph[1].second.bias.fill_(np.inf)
    image = torch.ones(1, 3, 4, 4)
    assert first_divergence(graph, image, exported_with_fault(None, [])) is None


def test_equal_layers_have_no_divergence():
    found = first_divergence(
        network(), torch.ones(1, 3, 4, 4), exported_with_fault(None, [])
    )
    assert found is None
