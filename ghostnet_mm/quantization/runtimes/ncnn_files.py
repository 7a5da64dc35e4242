"""ncnn's files, layers in ``.param`` and weights in ``.bin``, read and written.

The formats are described in ncnn's docs/developer-guide, "param and model file
structure" and "operators".
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from enum import IntEnum
from pathlib import Path

import numpy as np

from ...errors import OptionError
from ...export.formats.ncnn import HEADER_LINES

CONVOLUTIONS = ("Convolution", "ConvolutionDepthWise")
# What stands before weights and says their type.
FLOAT_TAG, HALF_TAG, INT8_TAG = 0, 0x01306B47, 0x000D4B38
WORD = 4
UNKNOWN = (
    "The ncnn file has layers whose weights are not known here, so that it cannot be "
    "quantized; take onnxruntime or openvino."
)


class ConvKey(IntEnum):
    """Numbers of a convolution's parameters."""

    OUTPUTS = 0
    KERNEL_WIDTH = 1
    DILATION = 2
    STRIDE = 3
    BIAS = 5
    WEIGHTS = 6
    GROUPS = 7
    INT8_SCALES = 8
    KERNEL_HEIGHT = 11


@dataclass(frozen=True)
class NcnnLayer:
    """A layer.

    Attributes:
        kind: Its type, as in ``Convolution``.
        name: Its name in the file.
        inputs: Blobs it reads.
        outputs: Blobs it makes.
        parameters: By number, as written.
        stored: Its part of the ``.bin`` file.
    """

    kind: str
    name: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    parameters: Mapping[int, str]
    stored: bytes = b""

    def number(self, key: int, default: int = 0) -> int:
        """Return a whole number of the parameters."""
        return int(self.parameters.get(key, default))

    @property
    def line(self) -> str:
        """Its line in the ``.param`` file."""
        counts = f"{len(self.inputs)} {len(self.outputs)}"
        blobs = (*self.inputs, *self.outputs)
        words = [f"{key}={value}" for key, value in self.parameters.items()]
        return " ".join([self.kind, self.name, counts, *blobs, *words])


@dataclass(frozen=True)
class ConvWeights:
    """What a convolution in float stores.

    Attributes:
        weight: ``(outputs, inputs of a group, kernel height, kernel width)``.
        bias: ``(outputs,)``, or empty.
    """

    weight: np.ndarray
    bias: np.ndarray


def read_layers(path: str | os.PathLike) -> list[NcnnLayer]:
    """Read the layers of a ``.param`` file, their weights beside it.

    Raises:
        OptionError: The weights are incomplete, or a layer stores something unknown, so
            that nothing after it can be found.
    """
    path = Path(path)
    lines = path.read_text(encoding="utf-8").splitlines()[HEADER_LINES:]
    data = path.with_suffix(".bin").read_bytes()
    layers, start = [], 0
    for line in lines:
        layer = _read_line(line)
        length = sum(_section_lengths(layer, data, start))
        layers.append(replace(layer, stored=data[start : start + length]))
        start += length
    if start > len(data):
        raise OptionError(
            f"{path.with_suffix('.bin').name} is incomplete; export the detector anew."
        )
    if start < len(data):
        raise OptionError(UNKNOWN)
    return layers


def write_layers(
    original: str | os.PathLike, layers: list[NcnnLayer], path: str | os.PathLike
) -> None:
    """Write a ``.param`` file and, beside it, ``.bin``.

    Args:
        original: The file that the layers were read from, for its head.
        layers: In order, as many as there were, with the same blobs.
        path: The ``.param`` file.
    """
    head = Path(original).read_text(encoding="utf-8").splitlines()[:HEADER_LINES]
    text = "\n".join([*head, *(layer.line for layer in layers)])
    Path(path).write_text(f"{text}\n", encoding="utf-8")
    Path(path).with_suffix(".bin").write_bytes(
        b"".join(layer.stored for layer in layers)
    )


