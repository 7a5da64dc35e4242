"""The runtimes of ``ghostnet quantize``."""

from __future__ import annotations

from collections.abc import Sequence

from ...errors import OptionError
from ...export.formats.libraries import import_library
from .ncnn_quantizer import NcnnQuantizer
from .onnx_quantizer import OnnxQuantizer
from .openvino_quantizer import OpenvinoQuantizer
from .quantizer import Quantizer

NCNN = "ncnn"
QUANTIZERS: dict[str, type[Quantizer]] = {
    "onnxruntime": OnnxQuantizer,
    "openvino": OpenvinoQuantizer,
    NCNN: NcnnQuantizer,
}
DEFAULT_RUNTIMES = ("onnxruntime", "openvino")
# Modules and the extras that bring them. Blocks are ranked in ONNX Runtime for all.
LIBRARIES = {
    "onnxruntime": {"onnxruntime.quantization": "onnx"},
    "openvino": {"openvino": "openvino", "nncf": "quantization"},
    NCNN: {"ncnn": "ncnn", "pnnx": "ncnn"},
}


def usable_methods(runtime: str, wanted: Sequence[str]) -> tuple[str, ...]:
    """Return those ways to choose ranges that a runtime has, or else its own default.

    Raises:
        OptionError: No runtime has one of that name.
    """
    for name in wanted:
        if name not in OnnxQuantizer.methods:
            raise OptionError(
                f"--calibration {name} is unknown: choose among "
                f"{', '.join(OnnxQuantizer.methods)}."
            )
    own = QUANTIZERS[runtime].methods
    return tuple(name for name in wanted if name in own) or own[:1]


def check_runtimes(names: Sequence[str]) -> None:
    """Refuse runtimes that are unknown or cannot quantize here.

    Raises:
        OptionError: Says what is missing.
    """
    for name in names:
        if name not in QUANTIZERS:
            raise OptionError(
                f"--runtimes {name} is unknown: choose among {', '.join(QUANTIZERS)}."
            )
    for name in ("onnxruntime", *names):
        for module, extra in LIBRARIES[name].items():
            import_library(module, extra)
