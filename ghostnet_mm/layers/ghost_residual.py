"""Ghost-ResNet's bottleneck: every convolution makes part of its output cheaply."""

import math
from dataclasses import dataclass

from torch import Tensor, nn

from .conv_norm_act import LayerStyle
from .ghost_module import join_and_trim


@dataclass(frozen=True)
class ResidualShape:
    """The numbers of one bottleneck, after width scaling.

    Args:
        in_channels: Channels of the input.
        channels: Channels of the 3x3 convolution.
        out_channels: Channels of the output.
        stride: Stride of the 3x3 convolution.
        dilation: Dilation of what comes before the stride.
        out_dilation: Dilation of what comes after it: twice ``dilation`` where an
            output stride turned this block's stride into dilation.
        project: Whether a 1x1 ghost convolution fits the shortcut to the output.
        ratio: Output channels per intrinsic channel.
        cheap_kernel_size: Kernel of the cheap operations, odd.
    """

    in_channels: int
    channels: int
    out_channels: int
    stride: int = 1
    dilation: int = 1
    out_dilation: int = 1
    project: bool = False
    ratio: int = 2
    cheap_kernel_size: int = 3


class GhostConv(nn.Module):
    """A ghost module in place of a convolution of any size, without activation.

    Source: GhostNet (CVPR 2020), table 6. Each of the two convolutions is followed by
    its norm and neither has a bias; the authors' file has biases and no norm.

    Args:
        in_channels: Channels of the input.
        out_channels: Channels of the output.
        kernel_size: Kernel of the intrinsic convolution, odd.
        style: How layers are built.
        ratio: Output channels per intrinsic channel, at least 2.
        cheap_kernel_size: Kernel of the depthwise filters, odd.
        stride: Stride of the intrinsic convolution.
        dilation: Dilation of the intrinsic convolution.
        out_dilation: Dilation of the depthwise filters, which come after the stride.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int,
        style: LayerStyle,
        ratio: int = 2,
        cheap_kernel_size: int = 3,
        stride: int = 1,
        dilation: int = 1,
        out_dilation: int = 1,
    ):
        super().__init__()
        self.out_channels = out_channels
        intrinsic = math.ceil(out_channels / ratio)
        ghost = intrinsic * (ratio - 1)
        self.primary_conv = nn.Sequential(
            style.conv(
                in_channels, intrinsic, kernel_size, stride=stride, dilation=dilation
            ),
            style.norm(intrinsic),
        )
        self.cheap_operation = nn.Sequential(
            style.conv(
                intrinsic,
                ghost,
                cheap_kernel_size,
                dilation=out_dilation,
                groups=intrinsic,
            ),
            style.norm(ghost),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Map ``(N, C, H, W)`` to ``(N, out_channels, ceil(H/s), ceil(W/s))``."""
        primary = self.primary_conv(x)
        cheap = self.cheap_operation(primary)
        return join_and_trim(primary, cheap, self.out_channels)


class GhostResidual(nn.Module):
    """The bottleneck of ResNet-50 with ghost modules for all its convolutions.

    The stride is on the 3x3 convolution, mmdet's ``style='pytorch'``.

    Args:
        shape: Its numbers.
        style: How layers are built.
    """

    def __init__(self, shape: ResidualShape, style: LayerStyle):
        super().__init__()
        ghost = dict(
            style=style, ratio=shape.ratio, cheap_kernel_size=shape.cheap_kernel_size
        )
        before = dict(dilation=shape.dilation, out_dilation=shape.dilation)
        strided = dict(
            stride=shape.stride,
            dilation=shape.dilation,
            out_dilation=shape.out_dilation,
        )
        after = dict(dilation=shape.out_dilation, out_dilation=shape.out_dilation)
        self.conv1 = GhostConv(shape.in_channels, shape.channels, 1, **before, **ghost)
        self.act1 = style.act()
        self.conv2 = GhostConv(shape.channels, shape.channels, 3, **strided, **ghost)
        self.act2 = style.act()
        self.conv3 = GhostConv(shape.channels, shape.out_channels, 1, **after, **ghost)
        self.act3 = style.act()
        if shape.project:
            self.downsample = GhostConv(
                shape.in_channels, shape.out_channels, 1, **strided, **ghost
            )
        else:
            self.downsample = None

    def forward(self, x: Tensor) -> Tensor:
        """Map ``(N, C, H, W)`` to ``(N, out_channels, ceil(H/s), ceil(W/s))``."""
        out = self.act1(self.conv1(x))
        out = self.act2(self.conv2(out))
        out = self.conv3(out)
        out += x if self.downsample is None else self.downsample(x)
        return self.act3(out)
