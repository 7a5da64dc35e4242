"""Parallel convolution branches that fuse into one convolution for inference."""

from collections.abc import Iterable

import torch
import torch.nn.functional as F
from mmcv.cnn.bricks.wrappers import Conv2d as EmptySafeConv2d
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from ..errors import OptionError
from .conv_norm_act import LayerStyle


class ChannelScale(nn.Conv2d):
    """A 1x1 depthwise convolution, computed as the product that it is.

    PyTorch's CPU kernels for it take many times as long as for a 3x3 one
    (docs/benchmarks.md).

    Args:
        channels: Channels in and out.
        stride: Keeps every ``stride``-th pixel.
    """

    def __init__(self, channels: int, stride: int = 1):
        super().__init__(channels, channels, 1, stride, groups=channels, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Scale ``(N, C, H, W)`` to ``(N, C, ceil(H/s), ceil(W/s))``."""
        step_y, step_x = self.stride
        if step_y > 1 or step_x > 1:
            x = x[:, :, ::step_y, ::step_x]
        return x * self.weight.reshape(1, -1, 1, 1)

    def uncounted_macs(self, output: Tensor) -> int:
        """Return the MACs that a counter of convolution calls does not see."""
        return output.numel()


class ConvNorm(nn.Sequential):
    """A convolution and its norm, named ``conv`` and ``bn1`` as in timm's weights."""

    def __init__(self, conv: nn.Module, norm: nn.Module):
        super().__init__()
        self.conv = conv
        self.bn1 = norm


def depthwise_branches(
    style: LayerStyle,
    channels: int,
    kernel_size: int,
    count: int,
    stride: int = 1,
    dilation: int = 1,
) -> nn.ModuleList:
    """Build ``count`` equal depthwise convolution-norm branches."""
    return nn.ModuleList(
        ConvNorm(
            style.depthwise(channels, kernel_size, stride, dilation),
            style.norm(channels),
        )
        for _ in range(count)
    )


def sum_of_branches(branches: Iterable[nn.Module], x: Tensor) -> Tensor:
    """Add up what the branches make of ``x``."""
    first, *others = branches
    total: Tensor = first(x)
    for branch in others:
        # Norm layers do not need their output for the backward pass.
        total += branch(x)
    return total


# mmcv's wrapper only adds a case for empty batches.
FUSABLE_CONVS = (nn.Conv2d, EmptySafeConv2d, ChannelScale)


def _scale_and_shift(norm: nn.Module) -> tuple[Tensor, Tensor]:
    if (
        not isinstance(norm, _BatchNorm)
        or norm.running_mean is None
        or norm.running_var is None
    ):
        raise OptionError(
            "Only batch norms with running statistics can be fused, this model has "
            f"{type(norm).__name__}; train it with norm_cfg=dict(type='BN') to deploy."
        )
    deviation = (norm.running_var.double() + norm.eps).sqrt()
    scale = norm.weight.double() / deviation
    return scale, norm.bias.double() - norm.running_mean.double() * scale


def _plain(conv: nn.Module) -> nn.Conv2d:
    if type(conv) not in FUSABLE_CONVS:
        raise OptionError(
            f"Only plain convolutions can be fused, this model has "
            f"{type(conv).__name__}; train it with conv_cfg=None to deploy."
        )
    assert isinstance(conv, nn.Conv2d)  # all of them are
    return conv


def _pair(sides: tuple[int, ...] | str) -> tuple[int, int]:
    """Say of a convolution's two sides what PyTorch's annotations leave open."""
    assert isinstance(sides, tuple)
    height, width = sides
    return height, width


@torch.no_grad()
def fuse_branches(branches: Iterable[nn.Module]) -> nn.Conv2d:
    """Return the one convolution, with bias, that equals the branches in eval mode.

    Args:
        branches: Equal :class:`ConvNorm`, besides 1x1 ones of the same stride and bare
            norms (an identity branch). Fusion happens in float64.

    Raises:
        OptionError: When a branch has a norm without running statistics, or a
            convolution that is not a plain one.
    """
    branches = list(branches)
    convs = [_plain(branch.conv) for branch in branches if isinstance(branch, ConvNorm)]
    main = max(convs, key=lambda conv: conv.kernel_size)
    size = main.kernel_size[0]
    kernel = torch.zeros_like(main.weight, dtype=torch.float64)
    bias = kernel.new_zeros(main.out_channels)
    for branch in branches:
        if isinstance(branch, ConvNorm):
            weight = _plain(branch.conv).weight.double()
            scale, shift = _scale_and_shift(branch.bn1)
            margin = (size - weight.shape[-1]) // 2
            weight = F.pad(weight, (margin, margin, margin, margin))
        else:
            scale, shift = _scale_and_shift(branch)
            weight = torch.zeros_like(kernel)
            channels = torch.arange(main.out_channels, device=kernel.device)
            weight[channels, channels % kernel.shape[1], size // 2, size // 2] = 1
        kernel += weight * scale.reshape(-1, 1, 1, 1)
        bias += shift
    fused = nn.Conv2d(
        main.in_channels,
        main.out_channels,
        size,
        stride=_pair(main.stride),
        padding=_pair(main.padding),
        dilation=_pair(main.dilation),
        groups=main.groups,
        device=main.weight.device,
        dtype=main.weight.dtype,
    )
    fused.weight.copy_(kernel)
    assert fused.bias is not None  # by default
    fused.bias.copy_(bias)
    return fused.train(main.training)
