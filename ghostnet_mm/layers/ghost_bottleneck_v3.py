"""GhostNetV3's re-parameterized ghost module and bottleneck."""

import math
from functools import partial

from torch import Tensor, nn

from .conv_norm_act import LayerStyle
from .dfc_attention import DFCAttention
from .ghost_bottleneck import (
    BottleneckShape,
    build_shortcut,
    build_squeeze_excite,
)
from .ghost_module import join_and_trim
from .reparam_conv import (
    ChannelScale,
    ConvNorm,
    depthwise_branches,
    fuse_branches,
    sum_of_branches,
)

NUM_BRANCHES = 3


class ReparamGhostModule(nn.Module):
    """A ghost module trained with parallel branches.

    Source: GhostNetV3 (arXiv 2404.11202). The primary convolution has three branches,
    the cheap operation three plus a 1x1 scale branch and, where it makes one ghost
    channel per intrinsic channel, a bare norm.

    Args:
        shape: The bottleneck it belongs to, for ratio and cheap kernel size.
        in_channels: Channels of the input.
        out_channels: Channels of the output.
        style: How layers are built.
        activate: Whether both halves end in the activation.
        dilation: Dilation of the depthwise filters and of the attention's.
        attention: Whether DFC attention gates the output.
        deploy: Whether to build the fused form.
    """

    def __init__(
        self,
        shape: BottleneckShape,
        in_channels: int,
        out_channels: int,
        style: LayerStyle,
        activate: bool = True,
        dilation: int = 1,
        attention: bool = False,
        deploy: bool = False,
    ):
        super().__init__()
        self.out_channels = out_channels
        self.deploy = deploy
        intrinsic = math.ceil(out_channels / shape.ratio)
        ghost = intrinsic * (shape.ratio - 1)
        size = shape.cheap_kernel_size
        cheap = partial(
            style.conv, intrinsic, ghost, size, groups=intrinsic, dilation=dilation
        )
        self.primary_activation = style.act() if activate else nn.Identity()
        self.cheap_activation = style.act() if activate else nn.Identity()
        if deploy:
            self._set_fused(
                style.conv(in_channels, intrinsic, 1, bias=True),
                cheap(bias=True),
            )
        else:
            self.primary_rpr_conv = nn.ModuleList(
                ConvNorm(style.conv(in_channels, intrinsic, 1), style.norm(intrinsic))
                for _ in range(NUM_BRANCHES)
            )
            self.cheap_rpr_conv = nn.ModuleList(
                ConvNorm(cheap(), style.norm(ghost)) for _ in range(NUM_BRANCHES)
            )
            scale: nn.Module = (
                ChannelScale(intrinsic)
                if ghost == intrinsic
                else style.conv(intrinsic, ghost, 1, groups=intrinsic)
            )
            self.cheap_rpr_scale = ConvNorm(scale, style.norm(ghost))
            self.cheap_rpr_skip = style.norm(ghost) if ghost == intrinsic else None
        self.short_conv: DFCAttention | None = None
        if attention:
            self.short_conv = DFCAttention(in_channels, out_channels, style, dilation)

    def _set_fused(self, primary: nn.Module, cheap: nn.Module) -> None:
        self.primary_conv = nn.Sequential(primary, self.primary_activation)
        self.cheap_operation = nn.Sequential(cheap, self.cheap_activation)

    def _cheap_branches(self) -> list[nn.Module]:
        # In the authors' order, so that sums round as theirs do.
        branches: list[nn.Module] = [self.cheap_rpr_scale]
        if self.cheap_rpr_skip is not None:
            branches.append(self.cheap_rpr_skip)
        return [*branches, *self.cheap_rpr_conv]

    def forward(self, x: Tensor) -> Tensor:
        """Map ``(N, in_channels, H, W)`` to ``(N, out_channels, H, W)``."""
        if self.deploy:
            primary = self.primary_conv(x)
            cheap = self.cheap_operation(primary)
        else:
            primary = sum_of_branches(self.primary_rpr_conv, x)
            primary = self.primary_activation(primary)
            cheap = sum_of_branches(self._cheap_branches(), primary)
            cheap = self.cheap_activation(cheap)
        joined = join_and_trim(primary, cheap, self.out_channels)
        if self.short_conv is not None:
            joined = self.short_conv(x, joined)
        return joined

    def switch_to_deploy(self) -> None:
        """Fuse the branches in place; a second call changes nothing."""
        if self.deploy:
            return
        self._set_fused(
            fuse_branches(self.primary_rpr_conv), fuse_branches(self._cheap_branches())
        )
        del self.primary_rpr_conv
        del self.cheap_rpr_conv, self.cheap_rpr_scale, self.cheap_rpr_skip
        self.deploy = True


class ReparamGhostBottleneck(nn.Module):
    """The bottleneck of GhostNetV3 (arXiv 2404.11202).

    Args:
        shape: Its numbers.
        style: How layers are built.
        deploy: Whether to build the fused form.
    """

    def __init__(self, shape: BottleneckShape, style: LayerStyle, deploy: bool = False):
        super().__init__()
        self.deploy = deploy
        expanded = shape.expand_channels
        self.ghost1 = ReparamGhostModule(
            shape,
            shape.in_channels,
            expanded,
            style,
            dilation=shape.dilation,
            attention=shape.attention,
            deploy=deploy,
        )
        self.has_depthwise = shape.has_depthwise
        if self.has_depthwise:
            spatial = dict(stride=shape.stride, dilation=shape.dilation)
            if deploy:
                self.conv_dw = style.depthwise(
                    expanded, shape.kernel_size, bias=True, **spatial
                )
            else:
                self.dw_rpr_conv = depthwise_branches(
                    style, expanded, shape.kernel_size, NUM_BRANCHES, **spatial
                )
                self.dw_rpr_scale = ConvNorm(
                    ChannelScale(expanded, shape.stride), style.norm(expanded)
                )
        self.se = build_squeeze_excite(shape, style)
        self.ghost2 = ReparamGhostModule(
            shape,
            expanded,
            shape.out_channels,
            style,
            activate=False,
            dilation=shape.out_dilation,
            deploy=deploy,
        )
        self.shortcut = build_shortcut(shape, style)

    def _depthwise(self, x: Tensor) -> Tensor:
        if self.deploy:
            out: Tensor = self.conv_dw(x)
            return out
        return sum_of_branches([self.dw_rpr_scale, *self.dw_rpr_conv], x)

    def forward(self, x: Tensor) -> Tensor:
        """Map ``(N, C, H, W)`` to ``(N, out_channels, ceil(H/s), ceil(W/s))``."""
        out: Tensor = self.ghost1(x)
        if self.has_depthwise:
            out = self._depthwise(out)
        if self.se is not None:
            out = self.se(out)
        out = self.ghost2(out)
        # ghost2 made this tensor and nobody else holds it.
        out += self.shortcut(x)
        return out

    def switch_to_deploy(self) -> None:
        """Fuse all branches in place; a second call changes nothing."""
        if self.deploy:
            return
        self.ghost1.switch_to_deploy()
        self.ghost2.switch_to_deploy()
        if self.has_depthwise:
            self.conv_dw = fuse_branches([self.dw_rpr_scale, *self.dw_rpr_conv])
            del self.dw_rpr_conv, self.dw_rpr_scale
        self.deploy = True
