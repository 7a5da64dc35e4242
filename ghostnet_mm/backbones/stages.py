"""The architecture table that GhostNet, GhostNetV2 and GhostNetV3 share."""

from typing import NamedTuple


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
