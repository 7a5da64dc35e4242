"""The architecture table that GhostNet, GhostNetV2, V3 and RepGhostNet share."""

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

# RepGhostNet's bottlenecks in order; the rest of each row is GhostNet's. Nothing is
# concatenated, so they expand to half as many channels, or to 120 instead of 92.
# Source: RepGhost (arXiv 2211.06088).
REPGHOSTNET_EXPAND_CHANNELS: tuple[int, ...] = (
    *(8, 24, 36, 36, 60, 120),
    *(100, 120, 120, 240, 336),
    *(336, 480, 480, 480, 480),
)
