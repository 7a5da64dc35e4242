"""GhostNetV2."""

from mmdet.registry import MODELS

from .ghostnet import GhostStages


@MODELS.register_module()
class GhostNetV2(GhostStages):
    """GhostNetV2: enhance cheap operation with long-range attention (NeurIPS 2022).

    GhostNet with DFC attention in the first ghost module of every bottleneck but the
    first two. Channels and taps are those of :class:`GhostNet`; see
    :class:`GhostStages` for the arguments.
    """

    attention = True
