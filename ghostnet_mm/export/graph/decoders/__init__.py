"""One decoder per kind of head: from its maps to boxes and scores."""

from mmdet.models.detectors import BaseDetector

from .anchors import AnchorDecoder
from .base import Decoder, View
from .centernet import CenterNetDecoder
from .points import DistributionDecoder, MaskKernelDecoder, PointDecoder
from .two_stage import TwoStageDecoder
from .yolov3 import YOLOv3Decoder
from .yolox import YOLOXDecoder

__all__ = ["Decoder", "View", "decoder_of"]

DECODERS: tuple[type[Decoder], ...] = (
    AnchorDecoder,
    PointDecoder,
    DistributionDecoder,
    YOLOXDecoder,
    YOLOv3Decoder,
    CenterNetDecoder,
    MaskKernelDecoder,
    TwoStageDecoder,
)


def decoder_of(model: BaseDetector) -> type[Decoder] | None:
    """Return what decodes a detector, or None where nothing does."""
    return next((kind for kind in DECODERS if kind.fits(model)), None)
