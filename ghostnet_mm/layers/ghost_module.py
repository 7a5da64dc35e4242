"""The Ghost module: half of the output comes from cheap operations."""

import math

import torch
from torch import Tensor, nn

from .conv_norm_act import LayerStyle
from .dfc_attention import DFCAttention


def join_and_trim(primary: Tensor, cheap: Tensor, out_channels: int) -> Tensor:
    """Concatenate along channels and keep the first ``out_channels``.

    The slice is left out where it would keep everything: its backward pass copies the
    whole gradient, and some exporters cannot convert it.
    """
    joined = torch.cat((primary, cheap), dim=1)
    if joined.shape[1] == out_channels:
        return joined
    return joined[:, :out_channels]


class GhostModule(nn.Module):
    """A convolution for ``1/ratio`` of the channels, cheap filters for the rest.

    Source: GhostNet (CVPR 2020), section 3.1; with ``attention`` the enhanced module of
    GhostNetV2 (NeurIPS 2022). Both convolutions are followed by their norm and neither
    has a bias.

    Args:
        in_channels: Channels of the input.
        out_channels: Channels of the output.
        style: How layers are built.
        activate: Whether both halves end in the activation; the second module of a
            bottleneck is linear.
        ratio: Output channels per intrinsic channel, at least 2.
        cheap_kernel_size: Kernel of the depthwise filters, odd.
        dilation: Dilation of the depthwise filters and of the attention's.
        attention: Whether DFC attention gates the output; not for a stride.
        kernel_size: Kernel of the intrinsic convolution, odd.
        stride: Stride of the intrinsic convolution.
        primary_dilation: Dilation of the intrinsic convolution.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        style: LayerStyle,
        activate: bool = True,
        ratio: int = 2,
        cheap_kernel_size: int = 3,
        dilation: int = 1,
        attention: bool = False,
        kernel_size: int = 1,
        stride: int = 1,
        primary_dilation: int = 1,
    ):
        super().__init__()
        self.out_channels = out_channels
        intrinsic = math.ceil(out_channels / ratio)
        ghost = intrinsic * (ratio - 1)
        self.primary_conv = nn.Sequential(
            style.conv(
                in_channels,
                intrinsic,
                kernel_size,
                stride=stride,
                dilation=primary_dilation,
            ),
            style.norm(intrinsic),
            style.act() if activate else nn.Identity(),
        )
        self.cheap_operation = nn.Sequential(
            style.conv(
                intrinsic,
                ghost,
                cheap_kernel_size,
                dilation=dilation,
                groups=intrinsic,
            ),
            style.norm(ghost),
            style.act() if activate else nn.Identity(),
        )
        self.short_conv: DFCAttention | None = None
        if attention:
            self.short_conv = DFCAttention(in_channels, out_channels, style, dilation)

    def forward(self, x: Tensor) -> Tensor:
        """Map ``(N, C, H, W)`` to ``(N, out_channels, ceil(H/s), ceil(W/s))``."""
        primary = self.primary_conv(x)
        cheap = self.cheap_operation(primary)
        joined = join_and_trim(primary, cheap, self.out_channels)
        if self.short_conv is not None:
            joined = self.short_conv(x, joined)
        return joined
