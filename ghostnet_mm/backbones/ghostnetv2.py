"""GhostNetV2."""

from mmdet.registry import MODELS

from .ghostnet import GhostNet


@MODELS.register_module()
class GhostNetV2(GhostNet):
    """GhostNetV2: enhance cheap operation with long-range attention (NeurIPS 2022).

    GhostNet with DFC attention in the first ghost module of every bottleneck but the
    first two. Arguments, channels and taps are those of :class:`GhostNet`.
    """

    attention = True
