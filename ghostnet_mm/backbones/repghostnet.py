"""RepGhostNet."""

from collections.abc import Sequence

from mmdet.registry import MODELS
from torch import nn

from ..layers.ghost_bottleneck import BottleneckShape
from ..layers.rep_ghost_bottleneck import RepGhostBottleneck
from ..layers.rep_ghost_module import RepGhostModule
from .ghostnet import GhostStages
from .stages import REPGHOSTNET_EXPAND_CHANNELS, BlockRow


@MODELS.register_module()
class RepGhostNet(GhostStages):
    """RepGhost: a hardware-efficient ghost module via re-parameterization.

    GhostNet's stages with modules that add their branches instead of concatenating
    them; :meth:`switch_to_deploy` fuses the branches. Source: arXiv 2211.06088.

    Args:
        widen_factor: Multiplies all channel counts, which are then rounded to
            multiples of 4.
        in_channels: Channels of the input image.
        out_indices: Taps to return: 0 to 3, the last block at strides 4, 8, 16, 32.
        frozen_stages: -1 freezes nothing, 0 the stem, ``i`` the stem and ``i`` stages.
        conv_cfg: Convolution type, ``None`` for plain ones.
        norm_cfg: Norm type.
        act_cfg: Activation type; the gate of squeeze and excitation is always a hard
            sigmoid.
        norm_eval: Keeps all norm statistics fixed while training.
        with_cp: Recomputes blocks in the backward pass to save memory.
        output_stride: Stride of the deepest map: 32, or 16 or 8 by dilation.
        cheap_kernel_size: Kernel of the cheap operations, odd; published weights
            have 3.
        deploy: Whether to build the fused form, to load weights that were fused.
        init_cfg: mmengine's initialization; see :class:`MultiScaleBackbone`.

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

    # Not GhostNet's arguments as they are: without concatenation there is no ratio.
    def __init__(
        self,
        widen_factor: float = 1.0,
        in_channels: int = 3,
        out_indices: Sequence[int] = (0, 1, 2, 3),
        frozen_stages: int = -1,
        conv_cfg: dict | None = None,
        norm_cfg: dict | None = None,
        act_cfg: dict | None = None,
        norm_eval: bool = False,
        with_cp: bool = False,
        output_stride: int = 32,
        cheap_kernel_size: int = 3,
        deploy: bool = False,
        init_cfg: dict | list[dict] | None = None,
    ):
        # Plain attribute: build_block needs it while the base class builds the blocks.
        object.__setattr__(self, "deploy", deploy)
        super().__init__(
            widen_factor=widen_factor,
            in_channels=in_channels,
            out_indices=out_indices,
            frozen_stages=frozen_stages,
            conv_cfg=conv_cfg,
            norm_cfg=norm_cfg,
            act_cfg=act_cfg,
            norm_eval=norm_eval,
            with_cp=with_cp,
            output_stride=output_stride,
            cheap_kernel_size=cheap_kernel_size,
            init_cfg=init_cfg,
        )

    def build_block(self, shape: BottleneckShape) -> nn.Module:
        """Build one bottleneck."""
        return RepGhostBottleneck(shape, self.style, self.deploy)

    def _bottleneck_shape(
        self,
        row: BlockRow,
        in_channels: int,
        index: int,
        dilation: int,
        out_dilation: int,
    ) -> BottleneckShape:
        row = row._replace(expand_channels=REPGHOSTNET_EXPAND_CHANNELS[index])
        return super()._bottleneck_shape(
            row, in_channels, index, dilation, out_dilation
        )

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
