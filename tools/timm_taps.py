"""timm's Ghost models, stepped to the last block of each stride, for comparisons."""

from collections.abc import Sequence
from typing import Any

import timm
from mmengine.model import BaseModule
from torch import Tensor, nn

# timm's name, our registered class, width.
VARIANTS = (
    ("ghostnet_050", "GhostNet", 0.5),
    ("ghostnet_100", "GhostNet", 1.0),
    ("ghostnet_130", "GhostNet", 1.3),
    ("ghostnetv2_100", "GhostNetV2", 1.0),
    ("ghostnetv2_130", "GhostNetV2", 1.3),
    ("ghostnetv2_160", "GhostNetV2", 1.6),
    ("ghostnetv3_050", "GhostNetV3", 0.5),
    ("ghostnetv3_100", "GhostNetV3", 1.0),
    ("ghostnetv3_130", "GhostNetV3", 1.3),
    ("ghostnetv3_160", "GhostNetV3", 1.6),
    ("repghostnet_050", "RepGhostNet", 0.5),
    ("repghostnet_058", "RepGhostNet", 0.58),
    ("repghostnet_080", "RepGhostNet", 0.8),
    ("repghostnet_100", "RepGhostNet", 1.0),
    ("repghostnet_111", "RepGhostNet", 1.11),
    ("repghostnet_130", "RepGhostNet", 1.3),
    ("repghostnet_150", "RepGhostNet", 1.5),
    ("repghostnet_200", "RepGhostNet", 2.0),
)
LAST_GROUPS = (2, 4, 6, 8)
HEAD_KEYS = ("blocks.9.", "conv_head.", "classifier.")


class TimmTaps(BaseModule):
    """timm's own blocks, with the maps that ours return.

    Args:
        name: timm's model name.
        out_indices: Wanted maps, 0 to 3 for strides 4 to 32; nothing past the last is
            kept.
        norm_eval: Keeps norm statistics fixed while training.
    """

    def __init__(
        self,
        name: str,
        out_indices: Sequence[int] = (0, 1, 2, 3),
        norm_eval: bool = False,
    ):
        super().__init__()
        net: Any = timm.create_model(name, pretrained=False)
        self.groups = [LAST_GROUPS[index] for index in out_indices]
        self.norm_eval = norm_eval
        self.conv_stem, self.bn1, self.act1 = net.conv_stem, net.bn1, net.act1
        self.blocks = net.blocks[: self.groups[-1] + 1]

    def train(self, mode: bool = True) -> "TimmTaps":
        """Switch the mode; with ``norm_eval`` norms stay in eval mode."""
        super().train(mode)
        if self.norm_eval:
            for module in self.modules():
                if isinstance(module, nn.BatchNorm2d):
                    module.eval()
        return self

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """Return the wanted maps of ``(N, 3, H, W)`` images, finest first."""
        x = self.act1(self.bn1(self.conv_stem(x)))
        maps = []
        for index, group in enumerate(self.blocks):
            x = group(x)
            if index in self.groups:
                maps.append(x)
        return tuple(maps)


def randomize_norms(model: nn.Module) -> nn.Module:
    """Give every batch norm statistics and weights that are far from the identity."""
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            assert module.running_mean is not None
            assert module.running_var is not None
            module.running_mean.normal_(0, 0.3)
            module.running_var.uniform_(0.5, 2.0)
            module.weight.data.uniform_(0.5, 1.5)
            module.bias.data.normal_(0, 0.3)
    return model
