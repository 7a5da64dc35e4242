"""Ghost-PAN: a path aggregation network of ghost bottlenecks."""

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from mmcv.cnn import ConvModule, DepthwiseSeparableConvModule
from mmdet.registry import MODELS
from mmengine.model import BaseModule
from torch import Tensor, nn

from ..errors import OptionError
from ..layers.block_checkpointing import run_checkpointed
from ..layers.conv_norm_act import LayerStyle
from ..layers.ghost_bottleneck import BottleneckShape, GhostBottleneck


class GhostStack(nn.Module):
    """Ghost bottlenecks that merge concatenated maps.

    Args:
        in_channels: Channels of the input.
        out_channels: Channels of the output.
        expand_ratio: Channels between the ghost modules, per output channel.
        kernel_size: Kernel of the first bottleneck's shortcut.
        num_blocks: Bottlenecks; those after the first have identity shortcuts.
        residual: Optional convolution whose output is added to the stack's.
        style: How layers are built.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        expand_ratio: float,
        kernel_size: int,
        num_blocks: int,
        residual: nn.Module | None,
        style: LayerStyle,
    ):
        super().__init__()
        blocks = []
        for _ in range(num_blocks):
            shape = BottleneckShape(
                in_channels=in_channels,
                expand_channels=int(out_channels * expand_ratio),
                out_channels=out_channels,
                kernel_size=kernel_size,
                stride=1,
            )
            blocks.append(GhostBottleneck(shape, style))
            in_channels = out_channels
        self.blocks = nn.Sequential(*blocks)
        self.residual = residual

    def forward(self, x: Tensor) -> Tensor:
        """Map ``(N, in_channels, H, W)`` to ``(N, out_channels, H, W)``."""
        out = self.blocks(x)
        if self.residual is not None:
            out = out + self.residual(x)
        return out


@MODELS.register_module()
class GhostPAN(BaseModule):
    """The neck of NanoDet-Plus: top-down, then bottom-up, with ghost bottlenecks.

    Every map is reduced to ``out_channels`` by a 1x1 convolution. Two maps meet by
    concatenation and a ghost bottleneck; coarser maps are resized to the finer one,
    finer ones pass a strided depthwise-separable convolution. Levels beyond the inputs
    sum two such convolutions, of the deepest reduced map and of the last output.

    Source: NanoDet-Plus (github.com/RangiLyu/nanodet, 2021).

    Args:
        in_channels: Channels of each input map, finest first.
        out_channels: Channels of every output map.
        num_outs: Maps to return, by default as many as come in; each further one has
            twice the stride.
        num_blocks: Ghost bottlenecks at every meeting of two maps.
        kernel_size: Kernel of the depthwise convolutions that are no cheap operation,
            odd.
        expand_ratio: Channels inside a bottleneck, per output channel.
        use_residual: Adds a 1x1 convolution around each stack of bottlenecks.
        upsample_cfg: How coarse maps are resized: ``torch.nn.functional.interpolate``'s
            ``mode``, and ``align_corners`` where it applies.
        conv_cfg: Convolution type, ``None`` for plain ones.
        norm_cfg: Norm type.
        act_cfg: Activation type.
        with_cp: Recomputes the bottlenecks in the backward pass to save memory.
        init_cfg: mmengine's initialization; ``None`` leaves the layers' own.

    Attributes:
        num_outs: Number of maps that ``forward`` returns.

    Raises:
        OptionError: For an impossible argument.

    Example:
        >>> import torch
        >>> from ghostnet_mm.necks import GhostPAN
        >>> neck = GhostPAN([40, 112, 160], out_channels=96, num_outs=4).eval()
        >>> sizes = ((40, 20), (112, 10), (160, 5))
        >>> maps = neck([torch.rand(1, c, s, s) for c, s in sizes])
        >>> [tuple(level.shape) for level in maps]
        [(1, 96, 20, 20), (1, 96, 10, 10), (1, 96, 5, 5), (1, 96, 3, 3)]
    """

    def __init__(
        self,
        in_channels: Sequence[int],
        out_channels: int,
        num_outs: int | None = None,
        num_blocks: int = 1,
        kernel_size: int = 5,
        expand_ratio: float = 1.0,
        use_residual: bool = False,
        upsample_cfg: dict[str, Any] | None = None,
        conv_cfg: dict[str, Any] | None = None,
        norm_cfg: dict[str, Any] | None = None,
        act_cfg: dict[str, Any] | None = None,
        with_cp: bool = False,
        init_cfg: dict[str, Any] | list[dict[str, Any]] | None = None,
    ):
        super().__init__(init_cfg)
        self.in_channels = tuple(in_channels)
        self.out_channels = out_channels
        self.num_outs = len(self.in_channels) if num_outs is None else num_outs
        self.upsample_cfg = dict(upsample_cfg or dict(mode="nearest"))
        self.with_cp = with_cp
        self._check_arguments(num_blocks, kernel_size, expand_ratio)
        style = LayerStyle(
            conv_cfg=conv_cfg,
            norm_cfg=norm_cfg or dict(type="BN"),
            act_cfg=act_cfg or dict(type="ReLU"),
        )
        layers = dict(conv_cfg=conv_cfg, norm_cfg=style.norm_cfg, act_cfg=style.act_cfg)

        def merge() -> GhostStack:
            residual = None
            if use_residual:
                residual = ConvModule(2 * out_channels, out_channels, 1, **layers)
            return GhostStack(
                2 * out_channels,
                out_channels,
                expand_ratio,
                kernel_size,
                num_blocks,
                residual,
                style,
            )

        def downsample() -> DepthwiseSeparableConvModule:
            return DepthwiseSeparableConvModule(
                out_channels,
                out_channels,
                kernel_size,
                stride=2,
                padding=kernel_size // 2,
                **layers,
            )

        steps = range(len(self.in_channels) - 1)
        extra_levels = range(self.num_outs - len(self.in_channels))
        self.reduce_layers = nn.ModuleList(
            ConvModule(channels, out_channels, 1, **layers)
            for channels in self.in_channels
        )
        # All lists go from fine to coarse.
        self.top_down_blocks = nn.ModuleList(merge() for _ in steps)
        self.downsamples = nn.ModuleList(downsample() for _ in steps)
        self.bottom_up_blocks = nn.ModuleList(merge() for _ in steps)
        self.extra_from_input = nn.ModuleList(downsample() for _ in extra_levels)
        self.extra_from_output = nn.ModuleList(downsample() for _ in extra_levels)

    def _check_arguments(
        self, num_blocks: int, kernel_size: int, expand_ratio: float
    ) -> None:
        if not self.in_channels or self.num_outs < len(self.in_channels):
            raise OptionError(
                f"num_outs={self.num_outs} is not possible with in_channels="
                f"{list(self.in_channels)}: give at least one input map, and at least "
                "as many outputs as inputs."
            )
        if num_blocks < 1:
            raise OptionError(
                f"num_blocks={num_blocks} is not possible: give at least 1."
            )
        if kernel_size < 1 or kernel_size % 2 == 0:
            raise OptionError(
                f"kernel_size={kernel_size} is not possible: give an odd number such "
                "as 3 or 5."
            )
        if int(self.out_channels * expand_ratio) < 1:
            raise OptionError(
                f"expand_ratio={expand_ratio} leaves no channel of out_channels="
                f"{self.out_channels}: give a larger one, such as 1.0."
            )
        if not {"size", "scale_factor"}.isdisjoint(self.upsample_cfg):
            raise OptionError(
                f"upsample_cfg={self.upsample_cfg} is not possible: coarse maps take "
                "the size of the finer one, so give a mode only."
            )

    def forward(self, inputs: Sequence[Tensor]) -> tuple[Tensor, ...]:
        """Return ``num_outs`` maps of ``out_channels``, finest first.

        Args:
            inputs: One ``(N, C, H, W)`` map per level, finest first; each is about half
                as large as the one before, of any parity.

        Returns:
            Maps of the inputs' sizes, then each half as large, rounded up.
        """
        if len(inputs) != len(self.in_channels):
            raise OptionError(
                f"GhostPAN got {len(inputs)} maps for in_channels="
                f"{list(self.in_channels)}; make them match the backbone."
            )
        reduced = [
            reduce(features)
            for reduce, features in zip(self.reduce_layers, inputs, strict=True)
        ]
        merged = [reduced[-1]]
        for level in reversed(range(len(self.top_down_blocks))):
            coarse = self._resized(merged[0], reduced[level])
            pair = torch.cat((coarse, reduced[level]), dim=1)
            merged.insert(0, self._run(self.top_down_blocks[level], pair))
        outs = [merged[0]]
        for level, downsample in enumerate(self.downsamples):
            fine = self._resized(downsample(outs[-1]), merged[level + 1])
            pair = torch.cat((fine, merged[level + 1]), dim=1)
            outs.append(self._run(self.bottom_up_blocks[level], pair))
        deepest = reduced[-1]
        for from_input, from_output in zip(
            self.extra_from_input, self.extra_from_output, strict=True
        ):
            deepest = from_input(deepest)
            outs.append(deepest + from_output(outs[-1]))
        return tuple(outs)

    def _resized(self, x: Tensor, like: Tensor) -> Tensor:
        if x.shape[-2:] == like.shape[-2:]:
            return x
        return F.interpolate(x, size=like.shape[-2:], **self.upsample_cfg)

    def _run(self, block: nn.Module, x: Tensor) -> Tensor:
        if self.with_cp and self.training and torch.is_grad_enabled():
            return run_checkpointed(block, x)
        return block(x)
