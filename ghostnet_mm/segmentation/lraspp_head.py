"""LR-ASPP for maps of any size."""

from typing import Any

from mmseg.models.decode_heads import LRASPPHead
from mmseg.registry import MODELS
from torch import nn


@MODELS.register_module()
class PooledLRASPPHead(LRASPPHead):
    """mmseg's ``LRASPPHead`` with one attention vector for the whole map.

    mmseg pools windows of 49 x 49 cells, which a 512 px crop at output stride 16 does
    not have, nor a long narrow picture at any stride. Global pooling is the limit of
    that window and what torchvision's LR-ASPP does. Parameter names are mmseg's.
    """

    image_pool: nn.Sequential

    def __init__(self, *args: Any, **kwargs: Any):
        super().__init__(*args, **kwargs)
        self.image_pool[0] = nn.AdaptiveAvgPool2d(1)
