"""Multi-scale Ghost backbones, registered in ``mmdet.registry.MODELS``."""

from .gghost_regnet import GGhostRegNet
from .ghost_resnet import GhostResNet
from .ghostnet import GhostNet
from .ghostnetv2 import GhostNetV2
from .ghostnetv3 import GhostNetV3
from .repghostnet import RepGhostNet

__all__ = [
    "GGhostRegNet",
    "GhostNet",
    "GhostNetV2",
    "GhostNetV3",
    "GhostResNet",
    "RepGhostNet",
]
