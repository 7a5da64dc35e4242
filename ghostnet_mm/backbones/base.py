"""What all backbones of the package share: taps, freezing, checkpointing, weights."""

import inspect
from collections.abc import Sequence
from typing import Any, ClassVar

import torch
from mmengine.model import BaseModule
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from ..checkpoints import load_backbone_weights
from ..layers.block_checkpointing import run_checkpointed
from ..layers.channel_rounding import round_channels
from ..layers.conv_norm_act import LayerStyle
from .argument_checks import (
    STAGE_STRIDES,
    checked_frozen_stages,
    checked_in_channels,
    checked_layer_cfg,
    checked_out_indices,
    checked_output_stride,
    checked_widen_factor,
)

# What the authors of the two families for GPUs use.
KAIMING_INIT = dict(type="Kaiming", layer="Conv2d")


def _full_signature(family: type) -> inspect.Signature:
    """Return a class's arguments with those that it hands on to its base classes."""
    shown: dict[str, inspect.Parameter] = {}
    for owner in family.__mro__:
        if "__init__" not in vars(owner):
            continue
        own = list(inspect.signature(vars(owner)["__init__"]).parameters.values())[1:]
        for parameter in own:
            if parameter.kind is parameter.VAR_KEYWORD:
                continue
            if shown and owner is not family:
                parameter = parameter.replace(kind=parameter.KEYWORD_ONLY)
            shown.setdefault(parameter.name, parameter)
        if all(parameter.kind is not parameter.VAR_KEYWORD for parameter in own):
            break
    return inspect.Signature(
        sorted(shown.values(), key=lambda parameter: parameter.kind)
    )


