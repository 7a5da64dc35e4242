"""Squeeze and excitation as published Ghost weights need it."""

import torch
from torch import Tensor, nn

from .channel_rounding import round_channels
from .conv_norm_act import LayerStyle


class SqueezeExcite(nn.Module):
    """Weigh channels by a gate computed from their global means.

    mmdet's ``SELayer`` cannot hold these weights: it squeezes 72 channels to 18 where
    the published networks have 20, and gates with a plain sigmoid.

    Args:
        channels: Channels of the map, the expanded width of the bottleneck.
        squeeze_ratio: Hidden channels as a fraction of ``channels``, rounded to a
            multiple of 4.
        style: How layers are built; the gate is always a hard sigmoid.
    """

    def __init__(self, channels: int, squeeze_ratio: float, style: LayerStyle):
        super().__init__()
        hidden = round_channels(squeeze_ratio * channels)
        self.conv_reduce = nn.Conv2d(channels, hidden, 1)
        self.act1 = style.act()
        self.conv_expand = nn.Conv2d(hidden, channels, 1)
        self.gate = nn.Hardsigmoid(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        """Return the weighed map, ``(N, C, H, W)`` in and out."""
        means = torch.mean(x, dim=(2, 3), keepdim=True)
        gate: Tensor = self.gate(self.conv_expand(self.act1(self.conv_reduce(means))))
        return x * gate
