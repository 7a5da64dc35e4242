"""Ghost-ResNet."""

from typing import Any

from mmdet.registry import MODELS
from torch import nn

from ..layers.ghost_residual import GhostResidual, ResidualShape
from .argument_checks import checked_cheap_kernel_size, checked_choice, checked_ratio
from .base import KAIMING_INIT, MultiScaleBackbone

# Blocks per stage by depth, and channels of the stages' 3x3 convolutions.
# Source: Deep residual learning (CVPR 2016), table 1.
RESNET_BLOCKS = {50: (3, 4, 6, 3), 101: (3, 4, 23, 3), 152: (3, 8, 36, 3)}
RESNET_CHANNELS = (64, 128, 256, 512)
STEM_CHANNELS = 64
EXPANSION = 4


@MODELS.register_module()
class GhostResNet(MultiScaleBackbone):
    """Ghost-ResNet: ResNet with ghost modules (GhostNet, CVPR 2020, table 6).

    Every convolution but the stem's is a ghost module, the shortcuts' included. Returns
    256, 512, 1024 and 2048 channels at strides 4, 8, 16 and 32; at other widths they
    are rounded to multiples of 4. No weights were ever published.

    Each convolution is followed by a norm and has no bias. The authors' file is not
    usable as it is: it has no norm in any block, and parameters that never get a
    gradient. MACs equal the paper's; with a classifier there are 13.95M parameters at
    ratio 2, where the paper says 13.0M.

    Args:
        depth: 50, 101 or 152; the paper has 50.
        ratio: Output channels per intrinsic channel in every ghost module; the paper
            has 2 and 4.
        cheap_kernel_size: Kernel of the cheap operations, odd; the paper has 3.
        init_cfg: mmengine's initialization; ``None`` is Kaiming's. See
            :class:`MultiScaleBackbone`.
        **shared: The other arguments of :class:`MultiScaleBackbone`.

    Raises:
        OptionError: For an impossible argument.

    Example:
        >>> import torch
        >>> from ghostnet_mm.backbones import GhostResNet
        >>> backbone = GhostResNet(50, ratio=4, out_indices=(2, 3)).eval()
        >>> [tuple(m.shape) for m in backbone(torch.rand(1, 3, 64, 96))]
        [(1, 1024, 4, 6), (1, 2048, 2, 3)]
    """

    def __init__(
        self,
        depth: int = 50,
        *,
        ratio: int = 2,
        cheap_kernel_size: int = 3,
        init_cfg: dict[str, Any] | list[dict[str, Any]] | None = None,
        **shared: Any,
    ):
        super().__init__(
            init_cfg=KAIMING_INIT if init_cfg is None else init_cfg, **shared
        )
        self.depth = checked_choice("depth", depth, RESNET_BLOCKS)
        self.ratio = checked_ratio(ratio)
        self.cheap_kernel_size = checked_cheap_kernel_size(cheap_kernel_size)
        channels = self._scaled(STEM_CHANNELS)
        self.conv1 = self.style.conv(self.in_channels, channels, 7, stride=2)
        self.bn1 = self.style.norm(channels)
        self.act1 = self.style.act()
        self.maxpool = nn.MaxPool2d(3, stride=2, padding=1)
        self._build_stages(channels)
        self.out_channels = tuple(
            self._scaled(RESNET_CHANNELS[i] * EXPANSION) for i in self.out_indices
        )
        self._freeze()

    def _build_stages(self, in_channels: int) -> None:
        total_stride, dilation = 4, 1
        for stage in range(self.num_built_stages):
            channels = RESNET_CHANNELS[stage]
            out_channels = self._scaled(channels * EXPANSION)
            stride = self.stride_of(stage) // total_stride
            nominal_stride = 1 if stage == 0 else 2
            out_dilation = dilation * nominal_stride // stride
            blocks = []
            for index in range(RESNET_BLOCKS[self.depth][stage]):
                first = index == 0
                shape = ResidualShape(
                    in_channels=in_channels if first else out_channels,
                    channels=self._scaled(channels),
                    out_channels=out_channels,
                    stride=stride if first else 1,
                    dilation=dilation if first else out_dilation,
                    out_dilation=out_dilation,
                    project=first,
                    ratio=self.ratio,
                    cheap_kernel_size=self.cheap_kernel_size,
                )
                blocks.append(GhostResidual(shape, self.style))
            self.add_module(f"layer{stage + 1}", nn.Sequential(*blocks))
            total_stride *= stride
            in_channels, dilation = out_channels, out_dilation

    def stem_parts(self) -> list[nn.Module]:
        """Return the modules up to stride 4 that come before stage 0, in order."""
        return [self.conv1, self.bn1, self.act1, self.maxpool]

    def stage_blocks(self, stage: int) -> list[nn.Module]:
        """Return the bottlenecks of one stage, in order."""
        return list(getattr(self, f"layer{stage + 1}"))
