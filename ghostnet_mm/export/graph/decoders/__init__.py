"""One decoder per kind of head: from its maps to boxes and scores."""

from torch import nn

from .anchors import AnchorDecoder
from .base import Decoder
from .centernet import CenterNetDecoder
from .points import DistributionDecoder, MaskKernelDecoder, PointDecoder
from .yolov3 import YOLOv3Decoder
from .yolox import YOLOXDecoder

__all__ = ["Decoder", "decoder_for"]

DECODERS: tuple[type[Decoder], ...] = (
    AnchorDecoder,
    PointDecoder,
    DistributionDecoder,
    YOLOXDecoder,
    YOLOv3Decoder,
    CenterNetDecoder,
    MaskKernelDecoder,
)


def decoder_for(head: nn.Module) -> Decoder | None:
    """Return the decoder of a head, or None where there is none."""
    for kind in DECODERS:
        if kind.fits(head):
            return kind(head)
    return None
