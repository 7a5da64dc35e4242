"""GhostNet (V1), and what V2 and V3 share with it."""

from collections.abc import Sequence

from mmdet.registry import MODELS
from torch import nn

from ..layers.ghost_bottleneck import BottleneckShape, GhostBottleneck
from .argument_checks import checked_cheap_kernel_size, checked_ratio
from .base import MultiScaleBackbone
from .stages import (
    FIRST_BLOCK_WITH_ATTENTION,
    GHOSTNET_BLOCKS,
    GHOSTNET_STEM_CHANNELS,
    STAGE_BLOCKS,
    STEM_BLOCKS,
    BlockRow,
)

CLASSIFIER_KEYS = ("blocks.9.", "conv_head.", "classifier.")


class GhostStages(MultiScaleBackbone):
    """The network that the three GhostNet papers share; subclasses choose the block.

    Parameter names are those of timm and of the authors' code, so published weights
    load as they are.

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
        ratio: Output channels per intrinsic channel in every ghost module; published
            weights have 2.
        cheap_kernel_size: Kernel of the cheap operations, odd; published weights
            have 3.
        init_cfg: mmengine's initialization; see :class:`MultiScaleBackbone`.

    Raises:
        OptionError: For an impossible argument.
    """

    attention = False

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
        ratio: int = 2,
        cheap_kernel_size: int = 3,
        init_cfg: dict | list[dict] | None = None,
    ):
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
            init_cfg=init_cfg,
        )
        self.ratio = checked_ratio(ratio)
        self.cheap_kernel_size = checked_cheap_kernel_size(cheap_kernel_size)
        channels = self._scaled(GHOSTNET_STEM_CHANNELS)
        self.conv_stem = self.style.conv(self.in_channels, channels, 3, stride=2)
        self.bn1 = self.style.norm(channels)
        self.act1 = self.style.act()
        self.blocks = nn.Sequential(*self._build_blocks(channels))
        last_rows = [GHOSTNET_BLOCKS[STAGE_BLOCKS[i][-1]][-1] for i in self.out_indices]
        self.out_channels = tuple(self._scaled(row.out_channels) for row in last_rows)
        self._freeze()

    def build_block(self, shape: BottleneckShape) -> nn.Module:
        """Build one bottleneck."""
        return GhostBottleneck(shape, self.style)

    def _build_blocks(self, in_channels: int) -> list[nn.Sequential]:
        last_group = STAGE_BLOCKS[self.num_built_stages - 1][-1]
        groups = []
        stride, dilation, index = 2, 1, 0
        for rows in GHOSTNET_BLOCKS[: last_group + 1]:
            blocks = []
            for row in rows:
                out_dilation = dilation
                if row.stride > 1 and stride * row.stride > self.output_stride:
                    out_dilation = dilation * row.stride
                shape = self._bottleneck_shape(
                    row, in_channels, index, dilation, out_dilation
                )
                blocks.append(self.build_block(shape))
                stride *= shape.stride
                dilation = out_dilation
                in_channels = shape.out_channels
                index += 1
            groups.append(nn.Sequential(*blocks))
        return groups

    def _bottleneck_shape(
        self,
        row: BlockRow,
        in_channels: int,
        index: int,
        dilation: int,
        out_dilation: int,
    ) -> BottleneckShape:
        return BottleneckShape(
            in_channels=in_channels,
            expand_channels=self._scaled(row.expand_channels),
            out_channels=self._scaled(row.out_channels),
            kernel_size=row.kernel_size,
            stride=1 if dilation != out_dilation else row.stride,
            squeeze_ratio=row.squeeze_ratio,
            attention=self.attention and index >= FIRST_BLOCK_WITH_ATTENTION,
            dilation=dilation,
            out_dilation=out_dilation,
            ratio=self.ratio,
            cheap_kernel_size=self.cheap_kernel_size,
        )

    def stem_parts(self) -> list[nn.Module]:
        """Return the modules at stride 2, in order."""
        return [
            self.conv_stem,
            self.bn1,
            self.act1,
            *(self.blocks[group] for group in STEM_BLOCKS),
        ]

    def stage_blocks(self, stage: int) -> list[nn.Module]:
        """Return the bottlenecks of one stage, in order."""
        return [block for group in STAGE_BLOCKS[stage] for block in self.blocks[group]]

    def is_unused_checkpoint_key(self, key: str) -> bool:
        """Whether a published key belongs to layers that this trunk does not build."""
        if key.startswith(CLASSIFIER_KEYS):
            return True
        group = key.removeprefix("blocks.").split(".")[0]
        return (
            key.startswith("blocks.")
            and group.isdigit()
            and len(self.blocks) <= int(group) < len(GHOSTNET_BLOCKS)
        )


@MODELS.register_module()
class GhostNet(GhostStages):
    """GhostNet: more features from cheap operations (CVPR 2020).

    Returns 24, 40, 112 and 160 channels at strides 4, 8, 16 and 32 for width 1.0: the
    last block of each stride, which are the authors' own FPN inputs.

    See :class:`GhostStages` for the arguments.

    Example:
        >>> import torch
        >>> from ghostnet_mm.backbones import GhostNet
        >>> backbone = GhostNet(widen_factor=1.0, out_indices=(1, 2, 3)).eval()
        >>> [tuple(m.shape) for m in backbone(torch.rand(1, 3, 64, 96))]
        [(1, 40, 8, 12), (1, 112, 4, 6), (1, 160, 2, 3)]
    """
