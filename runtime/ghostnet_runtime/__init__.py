"""Runs exported Ghost detectors without PyTorch, mmcv or mmdet.

import cv2
from ghostnet_runtime import Detector

found = Detector("detector.onnx")(cv2.imread("street.jpg"))
"""

from typing import TYPE_CHECKING, Any

from .errors import DataError, ModelError, OptionError, UserError
from .version import __version__

if TYPE_CHECKING:
    from .detector import Detections, Detector

__all__ = [
    "DataError",
    "Detections",
    "Detector",
    "ModelError",
    "OptionError",
    "UserError",
    "__version__",
]


def __getattr__(name: str) -> Any:
    # Later, so that the command can tell in one sentence that OpenCV does not load.
    if name in ("Detections", "Detector"):
        from . import detector

        return getattr(detector, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
