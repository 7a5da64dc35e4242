"""Whether the weights that a run starts from can be had and fit, found out before it.

The model given here has been built without memory: its names and shapes say enough.
"""

from __future__ import annotations

import os
from typing import Any

from mmengine.config import Config
from torch import nn

from ..backbones.base import MultiScaleBackbone
from ..checkpoints import check_backbone_weights
from ..configuration.console import tell
from ..configuration.training.resuming import checkpoint_to_resume, find_checkpoint
from ..errors import CheckpointError, OptionError
from .detector_checkpoint import check_resumable, check_start_weights


def check_weights(model: nn.Module, cfg: Config) -> None:
    """Make sure that a training run has the weights that its config names.

    What is resumed is told.

    Args:
        model: The config's model; its tensors may be on the meta device.
        cfg: The config.

    Raises:
        CheckpointError: A file is missing, unusable or of another architecture.
        OptionError: The resumed run had other training features, or a source of weights
            is for other backbones.
    """
    resumed = checkpoint_to_resume(cfg)
    if resumed is not None:
        _tell_damaged(cfg)
        check_resumable(model, resumed, cfg)
        tell(f"resuming from {resumed}")
        return
    if cfg.get("resume"):
        _refuse_only_damaged(cfg)
        tell(f"{cfg.work_dir} has no checkpoint to resume: starting from the beginning")
    if cfg.get("load_from"):
        check_start_weights(model, cfg.load_from)
    backbone = getattr(model, "backbone", None)
    if isinstance(backbone, MultiScaleBackbone):
        for source in backbone.pretrained_sources():
            check_backbone_weights(backbone, source)
    else:
        _check_foreign_source(cfg.model.get("backbone"))


def _tell_damaged(cfg: Config) -> None:
    if cfg.get("load_from") is None:
        for path in find_checkpoint(cfg.work_dir).damaged:
            tell(f"{path} is cut off or damaged: going back to the one before")


def _refuse_only_damaged(cfg: Config) -> None:
    damaged = find_checkpoint(cfg.work_dir).damaged
    if damaged:
        raise CheckpointError(
            f"{', '.join(damaged)} is cut off or damaged, and {cfg.work_dir} has no "
            f"checkpoint before it; remove it, and --resume starts from the beginning."
        )


def forget_pretrained(model: dict[str, Any]) -> None:
    """Take the source of the backbone's weights out of a model's config, in place."""
    backbone = model.get("backbone")
    if isinstance(backbone, dict) and _source_of(backbone) is not None:
        backbone["init_cfg"] = None


def _source_of(backbone: object) -> str | None:
    init_cfg = backbone.get("init_cfg") if isinstance(backbone, dict) else None
    if not isinstance(init_cfg, dict) or init_cfg.get("type") != "Pretrained":
        return None
    return str(init_cfg["checkpoint"])


def _check_foreign_source(backbone: Any) -> None:
    source = _source_of(backbone)
    if source is None:
        return
    if source.startswith("timm://"):
        raise OptionError(
            f"{source} is for the GhostNet backbones of this package; give "
            f"{backbone['type']} a file or none with --backbone-weights."
        )
    if "://" not in source and not os.path.isfile(source):
        raise CheckpointError(
            f"The backbone weights {source} do not exist; pass a file, timm://NAME, or "
            f"none with --backbone-weights."
        )
