"""The runtimes of ``tools/quantize.py``: how each writes files in float and INT8."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

import numpy as np

from ..errors import OptionError
from ..export.formats.libraries import import_library
from ..export.formats.openvino import openvino_from_onnx
from ..export.model_files import copy_model
from .ncnn_quantization import METHODS as NCNN_METHODS
from .ncnn_quantization import NcnnInt8, NcnnQuantizer
from .onnx_layers import ConvLayer
from .onnx_quantization import METHODS, OnnxInt8, OnnxQuantizer
from .openvino_quantization import RANGES, OpenvinoInt8, OpenvinoQuantizer


class Recipe(Protocol):
    """What a runtime can do with one network, exported to ONNX in float.

    Attributes:
        suffix: Of its files.
        methods: How it can choose the ranges of activations.
        plain_steps: Names of its plain steps, by order; the last is the basis of the
            steps that follow.
        layers: The convolutions.
    """

    suffix: str
    methods: tuple[str, ...]
    plain_steps: tuple[str, ...]
    layers: Sequence[ConvLayer]

    def write_float(self, path: Path) -> Path:
        """Write the file in float."""

    def write_plain(self, step: str, method: str, path: Path) -> Path:
        """Write everything in INT8 that the runtime's tool takes."""

    def write_int8(self, float_layers: frozenset[str], method: str, path: Path) -> Path:
        """Write INT8 with some layers in float."""


class OnnxRuntimeRecipe:
    """ONNX Runtime: the weights' scales are per tensor unless asked for."""

    suffix = ".onnx"
    methods = tuple(METHODS)
    plain_steps = ("plain", "per-channel weights")

    def __init__(self, source: Path, images: Sequence[np.ndarray]):
        self.source = source
        self.quantizer = OnnxQuantizer(source, images)
        self.layers = self.quantizer.layers

    def write_float(self, path: Path) -> Path:
        """Copy the file in float."""
        return Path(shutil.copyfile(self.source, path))

    def write_plain(self, step: str, method: str, path: Path) -> Path:
        """Write everything in INT8 that has a kernel."""
        settings = OnnxInt8(
            method=method,
            per_channel=step != self.plain_steps[0],
            between="everything",
        )
        return self.quantizer.quantize(settings, path)

    def write_int8(self, float_layers: frozenset[str], method: str, path: Path) -> Path:
        """Write INT8 with some layers in float, and no lone operation in INT8."""
        return self.quantizer.quantize(OnnxInt8(float_layers, method), path)


class OpenvinoRecipe:
    """OpenVINO through NNCF, whose weights have a scale for each channel anyway."""

    suffix = ".xml"
    methods = RANGES
    plain_steps = ("plain",)

    def __init__(self, source: Path, images: Sequence[np.ndarray]):
        self.source = source
        self.quantizer = OpenvinoQuantizer(source, images)
        self.layers = self.quantizer.layers

    def write_float(self, path: Path) -> Path:
        """Convert the file in float."""
        return openvino_from_onnx(self.source, path)

    def write_plain(self, step: str, method: str, path: Path) -> Path:
        """Write everything in INT8."""
        return self.quantizer.quantize(OpenvinoInt8(method=method), path)

    def write_int8(self, float_layers: frozenset[str], method: str, path: Path) -> Path:
        """Write INT8 with some layers in float."""
        return self.quantizer.quantize(OpenvinoInt8(float_layers, method), path)


class NcnnRecipe:
    """ncnn, which pnnx makes of PyTorch: its file in float lies beside that in ONNX."""

    suffix = ".ncnn.param"
    methods = NCNN_METHODS
    plain_steps = ("plain",)

    def __init__(self, source: Path, images: Sequence[np.ndarray]):
        self.source = source.with_suffix(self.suffix)
        self.quantizer = NcnnQuantizer(self.source, source, images)
        self.layers = self.quantizer.layers

    def write_float(self, path: Path) -> Path:
        """Copy the file in float."""
        return copy_model(self.source, path)

    def write_plain(self, step: str, method: str, path: Path) -> Path:
        """Write every convolution in INT8."""
        return self.quantizer.quantize(NcnnInt8(method=method), path)

    def write_int8(self, float_layers: frozenset[str], method: str, path: Path) -> Path:
        """Write INT8 with some layers in float."""
        return self.quantizer.quantize(NcnnInt8(float_layers, method), path)


NCNN = "ncnn"
RECIPES: dict[str, Callable[[Path, Sequence[np.ndarray]], Recipe]] = {
    "onnxruntime": OnnxRuntimeRecipe,
    "openvino": OpenvinoRecipe,
    NCNN: NcnnRecipe,
}
DEFAULT_RUNTIMES = ("onnxruntime", "openvino")


def usable_methods(recipe: Recipe, wanted: Sequence[str]) -> tuple[str, ...]:
    """Return those ways to choose ranges that a runtime has, or else its own default.

    Raises:
        OptionError: No runtime has one of that name.
    """
    for name in wanted:
        if name not in METHODS:
            raise OptionError(
                f"--calibration {name} is unknown: choose among {', '.join(METHODS)}."
            )
    return tuple(m for m in wanted if m in recipe.methods) or recipe.methods[:1]


def check_runtimes(names: Sequence[str]) -> None:
    """Refuse runtimes that are unknown or cannot quantize here.

    Raises:
        OptionError: Says what is missing.
    """
    for name in names:
        if name not in RECIPES:
            raise OptionError(
                f"--runtimes {name} is unknown: choose among {', '.join(RECIPES)}."
            )
    import_library("onnxruntime.quantization", "onnx")
    if "openvino" in names:
        import_library("openvino", "openvino")
        import_library("nncf", "quantization")
    if NCNN in names:
        import_library("ncnn", "ncnn")
        import_library("pnnx", "ncnn")