class MultiScaleBackbone(BaseModule):
    """A stem and four stages at strides 4, 8, 16 and 32, with mmdet's arguments.

    A family implements :meth:`stem_parts` and :meth:`stage_blocks`, builds no layer
    past :attr:`num_built_stages`, and sets :attr:`out_channels`. It names its own
    arguments and hands on the others, ``**shared``, which are written down here once;
    its signature shows all of them.

    Args:
        widen_factor: Multiplies all channel counts, which are then rounded to what the
            family's blocks allow.
        in_channels: Channels of the input image.
        out_indices: Stages to return: 0 to 3, the last block at strides 4, 8, 16, 32.
        frozen_stages: -1 freezes nothing, 0 the stem, ``i`` the stem and ``i`` stages.
            Frozen layers keep their parameters and their norm statistics.
        conv_cfg: Convolution type, ``None`` for plain ones.
        norm_cfg: Norm type, ``None`` for batch norms.
        act_cfg: Activation type, ``None`` for ReLU.
        norm_eval: Keeps all norm statistics fixed while training.
        with_cp: Recomputes blocks in the backward pass to save memory; results and
            norm statistics are unchanged.
        output_stride: Stride of the deepest map; 16 and 8 dilate the last stages.
        init_cfg: mmengine's initialization. ``None`` leaves PyTorch's, as the authors'
            code does. ``dict(type='Pretrained', checkpoint=...)`` takes a file or
            ``timm://NAME``, and every key must fit.

    Attributes:
        style: How layers are built.
        out_channels: Channels of each returned map.
        out_strides: Stride of each returned map, in input pixels.

    Raises:
        OptionError: For an impossible argument.
    """

    out_channels: tuple[int, ...]
    # mmengine's.
    is_init: bool
    init_cfg: Any
    __signature__: ClassVar[inspect.Signature]

    def __init_subclass__(cls, **kwargs: Any) -> None:
        """Let ``help`` and the messages about a wrong argument know all arguments."""
        super().__init_subclass__(**kwargs)
        cls.__signature__ = _full_signature(cls)

    def __init__(
        self,
        widen_factor: float = 1.0,
        in_channels: int = 3,
        out_indices: Sequence[int] = (0, 1, 2, 3),
        frozen_stages: int = -1,
        conv_cfg: dict[str, Any] | None = None,
        norm_cfg: dict[str, Any] | None = None,
        act_cfg: dict[str, Any] | None = None,
        norm_eval: bool = False,
        with_cp: bool = False,
        output_stride: int = 32,
        init_cfg: dict[str, Any] | list[dict[str, Any]] | None = None,
    ):
        super().__init__(init_cfg)
        self.widen_factor = checked_widen_factor(widen_factor)
        self.in_channels = checked_in_channels(in_channels)
        self.out_indices = checked_out_indices(out_indices)
        self.frozen_stages = checked_frozen_stages(frozen_stages)
        self.output_stride = checked_output_stride(output_stride)
        self.style = LayerStyle(
            conv_cfg=conv_cfg,
            norm_cfg=checked_layer_cfg("norm_cfg", norm_cfg or dict(type="BN")),
            act_cfg=checked_layer_cfg("act_cfg", act_cfg or dict(type="ReLU")),
        )
        self.norm_eval = norm_eval
        self.with_cp = with_cp
        self.out_strides = tuple(self.stride_of(index) for index in self.out_indices)

    @property
    def num_built_stages(self) -> int:
        """Stages that lead to the last wanted tap; deeper ones are not built."""
        return self.out_indices[-1] + 1

    def stride_of(self, stage: int) -> int:
        """Return the stride of a stage's map, in input pixels."""
        return min(STAGE_STRIDES[stage], self.output_stride)

    def _scaled(self, channels: int) -> int:
        return round_channels(channels * self.widen_factor)

    def stem_parts(self) -> list[nn.Module]:
        """Return the modules that run before stage 0, in order."""
        raise NotImplementedError

    def stage_blocks(self, stage: int) -> list[nn.Module]:
        """Return the blocks of one stage, in order."""
        raise NotImplementedError

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """Return the wanted maps, finest first.

        Args:
            x: Images, ``(N, in_channels, H, W)``, any H and W of at least 1.

        Returns:
            One ``(N, C, ceil(H / stride), ceil(W / stride))`` map per tap.
        """
        # oneDNN reorders every map of a contiguous input around every convolution;
        # channels-last maps are used as they are (docs/benchmarks.md).
        if x.device.type == "cpu":
            x = x.contiguous(memory_format=torch.channels_last)
        for part in self.stem_parts():
            x = part(x)
        maps = []
        for stage in range(self.num_built_stages):
            for block in self.stage_blocks(stage):
                x = self._run_block(block, x)
            if stage in self.out_indices:
                maps.append(x)
        return tuple(maps)

    def _run_block(self, block: nn.Module, x: Tensor) -> Tensor:
        if self.with_cp and self.training and torch.is_grad_enabled():
            return run_checkpointed(block, x)
        out: Tensor = block(x)
        return out

    def _freeze(self) -> None:
        if self.frozen_stages < 0:
            return
        frozen = list(self.stem_parts())
        for stage in range(min(self.frozen_stages, self.num_built_stages)):
            frozen += self.stage_blocks(stage)
        for module in frozen:
            module.eval()
            module.requires_grad_(False)

    def train(self, mode: bool = True) -> "MultiScaleBackbone":
        """Switch the mode; frozen stages and, with ``norm_eval``, norms stay eval."""
        super().train(mode)
        if mode:
            self._freeze()
            if self.norm_eval:
                for module in self.modules():
                    if isinstance(module, _BatchNorm):
                        module.eval()
        return self

    def _init_cfgs(self) -> list[dict[str, Any]]:
        given = (
            self.init_cfg
            if isinstance(self.init_cfg, list | tuple)
            else [self.init_cfg]
        )
        return [cfg for cfg in given if cfg is not None]

    def pretrained_sources(self) -> list[str]:
        """Return the files and names that ``init_cfg`` takes weights from."""
        return [
            cfg["checkpoint"]
            for cfg in self._init_cfgs()
            if cfg["type"] == "Pretrained"
        ]

    def init_weights(self) -> None:
        """Initialize as ``init_cfg`` says; pretrained weights must fit key by key.

        mmengine's own loader ignores missing and unexpected keys.

        Raises:
            CheckpointError: When the weights cannot be had or do not fit.
        """
        if self.is_init:
            return
        others = [cfg for cfg in self._init_cfgs() if cfg["type"] != "Pretrained"]
        kept, self.init_cfg = self.init_cfg, others or None
        try:
            super().init_weights()
        finally:
            self.init_cfg = kept
        # Until the weights are in, another call must try, and fail, again.
        self.is_init = False
        for source in self.pretrained_sources():
            load_backbone_weights(self, source)
        self.is_init = True
