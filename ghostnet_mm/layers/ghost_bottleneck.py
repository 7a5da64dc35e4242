"""The Ghost bottleneck: expand, filter when strided, weigh, project, add."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from torch import Tensor, nn

from .conv_norm_act import LayerStyle
from .ghost_module import GhostModule
from .squeeze_excite import SqueezeExcite


@dataclass(frozen=True)
class BottleneckShape:
    """The numbers of one bottleneck, after width scaling.

    Args:
        in_channels: Channels of the input.
        expand_channels: Channels between the two ghost modules.
        out_channels: Channels of the output.
        kernel_size: Kernel of the strided depthwise convolution and of a projecting
            shortcut.
        stride: 1, or 2.
        squeeze_ratio: Hidden fraction of squeeze and excitation, 0 for none.
        attention: Whether the first ghost module has DFC attention.
        dilation: Dilation of what comes before the stride.
        out_dilation: Dilation of what comes after it: twice ``dilation`` where an
            output stride turned this block's stride into dilation.
        ratio: Ratio of the ghost modules.
        cheap_kernel_size: Kernel of their cheap operation.
    """

    in_channels: int
    expand_channels: int
    out_channels: int
    kernel_size: int
    stride: int
    squeeze_ratio: float = 0.0
    attention: bool = False
    dilation: int = 1
    out_dilation: int = 1
    ratio: int = 2
    cheap_kernel_size: int = 3

    @property
    def has_depthwise(self) -> bool:
        """Whether the published block filters between its ghost modules.

        A stride that became dilation keeps its depthwise convolution and its weights.
        """
        return self.stride > 1 or self.dilation != self.out_dilation

    @property
    def has_identity_shortcut(self) -> bool:
        """Whether the input is added as it is."""
        return self.in_channels == self.out_channels and not self.has_depthwise


def build_shortcut(shape: BottleneckShape, style: LayerStyle) -> nn.Sequential:
    """Build the shortcut: nothing, or depthwise, norm, 1x1 convolution, norm."""
    if shape.has_identity_shortcut:
        return nn.Sequential()
    return nn.Sequential(
        style.depthwise(
            shape.in_channels, shape.kernel_size, shape.stride, shape.dilation
        ),
        style.norm(shape.in_channels),
        style.conv(shape.in_channels, shape.out_channels, 1),
        style.norm(shape.out_channels),
    )


def build_squeeze_excite(
    shape: BottleneckShape, style: LayerStyle
) -> SqueezeExcite | None:
    """Build squeeze and excitation where the block has it."""
    if not shape.squeeze_ratio:
        return None
    return SqueezeExcite(shape.expand_channels, shape.squeeze_ratio, style)


class Bottleneck(nn.Module):
    """What the bottlenecks of GhostNet and RepGhostNet share: all but their modules.

    No activation follows the addition.

    Args:
        shape: Its numbers.
        style: How layers are built.
        build_ghost1: Builds the first ghost module from the channels of its input and
            output and ``dilation``.
        build_ghost2: Builds the second one from the same and ``activate``.
    """

    def __init__(
        self,
        shape: BottleneckShape,
        style: LayerStyle,
        build_ghost1: Callable[..., nn.Module],
        build_ghost2: Callable[..., nn.Module],
    ):
        super().__init__()
        self.ghost1 = build_ghost1(
            shape.in_channels, shape.expand_channels, dilation=shape.dilation
        )
        self.conv_dw: nn.Module | None = None
        if shape.has_depthwise:
            self.conv_dw = style.depthwise(
                shape.expand_channels, shape.kernel_size, shape.stride, shape.dilation
            )
            self.bn_dw = style.norm(shape.expand_channels)
        self.se = build_squeeze_excite(shape, style)
        self.ghost2 = build_ghost2(
            shape.expand_channels,
            shape.out_channels,
            activate=False,
            dilation=shape.out_dilation,
        )
        self.shortcut = build_shortcut(shape, style)

    def forward(self, x: Tensor) -> Tensor:
        """Map ``(N, C, H, W)`` to ``(N, out_channels, ceil(H/s), ceil(W/s))``."""
        out: Tensor = self.ghost1(x)
        if self.conv_dw is not None:
            out = self.bn_dw(self.conv_dw(out))
        if self.se is not None:
            out = self.se(out)
        out = self.ghost2(out)
        # ghost2 made this tensor and nobody else holds it.
        out += self.shortcut(x)
        return out


class GhostBottleneck(Bottleneck):
    """The bottleneck of GhostNet (CVPR 2020, figure 3) and, with attention, of V2.

    Args:
        shape: Its numbers.
        style: How layers are built.
    """

    ghost1: GhostModule
    ghost2: GhostModule

    def __init__(self, shape: BottleneckShape, style: LayerStyle):
        ghost = partial(
            GhostModule,
            style=style,
            ratio=shape.ratio,
            cheap_kernel_size=shape.cheap_kernel_size,
        )
        super().__init__(shape, style, partial(ghost, attention=shape.attention), ghost)
