"""Which blocks lose most in INT8: each is quantized alone, all others in float."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..export.exported_models import open_exported
from .onnx_layers import blocks
from .output_error import OutputError, Outputs, output_error
from .runtimes.onnx_quantizer import OnnxQuantizer


@dataclass(frozen=True)
class BlockSensitivity:
    """What INT8 in one block alone does to the outputs.

    Attributes:
        block: Its name.
        layers: Names of its convolutions.
        error: Against the network in float.
    """

    block: str
    layers: tuple[str, ...]
    error: OutputError


def block_sensitivities(
    quantizer: OnnxQuantizer,
    images: Sequence[np.ndarray],
    expected: Sequence[Outputs],
    method: str = "minmax",
    threads: int | None = None,
    after_each: Callable[[int, int], object] = lambda done, total: None,
) -> list[BlockSensitivity]:
    """Rank the blocks, the most sensitive first.

    Costs one quantization without calibration, about a second, and a pass over
    ``images`` for each block: neck and head count by convolution.

    Args:
        quantizer: Of the file in float.
        images: What the network is fed: ``(1, 3, H, W)`` float32 each.
        expected: What the file in float answers.
        method: How the ranges of activations are chosen.
        threads: Of ONNX Runtime.
        after_each: Called with the number of blocks done and of all.
    """
    grouped = blocks(quantizer.layers)
    everything = {layer.name for layer in quantizer.layers}
    found = []
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "one_block.onnx"
        for block, layers in grouped.items():
            names = tuple(layer.name for layer in layers)
            quantizer.write_int8(path, everything - set(names), method)
            model = open_exported(path, threads)
            error = output_error(expected, [model.run(image) for image in images])
            found.append(BlockSensitivity(block, names, error))
            after_each(len(found), len(grouped))
    return sorted(found, key=lambda block: -block.error.total)
