"""G-Ghost RegNet."""

from typing import Any, NamedTuple

from mmdet.registry import MODELS
from torch import Tensor, nn

from ..layers.channel_rounding import round_channels
from ..layers.gghost_stage import GGhostStage, StageShape, plain_stage
from .argument_checks import STAGE_STRIDES, checked_choice
from .base import KAIMING_INIT, MultiScaleBackbone


class RegNetRow(NamedTuple):
    """One RegNetX at width 1.0: blocks and channels of its four stages."""

    depths: tuple[int, int, int, int]
    widths: tuple[int, int, int, int]
    group_width: int


REGNET_STEM_CHANNELS = 32

# The first stage, and stages of one or two blocks, have no G-Ghost form.
FIRST_GGHOST_STAGE = 1
MIN_GGHOST_DEPTH = 3

# Named as in mmdet's RegNet. Weights were published for 3.2, 4.0, 8.0 and 16 GF.
# Source: RegNet (CVPR 2020), table 8; the authors' G-Ghost code.
GGHOST_REGNETS: dict[str, RegNetRow] = {
    "regnetx_200mf": RegNetRow((1, 1, 4, 7), (24, 56, 152, 368), 8),
    "regnetx_400mf": RegNetRow((1, 2, 7, 12), (32, 64, 160, 384), 16),
    "regnetx_600mf": RegNetRow((1, 3, 5, 7), (48, 96, 240, 528), 24),
    "regnetx_800mf": RegNetRow((1, 3, 7, 5), (64, 128, 288, 672), 16),
    "regnetx_1.6gf": RegNetRow((2, 4, 10, 2), (72, 168, 408, 912), 24),
    "regnetx_3.2gf": RegNetRow((2, 6, 15, 2), (96, 192, 432, 1008), 48),
    "regnetx_4.0gf": RegNetRow((2, 5, 14, 2), (80, 240, 560, 1360), 40),
    "regnetx_6.4gf": RegNetRow((2, 4, 10, 1), (168, 392, 784, 1624), 56),
    "regnetx_8.0gf": RegNetRow((2, 5, 15, 1), (80, 240, 720, 1920), 120),
    "regnetx_12gf": RegNetRow((2, 5, 11, 1), (224, 448, 896, 2240), 112),
    "regnetx_16gf": RegNetRow((2, 6, 13, 1), (256, 512, 896, 2048), 128),
    "regnetx_32gf": RegNetRow((2, 7, 13, 1), (336, 672, 1344, 2520), 168),
}

# RegNet's widths are multiples of 8.
WIDTH_DIVISOR = 8


@MODELS.register_module()
class GGhostRegNet(MultiScaleBackbone):
    """GhostNets on heterogeneous devices via cheap operations (IJCV 2022).

    RegNetX for GPUs, in which whole stages share cheap features. Channel counts are
    rounded to whole groups; published weights have width 1.0. Dilation by
    ``output_stride`` multiplies up through all stages. Returns 96, 192, 432
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
        norm_eval: Keeps all norm statistics fixed while training; switch it off to
            train from scratch.
        init_cfg: mmengine's initialization; ``None`` is Kaiming's, as in the authors'
            code. See :class:`MultiScaleBackbone`.
        **shared: The other arguments of :class:`MultiScaleBackbone`.

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
        *,
        norm_eval: bool = True,
        init_cfg: dict[str, Any] | list[dict[str, Any]] | None = None,
        **shared: Any,
    ):
        super().__init__(
            norm_eval=norm_eval,
            init_cfg=KAIMING_INIT if init_cfg is None else init_cfg,
            **shared,
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
            out: Tensor = block(x, super()._run_block)
            return out
        return super()._run_block(block, x)

    def is_unused_checkpoint_key(self, key: str) -> bool:
        """Whether a published key belongs to layers that this trunk does not build."""
        unbuilt = range(self.num_built_stages + 1, len(STAGE_STRIDES) + 1)
        return key.startswith(("fc.", *(f"layer{number}." for number in unbuilt)))
