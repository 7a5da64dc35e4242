"""Runs exported Ghost detectors without PyTorch, mmcv or mmdet.

from ghostnet_runtime import Detector

found = Detector("detector.onnx")("street.jpg")
"""

from importlib import import_module
from typing import TYPE_CHECKING

from .errors import DataError, ModelError, OptionError, UserError
from .version import __version__

if TYPE_CHECKING:
    from .detections import Detections
    from .detector import Detector

__all__ = [
    "DataError",
    "Detections",
    "Detector",
    "ModelError",
    "OptionError",
    "UserError",
    "__version__",
]


# Loaded when asked for, so that the command can tell in one sentence that OpenCV does
# not load.
LATER = {"Detections": ".detections", "Detector": ".detector"}


def __getattr__(name: str) -> object:
    if name in LATER:
        value: object = getattr(import_module(LATER[name], __name__), name)
        return value
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
