"""Ghost bottlenecks without their inner concatenation.

The first ghost module of a bottleneck joins two halves, a primary one and a cheap one.
What follows before the 1x1 convolution of the second module works on each channel on
its own (a depthwise convolution, squeeze and excitation, the gate of DFC attention), so
the halves can stay apart: the 1x1 convolution splits into one per half, and their sums
are the same numbers, without a copy of the widest map of the block.
"""

import copy
from collections.abc import Collection
from typing import Any, TypeAlias, TypeGuard, TypeVar, cast

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from ..errors import OptionError
from ..layers.dfc_attention import DFCAttention
from ..layers.ghost_bottleneck import GhostBottleneck
from ..layers.ghost_bottleneck_v3 import ReparamGhostBottleneck
from ..layers.ghost_module import join_and_trim
from ..layers.reparam_conv import FUSABLE_CONVS
from ..layers.squeeze_excite import SqueezeExcite

SplittableBlock: TypeAlias = GhostBottleneck | ReparamGhostBottleneck
KEPT_ARGUMENTS = ("kernel_size", "stride", "padding", "dilation")
Deployed = TypeVar("Deployed", bound=nn.Module)


@torch.no_grad()
def _part_of_outputs(conv: nn.Conv2d, channels: slice) -> nn.Conv2d:
    """Return the convolution that computes some of the outputs.

    A depthwise convolution then takes the same channels of the input.
    """
    count = channels.stop - channels.start
    depthwise = conv.groups > 1
    return _with_weights(
        conv,
        count if depthwise else conv.in_channels,
        conv.weight[channels],
        None if conv.bias is None else conv.bias[channels],
    )


@torch.no_grad()
def _part_of_inputs(conv: nn.Conv2d, channels: slice, bias: bool) -> nn.Conv2d:
    """Return the convolution of some of the inputs: one term of a sum."""
    count = channels.stop - channels.start
    return _with_weights(
        conv, count, conv.weight[:, channels], conv.bias if bias else None
    )


def _with_weights(
    conv: nn.Conv2d, in_channels: int, weight: Tensor, bias: Tensor | None
) -> nn.Conv2d:
    if type(conv) not in FUSABLE_CONVS or conv.padding_mode != "zeros":
        raise OptionError(
            f"Only plain convolutions can be split, this model has "
            f"{type(conv).__name__}; train it with conv_cfg=None."
        )
    how: dict[str, Any] = {name: getattr(conv, name) for name in KEPT_ARGUMENTS}
    made = nn.Conv2d(
        in_channels,
        len(weight),
        **how,
        groups=in_channels if conv.groups > 1 else 1,
        bias=bias is not None,
        device=weight.device,
        dtype=weight.dtype,
    )
    made.weight.copy_(weight)
    if made.bias is not None and bias is not None:
        made.bias.copy_(bias)
    return made.train(conv.training)


