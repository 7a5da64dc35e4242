"""INT8 for ONNX Runtime: QuantizeLinear and DequantizeLinear around chosen nodes."""

from __future__ import annotations

import contextlib
import copy
import io
import logging
import os
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from inspect import signature
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from ghostnet_runtime.description_text import METADATA_KEY

from ..errors import OptionError
from ..export.formats.libraries import import_library
from ..export.model_files import finished_model
from .onnx_layers import conv_layers, network_nodes, surrounded_nodes

if TYPE_CHECKING:
    import onnx

# How the range of an activation is chosen; values of onnxruntime's CalibrationMethod.
METHODS = {"minmax": "MinMax", "percentile": "Percentile", "entropy": "Entropy"}
# Operations between convolutions that have INT8 kernels.
BETWEEN = ("Add", "Concat", "Relu", "Resize", "MaxPool")
EVERYTHING = (*BETWEEN, "Mul", "Slice", "Split", "Clip", "HardSigmoid", "ReduceMean")


@dataclass(frozen=True)
class OnnxInt8:
    """How an ONNX file is quantized.

    In the file, layers in float are plain convolutions. ONNX Runtime 1.31
    still computes one in INT8, with one scale for its weights, where an INT8 layer is
    all that feeds it and all that reads it (its ``WeightBiasQuantization``); profiles
    by ``kernel_times`` show it.

    Attributes:
        float_layers: Names of the convolutions that stay in float.
        method: A key of `METHODS`.
        per_channel: Whether each output channel's weights have a scale of their own.
        between: Which operations other than convolutions become INT8: ``everything``
            that has a kernel, or those ``surrounded`` by INT8 layers.
    """

    float_layers: frozenset[str] = frozenset()
    method: str = "minmax"
    per_channel: bool = True
    between: str = "surrounded"


class OnnxQuantizer:
    """Quantizes one ONNX file in several ways; activations are measured only once.

    Args:
        path: A file of ``export_onnx`` in float, candidates or with NMS.
        images: What the network is fed: ``(1, 3, H, W)`` float32 each.

    Attributes:
        model: The graph that is quantized, cleaned for it.
        layers: Its convolutions.

    Raises:
        OptionError: onnxruntime is not installed, the file has no convolution in
            float, or there is no image.
    """

    def __init__(self, path: str | os.PathLike, images: Sequence[np.ndarray]):
        if not len(images):
            raise OptionError("There are no pictures to calibrate with; pass --images.")
        onnx = import_library("onnx", "onnx")
        self._library = import_library("onnxruntime.quantization", "onnx")
        self._images = list(images)
        original = onnx.load(str(path))
        self._metadata = {one.key: one.value for one in original.metadata_props}
        self.layers = conv_layers(original)
        self.model = _prepared(original)
        self._work = tempfile.TemporaryDirectory()

    def nodes(self, settings: OnnxInt8) -> list[str]:
        """Name the nodes that become INT8."""
        unknown = settings.float_layers - {one.name for one in self.layers}
        if unknown:
            name = sorted(unknown)[0]
            raise OptionError(f"There is no layer {name} to keep in float.")
        convs = {n.node for n in self.layers if n.name not in settings.float_layers}
        if settings.between == "everything":
            inside = network_nodes(self.model)
            others = {
                node.name
                for node in self.model.graph.node
                if node.name in inside and node.op_type in EVERYTHING
            }
        else:
            others = surrounded_nodes(self.model, convs, BETWEEN)
        wanted = convs | others
        return [node.name for node in self.model.graph.node if node.name in wanted]

    def quantize(self, settings: OnnxInt8, path: str | os.PathLike) -> Path:
        """Write an INT8 file, with the description of the one in float.

        Args:
            settings: What becomes INT8, and how.
            path: An ``.onnx`` file.

        Raises:
            OptionError: A setting or the path is not possible.
        """
        library = self._library
        if settings.method not in METHODS:
            raise OptionError(
                f"--calibration {settings.method} is unknown: choose among "
                f"{', '.join(METHODS)}."
            )
        nodes = self.nodes(settings)
        if not nodes:
            # ONNX Runtime takes an empty list for all.
            raise OptionError(
                "Every layer is to stay in float, so there is nothing to quantize; "
                "name fewer with --float."
            )
        options = {}
        if settings.method != "minmax":
            # Histograms are added up picture by picture, not kept for all at once.
            options["CalibStridedMinMax"] = 1
        cache = {}
        if "calibration_cache_path" in signature(library.quantize_static).parameters:
            # Calibrating once for all settings; ONNX Runtime 1.23 does it anew.
            cache["calibration_cache_path"] = Path(self._work.name) / settings.method
        with finished_model(path, ".onnx") as scratch, _quiet():
            library.quantize_static(
                copy.deepcopy(self.model),
                scratch,
                _Reader(self._images, self.model.graph.input[0].name),
                quant_format=library.QuantFormat.QDQ,
                # Always all kinds: the ranges are kept for other settings.
                op_types_to_quantize=["Conv", *EVERYTHING],
                nodes_to_quantize=nodes,
                per_channel=settings.per_channel,
                # AVX-VNNI multiplies unsigned activations with signed weights.
                activation_type=library.QuantType.QUInt8,
                weight_type=library.QuantType.QInt8,
                calibrate_method=library.CalibrationMethod[METHODS[settings.method]],
                extra_options=options,
                **cache,
            )
            self._describe(scratch)
        return Path(path)

    def _describe(self, path: Path) -> None:
        import onnx

        model = onnx.load(str(path))
        del model.metadata_props[:]
        if METADATA_KEY in self._metadata:
            entry = model.metadata_props.add()
            entry.key, entry.value = METADATA_KEY, self._metadata[METADATA_KEY]
        onnx.checker.check_model(model)
        onnx.save_model(model, str(path))


class _Reader:
    """Calibration images as onnxruntime wants them."""

    def __init__(self, images: Sequence[np.ndarray], name: str):
        self._images, self._name = images, name
        self._rest: Iterator[np.ndarray] = iter(images)

    def get_next(self) -> dict[str, np.ndarray] | None:
        image = next(self._rest, None)
        return None if image is None else {self._name: image}

    def __len__(self) -> int:
        return len(self._images)

    def set_range(self, start_index: int, end_index: int) -> None:
        self._rest = iter(self._images[start_index:end_index])

    def __iter__(self) -> _Reader:
        return self

    def __next__(self) -> dict[str, np.ndarray]:
        found = self.get_next()
        if found is None:
            raise StopIteration
        return found


def _prepared(model: onnx.ModelProto) -> onnx.ModelProto:
    """Return a copy with shapes: calibration and Resize need them."""
    import onnx

    prepared = onnx.shape_inference.infer_shapes(copy.deepcopy(model))
    del prepared.metadata_props[:]
    return prepared


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Silence onnxruntime: its advice to preprocess, and a line for each picture."""
    root = logging.getLogger()
    level = root.level
    root.setLevel(logging.ERROR)
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            yield
    finally:
        root.setLevel(level)
