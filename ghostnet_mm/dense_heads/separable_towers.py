"""Towers of depthwise-separable convolutions, one per level of a dense head."""

from typing import Any

from mmcv.cnn import DepthwiseSeparableConvModule
from torch import nn
from torch.nn.modules.conv import _ConvNd


def separable_tower(
    in_channels: int, channels: int, num_convs: int, kernel_size: int, **cfgs: Any
) -> nn.Sequential:
    """Build ``num_convs`` depthwise-separable convolutions of stride 1.

    Args:
        in_channels: Channels of the input.
        channels: Channels of every output.
        num_convs: How many; 0 for an empty tower.
        kernel_size: The depthwise kernel, odd.
        **cfgs: mmcv's ``conv_cfg``, ``norm_cfg`` and ``act_cfg``.
    """
    return nn.Sequential(
        *(
            DepthwiseSeparableConvModule(
                channels if index else in_channels,
                channels,
                kernel_size,
                padding=kernel_size // 2,
                **cfgs,
            )
            for index in range(num_convs)
        )
    )


def tie_convolutions(per_level: nn.ModuleList) -> None:
    """Let all levels use the first one's convolution weights.

    Parameters are tied, not modules: fusing norms into convolutions for deployment
    replaces each level's weights by its own.
    """
    for tower in per_level:
        for mine, first in zip(tower.modules(), per_level[0].modules(), strict=True):
            if isinstance(mine, _ConvNd) and isinstance(first, _ConvNd):
                mine.weight, mine.bias = first.weight, first.bias
