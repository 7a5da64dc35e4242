"""INT8 for OpenVINO: NNCF's post-training quantization with chosen layers in float."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path

import numpy as np
from ghostnet_runtime.description_text import METADATA_KEY

from ...export.formats.libraries import import_library
from ...export.formats.openvino import openvino_from_onnx
from ...export.model_files import finished_model
from ..onnx_layers import conv_layers, network_nodes
from .quantizer import PathLike, Quantizer, quiet

# OpenVINO splits a convolution with a bias in two.
WITHOUT_BIAS = "/WithoutBiases"
OUTLIERS = 1e-4


class OpenvinoQuantizer(Quantizer):
    """Writes for OpenVINO; NNCF's weights have a scale for each channel anyway.

    Its ``minmax`` is averaged over pictures, as NNCF does.
    """

    suffix = ".xml"
    methods = ("minmax", "percentile")
    half_precision = "bf16"

    def __init__(self, source: PathLike, images: Sequence[np.ndarray]):
        super().__init__(source, images)
        onnx = import_library("onnx", "onnx")
        self._openvino = import_library("openvino", "openvino")
        self._nncf = import_library("nncf", "quantization")
        model = onnx.load(str(source))
        self.layers = conv_layers(model)
        network = network_nodes(model)
        self._decoding = {n.name for n in model.graph.node if n.name not in network}
        self._metadata = {entry.key: entry.value for entry in model.metadata_props}

    def write_float(self, path: Path) -> Path:
        """Convert the file in float."""
        return openvino_from_onnx(self.source, path)

    def write_int8(
        self,
        path: PathLike,
        float_layers: Collection[str] = (),
        method: str = "minmax",
    ) -> Path:
        """Write INT8 with some layers in float; decoding stays in float."""
        self.check(float_layers, method)
        nncf = self._nncf
        with finished_model(path, self.suffix) as scratch, quiet("nncf"):
            model = self._openvino.convert_model(str(self.source))
            found = {op.get_friendly_name() for op in model.get_ordered_ops()}
            names = set(self._decoding)
            for layer in self.layers:
                if layer.name in float_layers:
                    names |= {layer.node, f"{layer.node}{WITHOUT_BIAS}"}
            quantized = nncf.quantize(
                model,
                nncf.Dataset(self.images),
                subset_size=len(self.images),
                preset=nncf.QuantizationPreset.PERFORMANCE,
                target_device=nncf.TargetDevice.CPU,
                ignored_scope=nncf.IgnoredScope(
                    names=sorted(names & found), validate=False
                ),
                advanced_parameters=_ranges(method),
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
        for probability in (OUTLIERS, OUTLIERS)
    )
    return AdvancedQuantizationParameters(
        activations_range_estimator_params=RangeEstimatorParameters(low, high)
    )
