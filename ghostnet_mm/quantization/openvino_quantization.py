"""INT8 for OpenVINO: NNCF's post-training quantization with chosen layers in float."""

from __future__ import annotations

import contextlib
import io
import logging
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from ghostnet_runtime.description_text import METADATA_KEY

from ..errors import OptionError
from ..export.formats.libraries import import_library
from ..export.model_files import finished_model
from .onnx_layers import conv_layers, network_nodes

# OpenVINO splits a convolution with a bias in two.
WITHOUT_BIAS = "/WithoutBiases"
RANGES = ("minmax", "percentile")
LOW, HIGH = 1e-4, 1 - 1e-4


@dataclass(frozen=True)
class OpenvinoInt8:
    """How NNCF quantizes.

    Attributes:
        float_layers: Names of the convolutions that stay in float.
        method: ``minmax``, averaged over pictures as NNCF does, or ``percentile``.
        mixed: Unsigned activations may have a zero point (NNCF's ``MIXED`` preset).
        float_kinds: OpenVINO's operation types that stay in float.
    """

    float_layers: frozenset[str] = frozenset()
    method: str = "minmax"
    mixed: bool = False
    float_kinds: tuple[str, ...] = ()


class OpenvinoQuantizer:
    """Quantizes one exported ONNX file for OpenVINO in several ways.

    Args:
        path: A file of ``export_onnx`` in float.
        images: What the network is fed: ``(1, 3, H, W)`` float32 each.

    Raises:
        OptionError: A library is not installed, the file has no convolution in float,
            or there is no image.
    """

    def __init__(self, path: str | os.PathLike, images: Sequence[np.ndarray]):
        if not len(images):
            raise OptionError("There are no pictures to calibrate with; pass --images.")
        onnx = import_library("onnx", "onnx")
        self._openvino = import_library("openvino", "openvino")
        self._nncf = import_library("nncf", "quantization")
        self._images = list(images)
        self._path = Path(path)
        model = onnx.load(str(path))
        self.layers = conv_layers(model)
        network = network_nodes(model)
        self._decoding = {n.name for n in model.graph.node if n.name not in network}
        self._metadata = {one.key: one.value for one in model.metadata_props}

    def quantize(self, settings: OpenvinoInt8, path: str | os.PathLike) -> Path:
        """Write an INT8 file, with the description of the one in float.

        Args:
            settings: What becomes INT8, and how.
            path: An ``.xml`` file; the weights go beside it.

        Raises:
            OptionError: A setting or the path is not possible.
        """
        nncf = self._nncf
        if settings.method not in RANGES:
            raise OptionError(
                f"--calibration {settings.method} is not NNCF's: choose among "
                f"{', '.join(RANGES)} for OpenVINO."
            )
        unknown = settings.float_layers - {one.name for one in self.layers}
        if unknown:
            name = sorted(unknown)[0]
            raise OptionError(f"There is no layer {name} to keep in float.")
        with finished_model(path, ".xml") as scratch, _quiet():
            model = self._openvino.convert_model(str(self._path))
            found = {op.get_friendly_name(): op for op in model.get_ordered_ops()}
            names = set(self._decoding)
            for layer in self.layers:
                if layer.name in settings.float_layers:
                    names |= {layer.node, f"{layer.node}{WITHOUT_BIAS}"}
            quantized = nncf.quantize(
                model,
                nncf.Dataset(self._images),
                subset_size=len(self._images),
                preset=(
                    nncf.QuantizationPreset.MIXED
                    if settings.mixed
                    else nncf.QuantizationPreset.PERFORMANCE
                ),
                target_device=nncf.TargetDevice.CPU,
                ignored_scope=nncf.IgnoredScope(
                    names=sorted(names & set(found)),
                    types=list(settings.float_kinds),
                    validate=False,
                ),
                advanced_parameters=_ranges(settings.method),
            )
            text = self._metadata.get(METADATA_KEY)
            if text is not None:
                quantized.set_rt_info(text, [METADATA_KEY])
            self._openvino.save_model(quantized, str(scratch), compress_to_fp16=False)
        return Path(path)


def _ranges(method: str) -> object | None:
    if method == "minmax":
        return None
    from nncf.quantization.advanced_parameters import AdvancedQuantizationParameters
    from nncf.quantization.range_estimator import (
        AggregatorType,
        RangeEstimatorParameters,
        StatisticsCollectorParameters,
        StatisticsType,
    )

    low, high = (
        StatisticsCollectorParameters(
            statistics_type=StatisticsType.QUANTILE,
            aggregator_type=AggregatorType.MEAN,
            quantile_outlier_prob=probability,
        )
        for probability in (LOW, 1 - HIGH)
    )
    return AdvancedQuantizationParameters(
        activations_range_estimator_params=RangeEstimatorParameters(low, high)
    )


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Silence NNCF: its account of its steps, and its progress bars."""
    logger = logging.getLogger("nncf")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            yield
    finally:
        logger.setLevel(level)
