"""GhostNet (V1), and what V2 and V3 share with it."""

from dataclasses import replace
from typing import Any, NamedTuple

from mmdet.registry import MODELS
from torch import nn

from ..layers.ghost_bottleneck import BottleneckShape, GhostBottleneck
from .argument_checks import checked_cheap_kernel_size, checked_ratio
from .base import MultiScaleBackbone


class BlockRow(NamedTuple):
    """One bottleneck at width 1.0.

    ``kernel_size`` is that of the strided depthwise convolution and of a projecting
    shortcut; the cheap operation always uses its own.
    """

    kernel_size: int
    expand_channels: int
    out_channels: int
    squeeze_ratio: float
    stride: int


GHOSTNET_STEM_CHANNELS = 16

# One tuple per `blocks.<i>` of the published weights.
# Source: GhostNet (CVPR 2020), Table 1.
GHOSTNET_BLOCKS: tuple[tuple[BlockRow, ...], ...] = (
    (BlockRow(3, 16, 16, 0, 1),),
    (BlockRow(3, 48, 24, 0, 2),),
    (BlockRow(3, 72, 24, 0, 1),),
    (BlockRow(5, 72, 40, 0.25, 2),),
    (BlockRow(5, 120, 40, 0.25, 1),),
    (BlockRow(3, 240, 80, 0, 2),),
    (
        BlockRow(3, 200, 80, 0, 1),
        BlockRow(3, 184, 80, 0, 1),
        BlockRow(3, 184, 80, 0, 1),
        BlockRow(3, 480, 112, 0.25, 1),
        BlockRow(3, 672, 112, 0.25, 1),
    ),
    (BlockRow(5, 672, 160, 0.25, 2),),
    (
        BlockRow(5, 960, 160, 0, 1),
        BlockRow(5, 960, 160, 0.25, 1),
        BlockRow(5, 960, 160, 0, 1),
        BlockRow(5, 960, 160, 0.25, 1),
    ),
)

# `blocks` indices per stage; the stem also owns what runs at stride 2.
STEM_BLOCKS: tuple[int, ...] = (0,)
STAGE_BLOCKS: tuple[tuple[int, ...], ...] = ((1, 2), (3, 4), (5, 6), (7, 8))

# GhostNetV2 leaves its first two bottlenecks without attention.
FIRST_BLOCK_WITH_ATTENTION = 2

CLASSIFIER_KEYS = ("blocks.9.", "conv_head.", "classifier.")


class GhostStages(MultiScaleBackbone):
    """The network that the Ghost papers share; subclasses choose the block.

    Channel counts are rounded to multiples of 4. The gate of squeeze and excitation is
    a hard sigmoid, whatever the activation. Parameter names are those of timm and of
    the authors' code, so published weights load as they are.

    Args:
        widen_factor: Multiplies all channel counts.
        cheap_kernel_size: Kernel of the cheap operations, odd; published weights
            have 3.
        **shared: The arguments of :class:`MultiScaleBackbone`.

    Raises:
        OptionError: For an impossible argument.
    """

    def __init__(
        self, widen_factor: float = 1.0, *, cheap_kernel_size: int = 3, **shared: Any
    ):
        super().__init__(widen_factor, **shared)
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
        raise NotImplementedError

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
                shape = self.bottleneck_shape(
                    row, in_channels, index, dilation, out_dilation
                )
                blocks.append(self.build_block(shape))
                stride *= shape.stride
                dilation = out_dilation
                in_channels = shape.out_channels
                index += 1
            groups.append(nn.Sequential(*blocks))
        return groups

    def bottleneck_shape(
        self,
        row: BlockRow,
        in_channels: int,
        index: int,
        dilation: int,
        out_dilation: int,
    ) -> BottleneckShape:
        """Return the numbers of one bottleneck.

        Args:
            row: Its row of the table.
            in_channels: Channels that reach it.
            index: Its number, counted through the whole network.
            dilation: Dilation of what comes before its stride.
            out_dilation: Dilation of what comes after it.
        """
        return BottleneckShape(
            in_channels=in_channels,
            expand_channels=self._scaled(row.expand_channels),
            out_channels=self._scaled(row.out_channels),
            kernel_size=row.kernel_size,
            stride=1 if dilation != out_dilation else row.stride,
            squeeze_ratio=row.squeeze_ratio,
            dilation=dilation,
            out_dilation=out_dilation,
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
        groups = [self.blocks[group] for group in STAGE_BLOCKS[stage]]
        return [block for group in groups for block in group.children()]

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

    Args:
        widen_factor: Multiplies all channel counts.
        ratio: Output channels per intrinsic channel in every ghost module; published
            weights have 2.
        **shared: ``cheap_kernel_size`` (see :class:`GhostStages`) and the arguments of
            :class:`MultiScaleBackbone`.

    Raises:
        OptionError: For an impossible argument.

    Example:
        >>> import torch
        >>> from ghostnet_mm.backbones import GhostNet
        >>> backbone = GhostNet(widen_factor=1.0, out_indices=(1, 2, 3)).eval()
        >>> [tuple(m.shape) for m in backbone(torch.rand(1, 3, 64, 96))]
        [(1, 40, 8, 12), (1, 112, 4, 6), (1, 160, 2, 3)]
    """

    attention = False

    def __init__(self, widen_factor: float = 1.0, *, ratio: int = 2, **shared: Any):
        # Set first: the base class builds the blocks, which need it.
        self.ratio = checked_ratio(ratio)
        super().__init__(widen_factor, **shared)

    def bottleneck_shape(
        self,
        row: BlockRow,
        in_channels: int,
        index: int,
        dilation: int,
        out_dilation: int,
    ) -> BottleneckShape:
        """Return the numbers of one bottleneck; see :class:`GhostStages`."""
        shape = super().bottleneck_shape(
            row, in_channels, index, dilation, out_dilation
        )
        attention = self.attention and index >= FIRST_BLOCK_WITH_ATTENTION
        return replace(shape, ratio=self.ratio, attention=attention)

    def build_block(self, shape: BottleneckShape) -> nn.Module:
        """Build one bottleneck."""
        return GhostBottleneck(shape, self.style)
