"""Convolution, norm and activation in the positions that published weights expect.

mmcv's ``ConvModule`` names its children ``conv``, ``bn`` and ``activate``; the weights
of the Ghost family count positions instead (``primary_conv.0``, ``primary_conv.1``).
"""

from dataclasses import dataclass, field
from typing import Any

from mmcv.cnn import build_activation_layer, build_conv_layer, build_norm_layer
from torch import nn

ACTIVATIONS_WITHOUT_INPLACE = frozenset(
    {"Tanh", "PReLU", "Sigmoid", "HSigmoid", "Swish", "GELU"}
)


@dataclass(frozen=True)
class LayerStyle:
    """How every layer of a network is built: mmdet's three ``*_cfg`` dictionaries."""

    conv_cfg: dict[str, Any] | None = None
    norm_cfg: dict[str, Any] = field(default_factory=lambda: dict(type="BN"))
    act_cfg: dict[str, Any] = field(default_factory=lambda: dict(type="ReLU"))

    def conv(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int | tuple[int, int],
        stride: int = 1,
        dilation: int = 1,
        groups: int = 1,
        bias: bool = False,
    ) -> nn.Module:
        """Build a convolution padded so that only its stride changes the map's size."""
        sizes = (
            (kernel_size, kernel_size) if isinstance(kernel_size, int) else kernel_size
        )
        padding = tuple(dilation * (size - 1) // 2 for size in sizes)
        layer: nn.Module = build_conv_layer(
            self.conv_cfg,
            in_channels,
            out_channels,
            sizes,
            stride=stride,
            padding=padding,
            dilation=dilation,
            groups=groups,
            bias=bias,
        )
        return layer

    def depthwise(
        self,
        channels: int,
        kernel_size: int | tuple[int, int],
        stride: int = 1,
        dilation: int = 1,
        bias: bool = False,
    ) -> nn.Module:
        """Build a convolution that filters each channel on its own."""
        return self.conv(
            channels,
            channels,
            kernel_size,
            stride=stride,
            dilation=dilation,
            groups=channels,
            bias=bias,
        )

    def norm(self, channels: int) -> nn.Module:
        """Build the norm layer."""
        layer: nn.Module = build_norm_layer(self.norm_cfg, channels)[1]
        return layer

    def act(self) -> nn.Module:
        """Build the activation, in place where its type allows."""
        cfg = dict(self.act_cfg)
        if cfg["type"] not in ACTIVATIONS_WITHOUT_INPLACE:
            cfg.setdefault("inplace", True)
        layer: nn.Module = build_activation_layer(cfg)
        return layer
