"""INT8 for ncnn, whose packages of pip bring no program for it.

The files have the format of ncnn's own ``ncnn2int8``: convolutions in INT8 with a scale
for each output channel, everything between them in float.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from ghostnet_runtime.description import read_description
from ghostnet_runtime.description_text import find_description

from ..errors import OptionError
from ..export.formats.libraries import import_library
from ..export.model_files import finished_model, write_description
from .ncnn_files import (
    CONVOLUTIONS,
    ConvKey,
    NcnnLayer,
    conv_weights,
    read_layers,
    with_int8,
    write_layers,
)
from .onnx_layers import conv_layers

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


@dataclass(frozen=True)
class NcnnInt8:
    """How an ncnn file is quantized.

    Attributes:
        float_layers: Names of the convolutions that stay in float.
        method: One of `METHODS`: the range of an input is its largest value, or what
            99.99 % of its values are within.
    """

    float_layers: frozenset[str] = frozenset()
    method: str = METHODS[0]


class NcnnQuantizer:
    """Quantizes one ncnn file in several ways; activations are measured only once.

    Args:
        path: A ``.ncnn.param`` file of ``export_ncnn`` in float.
        source: The same network in ONNX, which has the names of the layers.
        images: What the network is fed: ``(1, 3, H, W)`` float32 each.

    Attributes:
        layers: The convolutions that can be in INT8, as in ONNX: not those with groups
            of several channels, which ncnn computes wrongly.

    Raises:
        OptionError: ncnn is not installed, a file is not in float or not known here,
            or there is no image.
    """

    def __init__(
        self,
        path: str | os.PathLike,
        source: str | os.PathLike,
        images: Sequence[np.ndarray],
    ):
        if not len(images):
            raise OptionError("There are no pictures to calibrate with; pass --images.")
        onnx = import_library("onnx", "onnx")
        self._path, self._images = Path(path), images
        self._all = read_layers(path)
        model = onnx.load(str(source))
        self.layers = conv_layers(model)
        arrays = {
            one.name: onnx.numpy_helper.to_array(one) for one in model.graph.initializer
        }
        nodes = {node.name: node for node in model.graph.node}
        known = {one.name: arrays[nodes[one.node].input[1]] for one in self.layers}
        self._names = {
            one.name: _name_of(conv_weights(one).weight, known, one.name)
            for one in self._all
            if one.kind in CONVOLUTIONS and _has_int8(one)
        }
        self._known = frozenset(known)
        usable = set(self._names.values())
        self.layers = [one for one in self.layers if one.name in usable]
        self._ranges: dict[str, Mapping[str, float]] = {}

    def quantize(self, settings: NcnnInt8, path: str | os.PathLike) -> Path:
        """Write an INT8 file, with the description of the one in float.

        Args:
            settings: What becomes INT8, and how.
            path: The ``.ncnn.param`` file; its weights go beside it.

        Raises:
            OptionError: A setting or the path is not possible.
        """
        if settings.method not in METHODS:
            raise OptionError(
                f"--calibration {settings.method} is not possible for ncnn: choose "
                f"among {', '.join(METHODS)}."
            )
        unknown = settings.float_layers - self._known
        if unknown:
            raise OptionError(f"There is no layer {min(unknown)} to keep in float.")
        chosen = {
            name
            for name, known in self._names.items()
            if known not in settings.float_layers
        }
        if not chosen:
            raise OptionError(
                "Every layer is to stay in float, so there is nothing to quantize; "
                "name fewer with --float."
            )
        ranges = self._measured(settings.method)
        layers = [
            _quantized(one, ranges[one.inputs[0]]) if one.name in chosen else one
            for one in self._all
        ]
        with finished_model(path, ".ncnn.param") as scratch:
            write_layers(self._path, layers, scratch)
            description = read_description(*find_description(self._path))
            write_description(description, scratch)
        return Path(path)

    def _measured(self, method: str) -> Mapping[str, float]:
        if not self._ranges:
            blobs = [one.inputs[0] for one in self._all if one.name in self._names]
            self._ranges = input_ranges(self._path, blobs, self._images)
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
    largest = {name: one if one > TINY else 0.0 for name, one in largest.items()}
    counts = {name: np.zeros(BINS, dtype=np.int64) for name in largest}
    for name, values in _blob_values(path, largest, images):
        # np.histogram takes many times as long.
        steps = values.ravel() * ((BINS - 1) / (largest[name] or 1))
        counts[name] += np.bincount(steps.astype(np.int64), minlength=BINS)
    percentiles = {}
    for name, one in counts.items():
        last = np.searchsorted(np.cumsum(one), PERCENTILE * one.sum())
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
