"""GhostNetV3."""

import re
from typing import Any

from mmdet.registry import MODELS
from torch import nn

from ..layers.ghost_bottleneck import BottleneckShape
from ..layers.ghost_bottleneck_v3 import ReparamGhostBottleneck
from .ghostnet import GhostNet

# The authors' file says `bn` where timm says `bn1`, inside the re-parameterized parts.
OFFICIAL_BRANCH_NORM = re.compile(r"((?:\.ghost\d\.|\.dw_rpr_).*\.)bn\.")


@MODELS.register_module()
class GhostNetV3(GhostNet):
    """GhostNetV3: exploring the training strategies for compact models.

    The network of GhostNetV2, trained with parallel branches that
    :meth:`switch_to_deploy` fuses. Source: arXiv 2404.11202.

    Args:
        widen_factor: Multiplies all channel counts.
        deploy: Whether to build the fused form, to load weights that were fused.
        **shared: The arguments of :class:`GhostNet`.

    Raises:
        OptionError: For an impossible argument.
    """

    attention = True

    def __init__(
        self, widen_factor: float = 1.0, *, deploy: bool = False, **shared: Any
    ):
        # Set first: the base class builds the blocks, which need it.
        self.deploy = deploy
        super().__init__(widen_factor, **shared)

    def build_block(self, shape: BottleneckShape) -> nn.Module:
        """Build one bottleneck."""
        return ReparamGhostBottleneck(shape, self.style, self.deploy)

    def switch_to_deploy(self) -> None:
        """Fuse all branches in place, for inference; a second call changes nothing.

        Raises:
            OptionError: When the norms have no running statistics to fuse.
        """
        for module in list(self.modules()):
            if isinstance(module, ReparamGhostBottleneck):
                module.switch_to_deploy()
        self.deploy = True
        self._freeze()

    def checkpoint_rename(self, key: str) -> str:
        """Return our name for a key of the authors' file; timm's names are ours."""
        return OFFICIAL_BRANCH_NORM.sub(r"\1bn1.", key)
