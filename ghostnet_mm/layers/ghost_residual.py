"""Ghost-ResNet's bottleneck: every convolution makes part of its output cheaply."""

from dataclasses import dataclass
from functools import partial

from torch import Tensor, nn

from .conv_norm_act import LayerStyle
from .ghost_module import GhostModule


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


class GhostResidual(nn.Module):
    """The bottleneck of ResNet-50 with ghost modules for all its convolutions.

    Source: GhostNet (CVPR 2020), table 6; the authors' file has biases in place of
    norms. An activation follows each module, not each of its halves. The stride is on
    the 3x3 convolution, mmdet's ``style='pytorch'``.

    Args:
        shape: Its numbers.
        style: How layers are built.
    """

    def __init__(self, shape: ResidualShape, style: LayerStyle):
        super().__init__()
        ghost = partial(
            GhostModule,
            style=style,
            activate=False,
            ratio=shape.ratio,
            cheap_kernel_size=shape.cheap_kernel_size,
        )
        before, after = shape.dilation, shape.out_dilation
        strided = partial(
            ghost, stride=shape.stride, primary_dilation=before, dilation=after
        )
        self.conv1 = ghost(
            shape.in_channels, shape.channels, primary_dilation=before, dilation=before
        )
        self.act1 = style.act()
        self.conv2 = strided(shape.channels, shape.channels, kernel_size=3)
        self.act2 = style.act()
        self.conv3 = ghost(
            shape.channels, shape.out_channels, primary_dilation=after, dilation=after
        )
        self.act3 = style.act()
        self.downsample: GhostModule | None = None
        if shape.project:
            self.downsample = strided(shape.in_channels, shape.out_channels)

    def forward(self, x: Tensor) -> Tensor:
        """Map ``(N, C, H, W)`` to ``(N, out_channels, ceil(H/s), ceil(W/s))``."""
        out: Tensor = self.act1(self.conv1(x))
        out = self.act2(self.conv2(out))
        out = self.conv3(out)
        out += x if self.downsample is None else self.downsample(x)
        out = self.act3(out)
        return out
