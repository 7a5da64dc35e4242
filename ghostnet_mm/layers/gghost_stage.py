"""The stages of G-Ghost RegNet: RegNetX bottlenecks, and cheap features per stage.

Source: GhostNets on heterogeneous devices via cheap operations (IJCV 2022,
arXiv 2201.03297) and RegNet (CVPR 2020). Names are those of the published weights.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from .conv_norm_act import LayerStyle
from .lone_values import norm_of_pooled

# Groups of the blocks on intrinsic features are narrower by this factor.
INTRINSIC_GROUP_FACTOR = 0.75


@dataclass(frozen=True)
class StageShape:
    """The numbers of one stage, after width scaling.

    Args:
        in_channels: Channels of the input.
        out_channels: Channels of the output, a multiple of ``group_width``.
        depth: Blocks; a G-Ghost stage needs at least 3.
        group_width: Channels per group of the 3x3 convolutions.
        stride: Stride of the first block.
        dilation: Dilation of the first block's 3x3 convolution.
        out_dilation: Dilation of all others: ``dilation`` times the stride that an
            output stride turned into dilation.
    """

    in_channels: int
    out_channels: int
    depth: int
    group_width: int
    stride: int = 2
    dilation: int = 1
    out_dilation: int = 1

    @property
    def intrinsic_group_width(self) -> int:
        """Channels per group of the blocks on intrinsic features."""
        return int(INTRINSIC_GROUP_FACTOR * self.group_width)

    @property
    def intrinsic_channels(self) -> int:
        """Intrinsic channels: half of the output in whole groups, at least one."""
        width = self.intrinsic_group_width
        return max(self.out_channels // 2 // width, 1) * width


class RegNetBottleneck(nn.Module):
    """A RegNetX block: 1x1, grouped 3x3 and 1x1 convolution, without expansion.

    Args:
        in_channels: Channels of the input.
        out_channels: Channels of the output and of the 3x3 convolution.
        group_width: Channels per group of the 3x3 convolution.
        style: How layers are built.
        stride: Stride of the 3x3 convolution.
        dilation: Dilation of the 3x3 convolution.
        project: Whether a 1x1 convolution fits the shortcut to the output.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        group_width: int,
        style: LayerStyle,
        stride: int = 1,
        dilation: int = 1,
        project: bool = False,
    ):
        super().__init__()
        self.conv1 = style.conv(in_channels, out_channels, 1)
        self.bn1 = style.norm(out_channels)
        self.act1 = style.act()
        self.conv2 = style.conv(
            out_channels,
            out_channels,
            3,
            stride=stride,
            dilation=dilation,
            groups=out_channels // group_width,
        )
        self.bn2 = style.norm(out_channels)
        self.act2 = style.act()
        self.conv3 = style.conv(out_channels, out_channels, 1)
        self.bn3 = style.norm(out_channels)
        self.act3 = style.act()
        self.downsample: nn.Module | None = None
        if project:
            self.downsample = nn.Sequential(
                style.conv(in_channels, out_channels, 1, stride=stride),
                style.norm(out_channels),
            )

    def forward(self, x: Tensor) -> Tensor:
        """Map ``(N, C, H, W)`` to ``(N, out_channels, ceil(H/s), ceil(W/s))``."""
        out: Tensor = self.act1(self.bn1(self.conv1(x)))
        out = self.act2(self.bn2(self.conv2(out)))
        out = self.bn3(self.conv3(out))
        out += x if self.downsample is None else self.downsample(x)
        out = self.act3(out)
        return out


def strided_block(shape: StageShape, style: LayerStyle) -> RegNetBottleneck:
    """Build the first block of a stage."""
    return RegNetBottleneck(
        shape.in_channels,
        shape.out_channels,
        shape.group_width,
        style,
        stride=shape.stride,
        dilation=shape.dilation,
        project=True,
    )


def plain_stage(shape: StageShape, style: LayerStyle) -> nn.Sequential:
    """Build a stage of RegNetX: a strided block and ``depth - 1`` others."""
    channels, width = shape.out_channels, shape.group_width
    others = (
        RegNetBottleneck(channels, channels, width, style, dilation=shape.out_dilation)
        for _ in range(shape.depth - 1)
    )
    return nn.Sequential(strided_block(shape, style), *others)


class MixBranch(nn.Sequential):
    """What a stage's expensive maps tell its cheap ones, per image and channel.

    Args:
        in_channels: Channels of all maps together.
        out_channels: Channels of the output.
        style: How layers are built.
    """

    def __init__(self, in_channels: int, out_channels: int, style: LayerStyle):
        super().__init__(
            nn.AdaptiveAvgPool2d(1),
            style.conv(in_channels, out_channels, 1),
            style.norm(out_channels),
            style.act(),
            style.conv(out_channels, out_channels, 1),
            style.norm(out_channels),
        )

    def forward(self, maps: Sequence[Tensor]) -> Tensor:
        """Map maps of equal size to ``(N, out_channels, 1, 1)``."""
        pool, conv1, norm1, act, conv2, norm2 = self
        # Joining the means, not the maps, saves a copy of the whole stage.
        means = torch.cat([pool(level) for level in maps], dim=1)
        out = act(norm_of_pooled(norm1, conv1(means)))
        return norm_of_pooled(norm2, conv2(out))


BlockRunner = Callable[[nn.Module, Tensor], Tensor]


def call(block: nn.Module, x: Tensor) -> Tensor:
    """Run ``block(x)``."""
    out: Tensor = block(x)
    return out


class GGhostStage(nn.Module):
    """A stage whose later blocks compute half of the channels; the rest is cheap.

    The first block makes all channels. The intrinsic ones go through ``depth - 2``
    blocks; the others through one 1x1 convolution, plus the :class:`MixBranch` of
    everything computed so far. The last block sees both.

    Args:
        shape: Its numbers.
        style: How layers are built.
    """

    def __init__(self, shape: StageShape, style: LayerStyle):
        super().__init__()
        channels, raw = shape.out_channels, shape.intrinsic_channels
        cheap, num_layers = channels - raw, shape.depth - 2
        dilation = shape.out_dilation
        self.sizes = [raw, cheap]
        self.base = strided_block(shape, style)
        self.end = RegNetBottleneck(
            channels, channels, shape.group_width, style, dilation=dilation
        )
        self.merge = MixBranch(channels + raw * num_layers, cheap, style)
        self.cheap = nn.Sequential(style.conv(cheap, cheap, 1), style.norm(cheap))
        self.cheap_act = style.act()
        self.layers = nn.Sequential(
            *(
                RegNetBottleneck(
                    raw, raw, shape.intrinsic_group_width, style, dilation=dilation
                )
                for _ in range(num_layers)
            )
        )

    def forward(self, x: Tensor, run_block: BlockRunner = call) -> Tensor:
        """Map ``(N, C, H, W)`` to ``(N, out_channels, ceil(H/s), ceil(W/s))``.

        Args:
            x: The input.
            run_block: Runs one bottleneck, for activation checkpointing.
        """
        base = run_block(self.base, x)
        intrinsic, other = torch.split(base, self.sizes, dim=1)
        maps = [base]
        for layer in self.layers:
            intrinsic = run_block(layer, intrinsic)
            maps.append(intrinsic)
        cheap = self.cheap_act(self.cheap(other) + self.merge(maps))
        return run_block(self.end, torch.cat((intrinsic, cheap), dim=1))
