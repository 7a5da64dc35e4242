"""INT8 for ncnn, whose packages of pip bring no program for it.

The files have the format of ncnn's own ``ncnn2int8``: convolutions in INT8 with a scale
for each output channel, everything between them in float.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
from ghostnet_runtime.description import read_description
from ghostnet_runtime.description_text import find_description

from ...errors import OptionError
from ...export.formats.libraries import import_library
from ...export.model_files import (
    copy_model,
    finished_model,
    write_description,
)
from ..onnx_layers import conv_layers
from .ncnn_files import (
    CONVOLUTIONS,
    ConvKey,
    NcnnLayer,
    conv_weights,
    read_layers,
    with_int8,
    write_layers,
)
from .quantizer import PathLike, Quantizer

METHODS = ("minmax", "percentile")
LARGEST = 127
# Winograd's transform of 3x3 kernels adds up weights: ncnn gives it six bits.
LARGEST_OF_WINOGRAD = 31
BINS = 4096
PERCENTILE = 0.9999
# Of weights that went through another exporter, of the largest.
SAME = 1e-5
# Ranges below it count as 0: their scales would be infinite.
TINY = 1e-30


class NcnnQuantizer(Quantizer):
    """Writes for ncnn.

    The range of an input is its largest value, or what 99.99 % of its values are
    within. Convolutions with groups of several channels stay in float: ncnn computes
    them wrongly in INT8.

    Args:
        source: The network in ONNX, which has the names of the layers; the file of
            `NcnnFormat` in float, which pnnx makes of PyTorch, lies beside it.
        images: What the network is fed: ``(1, 3, H, W)`` float32 each.

    Raises:
        OptionError: ncnn is not installed, a file is not in float or not known here,
            or there is no image.
    """

    suffix = ".ncnn.param"
    methods = METHODS
    caveat = (
        "ncnn's INT8 files are unverified on ARM, which they are for: they were only "
        "ever run on x86."
    )

    def __init__(self, source: PathLike, images: Sequence[np.ndarray]):
        super().__init__(source, images)
        onnx = import_library("onnx", "onnx")
        self._path = self.source.with_suffix(self.suffix)
        self._all = read_layers(self._path)
        model = onnx.load(str(source))
        arrays = {
            tensor.name: onnx.numpy_helper.to_array(tensor)
            for tensor in model.graph.initializer
        }
        nodes = {node.name: node for node in model.graph.node}
        layers = conv_layers(model)
        known = {layer.name: arrays[nodes[layer.node].input[1]] for layer in layers}
        self._names = {
            layer.name: _name_of(conv_weights(layer).weight, known, layer.name)
            for layer in self._all
            if layer.kind in CONVOLUTIONS and _has_int8(layer)
        }
        usable = set(self._names.values())
        self.layers = [layer for layer in layers if layer.name in usable]
        self._always_float = set(known) - usable
        self._ranges: dict[str, Mapping[str, float]] = {}

    def write_float(self, path: Path) -> Path:
        """Copy the file in float."""
        return copy_model(self._path, path)

    def write_int8(
        self,
        path: PathLike,
        float_layers: Collection[str] = (),
        method: str = METHODS[0],
    ) -> Path:
        """Write INT8 with some layers in float."""
        float_layers = set(float_layers) - self._always_float
        self.check(float_layers, method)
        ranges = self._measured(method)
        chosen = {own for own, name in self._names.items() if name not in float_layers}
        layers = [
            _quantized(layer, ranges[layer.inputs[0]])
            if layer.name in chosen
            else layer
            for layer in self._all
        ]
        with finished_model(path, self.suffix) as scratch:
            write_layers(self._path, layers, scratch)
            description = read_description(*find_description(self._path))
            write_description(description, scratch)
        return Path(path)

    def _measured(self, method: str) -> Mapping[str, float]:
        if not self._ranges:
            chosen = [layer for layer in self._all if layer.name in self._names]
            blobs = [layer.inputs[0] for layer in chosen]
            self._ranges = input_ranges(self._path, blobs, self.images)
        return self._ranges[method]


def input_ranges(
    path: Path, blobs: Sequence[str], images: Sequence[np.ndarray]
) -> dict[str, Mapping[str, float]]:
    """Measure how large the values of blobs become.

    Args:
        path: A ``.ncnn.param`` file in float.
        blobs: Names.
        images: What the network is fed: ``(1, 3, H, W)`` float32 each.

    Returns:
        By method, the range of each blob; 0 where all values are.
    """
    largest = dict.fromkeys(blobs, 0.0)
    for name, values in _blob_values(path, largest, images):
        largest[name] = max(largest[name], float(values.max(initial=0)))
    largest = {name: peak if peak > TINY else 0.0 for name, peak in largest.items()}
    counts = {name: np.zeros(BINS, dtype=np.int64) for name in largest}
    for name, values in _blob_values(path, largest, images):
        # np.histogram takes many times as long.
        steps = values.ravel() * ((BINS - 1) / (largest[name] or 1))
        counts[name] += np.bincount(steps.astype(np.int64), minlength=BINS)
    percentiles = {}
    for name, bins in counts.items():
        last = np.searchsorted(np.cumsum(bins), PERCENTILE * bins.sum())
        percentiles[name] = largest[name] * min((int(last) + 1) / (BINS - 1), 1.0)
    return dict(zip(METHODS, (largest, percentiles), strict=True))


def _blob_values(
    path: Path, blobs: Mapping[str, object], images: Sequence[np.ndarray]
) -> Iterator[tuple[str, np.ndarray]]:
    """Run a file and give the absolute values of blobs, image by image."""
    ncnn = import_library("ncnn", "ncnn")
    net = ncnn.Net()
    # Otherwise a blob is gone once it was read.
    net.opt.lightmode = False
    net.opt.num_threads = 1  # pictures are small: more of them wait for each other
    for part in ("packed", "storage", "arithmetic"):
        setattr(net.opt, f"use_fp16_{part}", False)
    if net.load_param(str(path)) or net.load_model(str(path.with_suffix(".bin"))):
        raise OptionError(f"ncnn cannot read {path.name}; export the detector anew.")
    for image in images:
        extractor = net.create_extractor()
        for name in net.input_names():
            extractor.input(name, ncnn.Mat(image[0]).clone())
        for name in blobs:
            failed, values = extractor.extract(name)
            if failed:
                raise OptionError(
                    f"ncnn cannot compute {path.name} (code {failed}); export the "
                    "detector anew."
                )
            values = np.abs(np.array(values))
            if not np.isfinite(values).all():
                raise OptionError(
                    f"The detector computes values that are not finite (blob {name}); "
                    "INT8 has no range for them, so train it anew."
                )
            yield name, values


def _quantized(layer: NcnnLayer, largest_input: float) -> NcnnLayer:
    weight = conv_weights(layer).weight
    limit = LARGEST_OF_WINOGRAD if _suits_winograd(layer, weight) else LARGEST
    largest = np.abs(weight).max(axis=(1, 2, 3))
    scales = limit / np.where(largest > TINY, largest, limit)
    values = np.round(weight * scales[:, None, None, None])
    return with_int8(layer, values, scales, LARGEST / (largest_input or LARGEST))


def _suits_winograd(layer: NcnnLayer, weight: np.ndarray) -> bool:
    steps = [layer.number(key, 1) for key in (ConvKey.STRIDE, ConvKey.DILATION)]
    return (
        layer.kind == "Convolution" and weight.shape[2:] == (3, 3) and steps == [1, 1]
    )


def _has_int8(layer: NcnnLayer) -> bool:
    """Whether a convolution is depthwise, or has no groups."""
    weight = conv_weights(layer).weight
    groups = layer.number(ConvKey.GROUPS, 1)
    return groups == 1 or (groups == len(weight) and weight.shape[1] == 1)


def _name_of(weight: np.ndarray, known: Mapping[str, np.ndarray], own: str) -> str:
    """Find a layer by its weights: pnnx gives layers names of its own."""
    for name, other in known.items():
        if other.shape == weight.shape:
            gap = np.abs(other - weight).max()
            if gap <= SAME * np.abs(other).max():
                return name
    raise OptionError(
        f"The weights of the layer {own} of the ncnn file are not in the ONNX file; "
        "export both from one detector."
    )
