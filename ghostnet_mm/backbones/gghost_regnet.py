"""G-Ghost RegNet."""

from collections.abc import Sequence

from mmdet.registry import MODELS
from torch import Tensor, nn

from ..layers.channel_rounding import round_channels
from ..layers.gghost_stage import GGhostStage, StageShape, plain_stage
from .argument_checks import STAGE_STRIDES, checked_choice
from .base import MultiScaleBackbone
from .gghost_stages import (
    FIRST_GGHOST_STAGE,
    GGHOST_REGNETS,
    MIN_GGHOST_DEPTH,
    REGNET_STEM_CHANNELS,
)

# RegNet's widths are multiples of 8.
WIDTH_DIVISOR = 8
INIT_CFG = dict(type="Kaiming", layer="Conv2d")


@MODELS.register_module()
class GGhostRegNet(MultiScaleBackbone):
    """GhostNets on heterogeneous devices via cheap operations (IJCV 2022).

    RegNetX for GPUs, in which whole stages share cheap features. Returns 96, 192, 432
    and 1008 channels at strides 4, 8, 16 and 32 for ``regnetx_3.2gf``.

    Parameter names are those of the authors' files, which load as they are. The
    weights expect RGB images with ImageNet's mean and deviation, not the preprocessing
    of mmdet's RegNet configs.

    The mix branch of a G-Ghost stage normalizes one value per image and channel, so
    that statistics of a detector's small batches mean little: ``norm_eval`` is on by
    default. Without it, a batch of a single image (per GPU, unless the norm is
    ``SyncBN``) takes the running statistics of that branch and leaves them unchanged.

    Args:
        arch: ``regnetx_200mf``, ``400mf``, ``600mf``, ``800mf``, ``1.6gf``, ``3.2gf``,
            ``4.0gf``, ``6.4gf``, ``8.0gf``, ``12gf``, ``16gf`` or ``32gf``, named for
            the cost of the RegNetX that it makes cheaper.
        widen_factor: Multiplies all channel counts, which are then rounded to whole
            groups; published weights have 1.0.
        in_channels: Channels of the input image.
        out_indices: Stages to return: 0 to 3, at strides 4, 8, 16, 32.
        frozen_stages: -1 freezes nothing, 0 the stem, ``i`` the stem and ``i`` stages.
        conv_cfg: Convolution type, ``None`` for plain ones.
        norm_cfg: Norm type.
        act_cfg: Activation type.
        norm_eval: Keeps all norm statistics fixed while training; switch it off to
            train from scratch.
        with_cp: Recomputes blocks in the backward pass to save memory.
        output_stride: Stride of the deepest map: 32, or 16 or 8 by dilation, which
            multiplies up through all stages.
        init_cfg: mmengine's initialization; ``None`` is Kaiming's, as in the authors'
            code. See :class:`MultiScaleBackbone`.

    Raises:
        OptionError: For an impossible argument.

    Example:
        >>> import torch
        >>> from ghostnet_mm.backbones import GGhostRegNet
        >>> backbone = GGhostRegNet("regnetx_3.2gf", out_indices=(1, 2, 3)).eval()
        >>> [tuple(m.shape) for m in backbone(torch.rand(1, 3, 64, 96))]
        [(1, 192, 8, 12), (1, 432, 4, 6), (1, 1008, 2, 3)]
    """

    def __init__(
        self,
        arch: str = "regnetx_3.2gf",
        widen_factor: float = 1.0,
        in_channels: int = 3,
        out_indices: Sequence[int] = (0, 1, 2, 3),
        frozen_stages: int = -1,
        conv_cfg: dict | None = None,
        norm_cfg: dict | None = None,
        act_cfg: dict | None = None,
        norm_eval: bool = True,
        with_cp: bool = False,
        output_stride: int = 32,
        init_cfg: dict | list[dict] | None = None,
    ):
        super().__init__(
            widen_factor=widen_factor,
            in_channels=in_channels,
            out_indices=out_indices,
            frozen_stages=frozen_stages,
            conv_cfg=conv_cfg,
            norm_cfg=norm_cfg,
            act_cfg=act_cfg,
            norm_eval=norm_eval,
            with_cp=with_cp,
            output_stride=output_stride,
            init_cfg=INIT_CFG if init_cfg is None else init_cfg,
        )
        self.arch = checked_choice("arch", arch, GGHOST_REGNETS)
        channels = self._scaled(REGNET_STEM_CHANNELS)
        self.conv1 = self.style.conv(self.in_channels, channels, 3, stride=2)
        self.bn1 = self.style.norm(channels)
        self.act1 = self.style.act()
        shapes = self._stage_shapes(channels)
        for stage, shape in enumerate(shapes):
            self.add_module(f"layer{stage + 1}", self._build_stage(stage, shape))
        self.out_channels = tuple(shapes[i].out_channels for i in self.out_indices)
        self._freeze()

    def _stage_shapes(self, in_channels: int) -> list[StageShape]:
        row = GGHOST_REGNETS[self.arch]
        shapes = []
        total_stride, dilation = 2, 1
        for stage in range(self.num_built_stages):
            width = round_channels(row.widths[stage] * self.widen_factor, WIDTH_DIVISOR)
            group_width = min(row.group_width, width)
            stride = self.stride_of(stage) // total_stride
            shapes.append(
                StageShape(
                    in_channels=in_channels,
                    out_channels=round_channels(width, group_width),
                    depth=row.depths[stage],
                    group_width=group_width,
                    stride=stride,
                    dilation=dilation,
                    out_dilation=dilation * 2 // stride,
                )
            )
            in_channels = shapes[-1].out_channels
            total_stride *= stride
            dilation = shapes[-1].out_dilation
        return shapes

    def _build_stage(self, stage: int, shape: StageShape) -> nn.Module:
        if stage >= FIRST_GGHOST_STAGE and shape.depth >= MIN_GGHOST_DEPTH:
            return GGhostStage(shape, self.style)
        return plain_stage(shape, self.style)

    def stem_parts(self) -> list[nn.Module]:
        """Return the modules at stride 2, in order."""
        return [self.conv1, self.bn1, self.act1]

    def stage_blocks(self, stage: int) -> list[nn.Module]:
        """Return the blocks of one stage, in order; a G-Ghost stage is one block."""
        layer = getattr(self, f"layer{stage + 1}")
        return [layer] if isinstance(layer, GGhostStage) else list(layer)

    def _run_block(self, block: nn.Module, x: Tensor) -> Tensor:
        if isinstance(block, GGhostStage):
            # One bottleneck at a time: a whole stage would be too much to recompute.
            return block(x, super()._run_block)
        return super()._run_block(block, x)

    def is_unused_checkpoint_key(self, key: str) -> bool:
        """Whether a published key belongs to layers that this trunk does not build."""
        unbuilt = range(self.num_built_stages + 1, len(STAGE_STRIDES) + 1)
        return key.startswith(("fc.", *(f"layer{number}." for number in unbuilt)))