class HalvedAttention(nn.Module):
    """DFC attention that gates two halves of its channels apart.

    Args:
        attention: In deploy form.
        sizes: Channels of each half.
    """

    def __init__(self, attention: DFCAttention, sizes: tuple[int, int]):
        super().__init__()
        self.halves = nn.ModuleList(
            _half_of_attention(attention, channels) for channels in _slices(sizes)
        )

    def forward(self, x: Tensor, gated: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
        """Gate two ``(N, C, H, W)`` maps by what ``x`` of the same size tells."""
        first, second = self.halves
        return first(x, gated[0]), second(x, gated[1])


@torch.no_grad()
def _half_of_attention(attention: DFCAttention, channels: slice) -> DFCAttention:
    half = copy.deepcopy(attention)
    for index, layer in enumerate(attention):
        if isinstance(layer, nn.Conv2d):
            half[index] = _part_of_outputs(layer, channels)
    return half


class HalvedSqueezeExcite(nn.Module):
    """Squeeze and excitation of two halves: only their means meet.

    Args:
        squeeze_excite: The one of the joined map.
        sizes: Channels of each half.
    """

    def __init__(self, squeeze_excite: SqueezeExcite, sizes: tuple[int, int]):
        super().__init__()
        expand = squeeze_excite.conv_expand
        self.conv_reduce = copy.deepcopy(squeeze_excite.conv_reduce)
        self.act1 = copy.deepcopy(squeeze_excite.act1)
        self.conv_expand = nn.ModuleList(
            _part_of_outputs(expand, channels) for channels in _slices(sizes)
        )
        self.gate = copy.deepcopy(squeeze_excite.gate)

    def forward(self, halves: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
        """Weigh two ``(N, C, H, W)`` maps."""
        means = [torch.mean(half, dim=(2, 3), keepdim=True) for half in halves]
        hidden = self.act1(self.conv_reduce(torch.cat(means, dim=1)))
        first, second = (self.gate(expand(hidden)) for expand in self.conv_expand)
        return halves[0] * first, halves[1] * second


class ConcatFreeBottleneck(nn.Module):
    """A Ghost bottleneck in deploy form whose widest map is never joined.

    Args:
        block: One that :func:`can_split` accepts; it is not changed.
    """

    def __init__(self, block: SplittableBlock):
        super().__init__()
        block = copy.deepcopy(block)
        ghost1, ghost2 = block.ghost1, block.ghost2
        sizes = _half_sizes(block)
        self.primary_conv = ghost1.primary_conv
        self.cheap_operation = ghost1.cheap_operation
        self.attention: HalvedAttention | None = None
        self.conv_dw: nn.ModuleList | None = None
        self.se: HalvedSqueezeExcite | None = None
        if ghost1.short_conv is not None:
            self.attention = HalvedAttention(ghost1.short_conv, sizes)
        depthwise = getattr(block, "conv_dw", None)
        if depthwise is not None:
            self.conv_dw = nn.ModuleList(
                _part_of_outputs(depthwise, channels) for channels in _slices(sizes)
            )
        if block.se is not None:
            self.se = HalvedSqueezeExcite(block.se, sizes)
        first, second = _slices(sizes)
        project = _first_conv(ghost2.primary_conv)
        self.project = nn.ModuleList(
            [
                _part_of_inputs(project, first, bias=True),
                _part_of_inputs(project, second, bias=False),
            ]
        )
        self.after_project = ghost2.primary_conv[1:]
        self.project_cheap_operation = ghost2.cheap_operation
        self.out_channels = ghost2.out_channels
        self.shortcut = block.shortcut
        self.train(block.training)

    def forward(self, x: Tensor) -> Tensor:
        """Map ``(N, C, H, W)`` to ``(N, out_channels, ceil(H/s), ceil(W/s))``."""
        primary = self.primary_conv(x)
        halves = primary, self.cheap_operation(primary)
        if self.attention is not None:
            halves = self.attention(x, halves)
        if self.conv_dw is not None:
            first, second = self.conv_dw
            halves = first(halves[0]), second(halves[1])
        if self.se is not None:
            halves = self.se(halves)
        first, second = self.project
        out = self.after_project(first(halves[0]) + second(halves[1]))
        cheap = self.project_cheap_operation(out)
        out = join_and_trim(out, cheap, self.out_channels)
        # This block made the tensor and nobody else holds it.
        out += self.shortcut(x)
        return out


def _half_sizes(block: SplittableBlock) -> tuple[int, int]:
    parts = block.ghost1.primary_conv, block.ghost1.cheap_operation
    primary, cheap = (_first_conv(part).out_channels for part in parts)
    return primary, cheap


def _first_conv(layers: nn.Sequential) -> nn.Conv2d:
    return cast(nn.Conv2d, layers[0])


def _slices(sizes: tuple[int, int]) -> tuple[slice, slice]:
    first, second = sizes
    return slice(0, first), slice(first, first + second)


def can_split(block: nn.Module) -> TypeGuard[SplittableBlock]:
    """Whether a module is a Ghost bottleneck that can do without its concatenation.

    Where the channels are no multiple of the ratio, the joined map is trimmed, and the
    block stays as it is.

    Raises:
        OptionError: The bottleneck is not in deploy form, or has norms that look at
            more than one channel.
    """
    if not isinstance(block, SplittableBlock):
        return False
    fused = getattr(block, "deploy", True)
    norms = [module for module in block.modules() if _is_norm(module)]
    if norms or not fused:
        kind = type(norms[0]).__name__ if norms else "training branches"
        raise OptionError(
            f"Only the deploy form can do without concatenation, this model has "
            f"{kind}: train with norm_cfg=dict(type='BN') and apply deploy_form first."
        )
    return sum(_half_sizes(block)) == block.ghost1.out_channels


def _is_norm(module: nn.Module) -> bool:
    return isinstance(module, _BatchNorm) or "Norm" in type(module).__name__


def splittable_blocks(model: nn.Module) -> dict[str, SplittableBlock]:
    """Return the bottlenecks that :func:`concat_free` rewrites, by name, in order.

    Raises:
        OptionError: The model is not in deploy form.
    """
    return {name: module for name, module in model.named_modules() if can_split(module)}


def concat_free(deployed: Deployed, only: Collection[str] | None = None) -> Deployed:
    """Return a copy of a deployed model with bottlenecks that do not concatenate.

    Outputs equal those of ``deployed`` up to rounding. Whether it is faster depends on
    runtime, machine and shape: ``ghostnet benchmark-concat-free`` measures it.

    Args:
        deployed: A model in deploy form with GhostNet, GhostNetV2 or GhostNetV3 blocks:
            a backbone, or a whole detector, neck included.
        only: Names of the blocks to rewrite, such as ``blocks.3.0``; by default all.

    Raises:
        OptionError: The model is not in deploy form or has no such block.

    Example:
        >>> from ghostnet_mm.backbones import GhostNet
        >>> from ghostnet_mm.fusion.concat_free import concat_free
        >>> from ghostnet_mm.fusion.deploy_form import deploy_form
        >>> deployed = deploy_form(GhostNet(widen_factor=0.5))
        >>> type(concat_free(deployed).blocks[0][0]).__name__
        'ConcatFreeBottleneck'
    """
    names = list(splittable_blocks(deployed))
    if not names:
        raise OptionError(
            f"{type(deployed).__name__} has no Ghost bottleneck that concatenates: use "
            "GhostNet, GhostNetV2 or GhostNetV3."
        )
    unknown = sorted(set(only or ()) - set(names))
    if unknown:
        raise OptionError(
            f"There is no block {unknown[0]} to rewrite: choose from "
            f"{', '.join(names)}."
        )
    model = copy.deepcopy(deployed)
    for name, block in splittable_blocks(model).items():
        if only is None or name in only:
            parent, _, last = name.rpartition(".")
            setattr(model.get_submodule(parent), last, ConcatFreeBottleneck(block))
    return model
