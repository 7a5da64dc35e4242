"""Decoupled fully connected (DFC) attention of GhostNetV2."""

import torch.nn.functional as F
from torch import Tensor, nn

from .conv_norm_act import LayerStyle


class DFCAttention(nn.Sequential):
    """Long-range attention from one horizontal and one vertical depthwise filter.

    The map is halved by average pooling, projected to ``out_channels``, filtered by 1x5
    and 5x1 depthwise convolutions, and turned into a gate between 0 and 1 that is
    enlarged to the size of what it gates by nearest interpolation.

    A side of one pixel is not pooled: halving it would leave nothing. Every other map
    is pooled as in the reference.

    Source: GhostNetV2 (NeurIPS 2022), section 3. The positions of the layers are those
    of the published weights (``short_conv.0`` ... ``short_conv.5``).

    Args:
        in_channels: Channels of the input map.
        out_channels: Channels of the map to gate.
        style: How layers are built.
        dilation: Dilation of the two depthwise filters.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        style: LayerStyle,
        dilation: int = 1,
    ):
        super().__init__(
            style.conv(in_channels, out_channels, 1),
            style.norm(out_channels),
            style.depthwise(out_channels, (1, 5), dilation=dilation),
            style.norm(out_channels),
            style.depthwise(out_channels, (5, 1), dilation=dilation),
            style.norm(out_channels),
        )

    # A container of its layers that is called with two maps.
    def forward(self, x: Tensor, gated: Tensor) -> Tensor:  # type: ignore[override]
        """Return ``gated`` times the attention computed from ``x``.

        Args:
            x: Input map, ``(N, in_channels, H, W)``.
            gated: Map to gate, ``(N, out_channels, H, W)``.
        """
        height, width = x.shape[-2:]
        window = (min(height, 2), min(width, 2))
        pooled = F.avg_pool2d(x, kernel_size=window, stride=window)
        for layer in self:
            pooled = layer(pooled)
        gate = F.interpolate(pooled.sigmoid(), size=(height, width), mode="nearest")
        return gated * gate
