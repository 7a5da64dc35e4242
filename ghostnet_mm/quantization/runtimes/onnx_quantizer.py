"""INT8 for ONNX Runtime: QuantizeLinear and DequantizeLinear around chosen nodes."""

from __future__ import annotations

import copy
import shutil
import tempfile
from collections.abc import Collection, Iterator, Sequence
from inspect import signature
from pathlib import Path
from typing import Any

import numpy as np
from ghostnet_runtime.description_text import METADATA_KEY

from ...export.formats.libraries import import_library
from ...export.model_files import finished_model
from ...measuring.machine import has_vnni
from ..onnx_layers import conv_layers, network_nodes, surrounded_nodes
from .quantizer import PathLike, Quantizer, quiet

# How the range of an activation is chosen; values of onnxruntime's CalibrationMethod.
METHODS = {"minmax": "MinMax", "percentile": "Percentile", "entropy": "Entropy"}
# Operations between convolutions that have INT8 kernels.
BETWEEN = ("Add", "Concat", "Relu", "Resize", "MaxPool")
EVERYTHING = (*BETWEEN, "Mul", "Slice", "Split", "Clip", "HardSigmoid", "ReduceMean")


class OnnxQuantizer(Quantizer):
    """Writes for ONNX Runtime.

    In the file, layers in float are plain convolutions. ONNX Runtime 1.31 still
    computes one in INT8, with one scale for its weights, where an INT8 layer is all
    that feeds it and all that reads it (its ``WeightBiasQuantization``); profiles by
    ``kernel_times`` show it.

    Args:
        source: A file of `OnnxFormat` in float, candidates or with NMS.
        images: What the network is fed: ``(1, 3, H, W)`` float32 each.

    Attributes:
        model: The graph that is quantized, cleaned for it.
    """

    suffix = ".onnx"
    methods = tuple(METHODS)
    # The scales of weights are per tensor unless asked for.
    plain_steps = ("plain", "per-channel weights")

    def __init__(self, source: PathLike, images: Sequence[np.ndarray]):
        super().__init__(source, images)
        onnx = import_library("onnx", "onnx")
        self._library = import_library("onnxruntime.quantization", "onnx")
        original = onnx.load(str(source))
        self._metadata = {entry.key: entry.value for entry in original.metadata_props}
        self.layers = conv_layers(original)
        # With shapes: calibration and Resize need them.
        self.model = onnx.shape_inference.infer_shapes(original)
        del self.model.metadata_props[:]
        self._work = tempfile.TemporaryDirectory()

    def write_float(self, path: Path) -> Path:
        """Copy the file in float."""
        return Path(shutil.copyfile(self.source, path))

    def write_plain(self, path: PathLike, step: str, method: str) -> Path:
        """Write everything in INT8 that has a kernel."""
        self.check((), method)
        per_channel = step != self.plain_steps[0]
        return self._write(path, self.plain_nodes(), method, per_channel)

    def write_int8(
        self,
        path: PathLike,
        float_layers: Collection[str] = (),
        method: str = "minmax",
    ) -> Path:
        """Write INT8 with some layers in float, and no lone operation in INT8."""
        self.check(float_layers, method)
        return self._write(path, self.nodes(float_layers), method, per_channel=True)

    def plain_nodes(self) -> set[str]:
        """Name all nodes of the network that have a kernel in INT8."""
        inside = network_nodes(self.model)
        others = {
            node.name
            for node in self.model.graph.node
            if node.name in inside and node.op_type in EVERYTHING
        }
        return others | {layer.node for layer in self.layers}

    def nodes(self, float_layers: Collection[str]) -> set[str]:
        """Name INT8 convolutions, and what only they feed and read."""
        layers = [layer for layer in self.layers if layer.name not in float_layers]
        convs = {layer.node for layer in layers}
        return convs | surrounded_nodes(self.model, convs, BETWEEN)

    def _write(
        self, path: PathLike, nodes: Collection[str], method: str, per_channel: bool
    ) -> Path:
        library = self._library
        options: dict[str, Any] = {}
        if method != "minmax":
            # Histograms are added up picture by picture, not kept for all at once.
            options["extra_options"] = {"CalibStridedMinMax": 1}
        if "calibration_cache_path" in signature(library.quantize_static).parameters:
            # Calibrating once for all settings; ONNX Runtime 1.23 does it anew.
            options["calibration_cache_path"] = Path(self._work.name) / method
        with finished_model(path, self.suffix) as scratch, quiet(None):
            library.quantize_static(
                copy.deepcopy(self.model),
                scratch,
                _Reader(self.images, self.model.graph.input[0].name),
                quant_format=library.QuantFormat.QDQ,
                # Always all kinds: the ranges are kept for other settings.
                op_types_to_quantize=["Conv", *EVERYTHING],
                nodes_to_quantize=sorted(nodes),
                per_channel=per_channel,
                activation_type=library.QuantType.QUInt8,
                # VNNI multiplies unsigned with signed; what lacks it would saturate.
                weight_type=library.QuantType.QInt8
                if has_vnni()
                else library.QuantType.QUInt8,
                calibrate_method=library.CalibrationMethod[METHODS[method]],
                **options,
            )
            self._describe(scratch)
        return Path(path)

    def _describe(self, path: Path) -> None:
        onnx = import_library("onnx", "onnx")
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