def conv_weights(layer: NcnnLayer) -> ConvWeights:
    """Return what a convolution stores.

    Raises:
        OptionError: Its weights are not in single precision.
    """
    if int.from_bytes(layer.stored[:WORD], "little") != FLOAT_TAG:
        raise OptionError(
            f"The layer {layer.name} is not in single precision; quantize a file that "
            "was exported in float32."
        )
    count, outputs = layer.number(ConvKey.WEIGHTS), layer.number(ConvKey.OUTPUTS)
    values = np.frombuffer(layer.stored, dtype="<f4")[1:]
    width = layer.number(ConvKey.KERNEL_WIDTH)
    height = layer.number(ConvKey.KERNEL_HEIGHT, width)
    return ConvWeights(
        values[:count].reshape(outputs, -1, height, width), values[count:]
    )


def with_int8(
    layer: NcnnLayer, weight: np.ndarray, scales: np.ndarray, input_scale: float
) -> NcnnLayer:
    """Return a convolution that computes in INT8 and answers in float.

    Args:
        layer: In float.
        weight: Like its weights, int8.
        scales: What each output's weights were multiplied by.
        input_scale: What its input is multiplied by.
    """
    values = weight.astype(np.int8).tobytes()
    values += bytes(-len(values) % WORD)
    stored = INT8_TAG.to_bytes(WORD, "little") + values
    for part in (conv_weights(layer).bias, scales, [input_scale]):
        stored += np.asarray(part, dtype="<f4").tobytes()
    parameters = {**layer.parameters, ConvKey.INT8_SCALES.value: "1"}
    return replace(layer, parameters=dict(sorted(parameters.items())), stored=stored)


def _read_line(line: str) -> NcnnLayer:
    kind, name, inputs, outputs, *rest = line.split()
    inner, last = int(inputs), int(inputs) + int(outputs)
    words = (word.partition("=") for word in rest[last:])
    parameters = {int(key): value for key, _, value in words}
    return NcnnLayer(
        kind, name, tuple(rest[:inner]), tuple(rest[inner:last]), parameters
    )


def _section_lengths(layer: NcnnLayer, data: bytes, start: int) -> Iterator[int]:
    """Lengths in bytes of the parts of ``data`` that a layer stores."""
    for count, is_tagged in SECTIONS.get(layer.kind, lambda _: [])(layer.number):
        length = count * WORD
        if is_tagged:
            tag = int.from_bytes(data[start : start + WORD], "little")
            if tag not in VALUE_BYTES:
                raise OptionError(UNKNOWN)
            values = count * VALUE_BYTES[tag]
            length = WORD + values + -values % WORD
        yield length
        start += length


VALUE_BYTES = {FLOAT_TAG: 4, HALF_TAG: 2, INT8_TAG: 1}
# A parameter by its number, or a default.
Number = Callable[..., int]
# Numbers of values, and whether a tag tells their type.
Sections = list[tuple[int, bool]]


def _conv_sections(number: Number) -> Sections:
    outputs = number(ConvKey.OUTPUTS)
    scales = number(ConvKey.GROUPS, outputs) + 1
    return [
        (number(ConvKey.WEIGHTS), True),
        (outputs * number(ConvKey.BIAS), False),
        (scales * (number(ConvKey.INT8_SCALES) > 0), False),
    ]


def _memory_sections(number: Number) -> Sections:
    sides = [number(key) for key in (0, 1, 11, 2)]
    count = math.prod(side or 1 for side in sides)
    return [(count, number(21, 1) == 0)] if any(sides) else []


def _gemm_sections(number: Number) -> Sections:
    rows, columns, inner = (number(key) for key in (7, 8, 9))
    # How what is added is spread; any other number means that nothing is.
    added = {0: 1, 1: rows, 2: rows, 3: rows * columns, 4: columns}.get(number(10))
    sections = {4: rows * inner, 5: columns * inner, 6: added}
    return [(n, True) for key, n in sections.items() if number(key) and n is not None]


SECTIONS: dict[str, Callable[[Number], Sections]] = {
    **dict.fromkeys(CONVOLUTIONS, _conv_sections),
    "MemoryData": _memory_sections,
    "InnerProduct": lambda number: [
        (number(2), True),
        (number(0) * number(1), False),
    ],
    "Gemm": _gemm_sections,
    "GroupNorm": lambda number: [(2 * number(1) * number(3, 1), False)],
    "PReLU": lambda number: [(number(0), False)],
}
