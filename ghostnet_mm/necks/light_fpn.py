"""A feature pyramid whose output convolutions are depthwise-separable."""

from typing import Any

from mmcv.cnn import DepthwiseSeparableConvModule
from mmdet.models.necks import FPN
from mmdet.registry import MODELS
from torch import nn

from ..errors import OptionError


@MODELS.register_module()
class LightFPN(FPN):
    """mmdet's ``FPN`` with depthwise-separable convolutions in place of its 3x3 ones.

    mmdet builds lateral and output convolutions from the same ``conv_cfg``, so no
    option of its own does this. With 96 channels the output convolutions cost about an
    eighth of the plain ones with a kernel of 3, and a seventh with 5.

    Args:
        in_channels: Channels of each input map, finest first.
        out_channels: Channels of every output map.
        num_outs: Maps to return.
        kernel_size: Kernel of the depthwise convolutions, odd.
        conv_cfg: Convolution type, ``None`` for plain ones.
        norm_cfg: Norm type, ``None`` for none, as in ``FPN``.
        act_cfg: Activation type, ``None`` for none, as in ``FPN``.
        **kwargs: ``FPN``'s other arguments.

    Raises:
        OptionError: ``kernel_size`` is not odd.

    Example:
        >>> import torch
        >>> from ghostnet_mm.necks import LightFPN
        >>> neck = LightFPN([40, 112], out_channels=96, num_outs=3).eval()
        >>> maps = neck((torch.rand(1, 40, 20, 20), torch.rand(1, 112, 10, 10)))
        >>> [tuple(features.shape) for features in maps]
        [(1, 96, 20, 20), (1, 96, 10, 10), (1, 96, 5, 5)]
    """

    fpn_convs: nn.ModuleList

    def __init__(
        self,
        in_channels: list[int],
        out_channels: int,
        num_outs: int,
        kernel_size: int = 5,
        conv_cfg: dict[str, Any] | None = None,
        norm_cfg: dict[str, Any] | None = None,
        act_cfg: dict[str, Any] | None = None,
        **kwargs: Any,
    ):
        layers = dict(conv_cfg=conv_cfg, norm_cfg=norm_cfg, act_cfg=act_cfg)
        super().__init__(in_channels, out_channels, num_outs, **layers, **kwargs)
        if kernel_size < 1 or kernel_size % 2 == 0:
            raise OptionError(
                f"kernel_size={kernel_size} is not possible: give an odd number such "
                "as 3 or 5."
            )
        self.fpn_convs = nn.ModuleList(
            DepthwiseSeparableConvModule(
                plain.in_channels,
                plain.out_channels,
                kernel_size,
                stride=plain.stride,
                padding=kernel_size // 2,
                **layers,
            )
            for plain in self.fpn_convs
        )
