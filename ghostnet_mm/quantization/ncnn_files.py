"""ncnn's files, layers in ``.param`` and weights in ``.bin``, read and written.

The formats are described in ncnn's docs/developer-guide, "param and model file
structure" and "operators".
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from enum import IntEnum
from pathlib import Path

import numpy as np

from ..errors import OptionError
from ..export.formats.ncnn import HEADER_LINES

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
    text = "\n".join([*head, *(one.line for one in layers)])
    Path(path).write_text(f"{text}\n", encoding="utf-8")
    Path(path).with_suffix(".bin").write_bytes(b"".join(one.stored for one in layers))


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
    parts = (
        conv_weights(layer).bias,
        np.asarray(scales, dtype="<f4"),
        np.asarray([input_scale], dtype="<f4"),
    )
    stored = INT8_TAG.to_bytes(WORD, "little") + values
    stored += b"".join(one.tobytes() for one in parts)
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
    for count, is_tagged in SECTIONS.get(layer.kind, lambda _: ())(layer):
        length = count * WORD
        if is_tagged:
            tag = int.from_bytes(data[start : start + WORD], "little")
            if tag not in VALUE_BYTES:
                raise OptionError(UNKNOWN)
            values = count * VALUE_BYTES[tag]
            length = WORD + values + -values % WORD
        yield length
        start += length


# Numbers of values, and whether a tag tells their type.
Sections = Iterator[tuple[int, bool]]
VALUE_BYTES = {FLOAT_TAG: 4, HALF_TAG: 2, INT8_TAG: 1}


def _conv_sections(layer: NcnnLayer) -> Sections:
    outputs = layer.number(ConvKey.OUTPUTS)
    yield layer.number(ConvKey.WEIGHTS), True
    if layer.number(ConvKey.BIAS):
        yield outputs, False
    if layer.number(ConvKey.INT8_SCALES):
        yield layer.number(ConvKey.GROUPS, outputs) + 1, False


def _memory_sections(layer: NcnnLayer) -> Sections:
    sides = [layer.number(key) for key in (0, 1, 11, 2)]
    if any(sides):
        yield int(np.prod([side or 1 for side in sides])), layer.number(21, 1) == 0


def _inner_product_sections(layer: NcnnLayer) -> Sections:
    yield layer.number(2), True
    if layer.number(1):
        yield layer.number(0), False


def _group_norm_sections(layer: NcnnLayer) -> Sections:
    if layer.number(3, 1):
        yield 2 * layer.number(1), False


def _prelu_sections(layer: NcnnLayer) -> Sections:
    yield layer.number(0), False


def _gemm_sections(layer: NcnnLayer) -> Sections:
    rows, columns, inner = (layer.number(key) for key in (7, 8, 9))
    if layer.number(4):
        yield rows * inner, True
    if layer.number(5):
        yield columns * inner, True
    # How what is added is spread; any other number means that nothing is.
    added = {0: 1, 1: rows, 2: rows, 3: rows * columns, 4: columns}
    if layer.number(6) and layer.number(10) in added:
        yield added[layer.number(10)], True


SECTIONS: dict[str, Callable[[NcnnLayer], Sections]] = {
    **dict.fromkeys(CONVOLUTIONS, _conv_sections),
    "MemoryData": _memory_sections,
    "InnerProduct": _inner_product_sections,
    "Gemm": _gemm_sections,
    "GroupNorm": _group_norm_sections,
    "PReLU": _prelu_sections,
}
