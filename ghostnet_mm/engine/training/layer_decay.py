"""Layer-wise learning rate decay for the backbones of this package.

Early layers of a pretrained backbone hold general features and should move less than
late ones. Source: "BEiT" (arXiv 2106.08254), where it is applied to transformers.
"""

from __future__ import annotations

from typing import Any

from mmengine.optim import DefaultOptimWrapperConstructor
from mmengine.registry import OPTIM_WRAPPER_CONSTRUCTORS
from torch import nn

from ...backbones.base import MultiScaleBackbone
from ...errors import OptionError


def layer_distances(backbone: MultiScaleBackbone) -> dict[nn.Parameter, int]:
    """Return how many layers each parameter is away from the end of the backbone.

    The stem is one layer and every block is one; the last block has distance 1, and
    what is behind the backbone 0.
    """
    layers = [backbone.stem_parts()]
    for stage in range(backbone.num_built_stages):
        layers += [[block] for block in backbone.stage_blocks(stage)]
    return {
        parameter: len(layers) - index
        for index, layer in enumerate(layers)
        for module in layer
        for parameter in module.parameters()
    }


@OPTIM_WRAPPER_CONSTRUCTORS.register_module()
class GhostLayerDecayOptimWrapperConstructor(DefaultOptimWrapperConstructor):
    """Multiplies the learning rate of a layer by ``decay_rate ** distance``.

    `layer_distances` defines the distance. The rates then follow the schedule in
    proportion. mmdet's own constructor of this kind knows ConvNeXt only.

    Args:
        optim_wrapper_cfg: As mmengine's; ``optimizer.lr`` is the rate of neck and
            heads.
        paramwise_cfg: ``decay_rate`` in (0, 1], and all that mmengine's default
            constructor takes: ``norm_decay_mult``, ``bias_decay_mult``, ``custom_keys``
            and the rest; learning rate factors are multiplied.

    Raises:
        OptionError: The rate is impossible, or the backbone is of another package.
    """

    def __init__(
        self,
        optim_wrapper_cfg: dict[str, Any],
        paramwise_cfg: dict[str, Any] | None = None,
    ):
        super().__init__(optim_wrapper_cfg, paramwise_cfg)
        rate = self.paramwise_cfg.get("decay_rate")
        if not isinstance(rate, (int, float)) or not 0 < rate <= 1:
            raise OptionError(
                f"optim_wrapper.paramwise_cfg.decay_rate={rate!r} is not "
                f"possible: give a number above 0 and up to 1, such as 0.8."
            )
        self.decay_rate = rate
        if self.base_lr is None:
            raise OptionError(
                "Layer-wise decay needs optim_wrapper.optimizer.lr: the learning rate "
                "of neck and heads."
            )
        self.highest_rate: float = self.base_lr

    def add_params(
        self,
        params: list[dict[str, Any]],
        module: nn.Module,
        prefix: str = "",
        **kwargs,
    ) -> None:
        """Add the parameter groups of ``module``, a whole detector at first.

        Args:
            params: The groups, extended in place.
            module: The detector, or a part of it when called from within.
            prefix: The name of the part; empty for the detector.
            **kwargs: What mmengine's constructor passes on to itself.
        """
        if not any(parameter.requires_grad for parameter in module.parameters()):
            return  # mmengine warns of every single frozen parameter
        if prefix:
            super().add_params(params, module, prefix, **kwargs)
            return
        backbone = getattr(module, "backbone", None)
        if not isinstance(backbone, MultiScaleBackbone):
            raise OptionError(
                f"Layer-wise decay knows the backbones of ghostnet_mm, not "
                f"{type(backbone).__name__}; take it out, or use paramwise_cfg."
                f"custom_keys."
            )
        distances = layer_distances(backbone)
        single: list[dict[str, Any]] = []
        super().add_params(single, module, prefix, **kwargs)
        merged: dict[tuple, dict[str, Any]] = {}
        for group in single:
            (parameter,) = group.pop("params")
            factor = self.decay_rate ** distances.get(parameter, 0)
            group["lr"] = group.get("lr", self.highest_rate) * factor
            # One group per parameter would take fused optimizers their advantage.
            key = tuple(sorted(group.items()))
            merged.setdefault(key, dict(group, params=[]))["params"].append(parameter)
        params.extend(merged.values())
