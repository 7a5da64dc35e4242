"""RTMDet's head whose boxes have a size from the first step on."""

import math
from typing import Any

from mmdet.models.dense_heads import RTMDetSepBNHead
from mmdet.registry import MODELS

from ..errors import OptionError


@MODELS.register_module()
class MobileRTMDetHead(RTMDetSepBNHead):
    """mmdet's ``RTMDetSepBNHead`` that starts with boxes of several strides.

    mmdet's small RTMDets start with empty boxes, the large ones with 2 x 2 strides.
    The quality focal loss asks classification for the overlap of those boxes, so that
    at first hardly anything is learned: invisible in 300 epochs, decisive in three
    (docs/comparisons.md). Everything but the initial bias of the box layer is mmdet's.

    Args:
        num_classes: Number of classes, the background not counted.
        in_channels: Channels of the input maps.
        initial_distance: From a prior to each side of its first box, in strides.
        exp_on_reg: Distances are exponentials, as in mmdet's large RTMDets.
        **others: Those of ``RTMDetSepBNHead``.

    Raises:
        OptionError: ``initial_distance`` is not positive.

    Source: RTMDet (arXiv 2212.07784).
    """

    def __init__(
        self,
        num_classes: int,
        in_channels: int,
        initial_distance: float = 2.0,
        exp_on_reg: bool = True,
        **others: Any,
    ):
        if initial_distance <= 0:
            raise OptionError(
                f"initial_distance={initial_distance} is not possible: the first boxes "
                f"need a size above 0, in strides."
            )
        super().__init__(num_classes, in_channels, exp_on_reg=exp_on_reg, **others)
        self.initial_distance = initial_distance

    def init_weights(self) -> None:
        """Initialize as mmdet does, then set the size of the first boxes."""
        super().init_weights()
        start = self.initial_distance
        for layer in self.rtm_reg:
            layer.bias.data.fill_(math.log(start) if self.exp_on_reg else start)
