"""The RepGhost bottleneck: expand, filter when strided, weigh, project, add."""

from torch import Tensor, nn

from .conv_norm_act import LayerStyle
from .ghost_bottleneck import BottleneckShape, build_shortcut, build_squeeze_excite
from .rep_ghost_module import RepGhostModule


class RepGhostBottleneck(nn.Module):
    """The bottleneck of RepGhostNet (arXiv 2211.06088).

    No activation follows the addition.

    Args:
        shape: Its numbers; ``ratio`` and ``attention`` have no meaning here.
        style: How layers are built.
        deploy: Whether to build the fused form.
    """

    def __init__(self, shape: BottleneckShape, style: LayerStyle, deploy: bool = False):
        super().__init__()
        ghost = dict(cheap_kernel_size=shape.cheap_kernel_size, deploy=deploy)
        self.ghost1 = RepGhostModule(
            shape.in_channels,
            shape.expand_channels,
            style,
            dilation=shape.dilation,
            **ghost,
        )
        if shape.has_depthwise:
            self.conv_dw = style.depthwise(
                shape.expand_channels, shape.kernel_size, shape.stride, shape.dilation
            )
            self.bn_dw = style.norm(shape.expand_channels)
        else:
            self.conv_dw = None
        self.se = build_squeeze_excite(shape, style)
        self.ghost2 = RepGhostModule(
            shape.expand_channels,
            shape.out_channels,
            style,
            activate=False,
            dilation=shape.out_dilation,
            **ghost,
        )
        self.shortcut = build_shortcut(shape, style)

    def forward(self, x: Tensor) -> Tensor:
        """Map ``(N, C, H, W)`` to ``(N, out_channels, ceil(H/s), ceil(W/s))``."""
        out = self.ghost1(x)
        if self.conv_dw is not None:
            out = self.bn_dw(self.conv_dw(out))
        if self.se is not None:
            out = self.se(out)
        out = self.ghost2(out)
        # ghost2 made this tensor and nobody else holds it.
        out += self.shortcut(x)
        return out
