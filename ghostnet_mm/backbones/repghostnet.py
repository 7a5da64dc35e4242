"""RepGhostNet."""

from typing import Any

from mmdet.registry import MODELS
from torch import nn

from ..layers.ghost_bottleneck import BottleneckShape
from ..layers.rep_ghost_bottleneck import RepGhostBottleneck
from ..layers.rep_ghost_module import RepGhostModule
from .ghostnet import BlockRow, GhostStages

# RepGhostNet's bottlenecks in order; the rest of each row is GhostNet's. Nothing is
# concatenated, so they expand to half as many channels, or to 120 instead of 92.
# Source: RepGhost (arXiv 2211.06088).
REPGHOSTNET_EXPAND_CHANNELS: tuple[int, ...] = (
    *(8, 24, 36, 36, 60, 120),
    *(100, 120, 120, 240, 336),
    *(336, 480, 480, 480, 480),
)


@MODELS.register_module()
class RepGhostNet(GhostStages):
    """RepGhost: a hardware-efficient ghost module via re-parameterization.

    GhostNet's stages with modules that add their branches instead of concatenating
    them; :meth:`switch_to_deploy` fuses the branches. Source: arXiv 2211.06088.

    Args:
        widen_factor: Multiplies all channel counts.
        deploy: Whether to build the fused form, to load weights that were fused.
        **shared: ``cheap_kernel_size`` (see :class:`GhostStages`) and the arguments of
            :class:`MultiScaleBackbone`. Without concatenation there is no ratio.

    Raises:
        OptionError: For an impossible argument.

    Example:
        >>> import torch
        >>> from ghostnet_mm.backbones import RepGhostNet
        >>> backbone = RepGhostNet(widen_factor=1.0, out_indices=(1, 2, 3)).eval()
        >>> backbone.switch_to_deploy()
        >>> [tuple(m.shape) for m in backbone(torch.rand(1, 3, 64, 96))]
        [(1, 40, 8, 12), (1, 112, 4, 6), (1, 160, 2, 3)]
    """

    def __init__(
        self, widen_factor: float = 1.0, *, deploy: bool = False, **shared: Any
    ):
        # Set first: the base class builds the blocks, which need it.
        self.deploy = deploy
        super().__init__(widen_factor, **shared)

    def build_block(self, shape: BottleneckShape) -> nn.Module:
        """Build one bottleneck."""
        return RepGhostBottleneck(shape, self.style, self.deploy)

    def bottleneck_shape(
        self,
        row: BlockRow,
        in_channels: int,
        index: int,
        dilation: int,
        out_dilation: int,
    ) -> BottleneckShape:
        """Return the numbers of one bottleneck; see :class:`GhostStages`."""
        row = row._replace(expand_channels=REPGHOSTNET_EXPAND_CHANNELS[index])
        return super().bottleneck_shape(row, in_channels, index, dilation, out_dilation)

    def switch_to_deploy(self) -> None:
        """Fuse all branches in place, for inference; a second call changes nothing.

        Raises:
            OptionError: When the norms have no running statistics to fuse.
        """
        for module in list(self.modules()):
            if isinstance(module, RepGhostModule):
                module.switch_to_deploy()
        self.deploy = True
        self._freeze()
