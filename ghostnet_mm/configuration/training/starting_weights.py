"""Which weights a backbone starts from, and what of it stays as it is.

Freezing keeps what was learnt before. Where nothing was, it keeps random numbers.
"""

from __future__ import annotations

import inspect
import os
from collections.abc import Mapping, Sequence
from typing import Any

from mmdet.registry import MODELS
from mmengine.config import Config

from ...backbones.base import MultiScaleBackbone
from ...checkpoints.unpacked import refuse_unpacked
from ...errors import CheckpointError, OptionError
from ..console import tell
from .resuming import checkpoint_to_resume

# Each freezes what the ones before it do, and more.
FREEZING: dict[str, dict[str, Any]] = {
    "none": dict(frozen_stages=-1, norm_eval=False),
    "norms": dict(frozen_stages=-1, norm_eval=True),
    "stem": dict(frozen_stages=0, norm_eval=True),
    "backbone": dict(frozen_stages=4, norm_eval=True),
}
NOTHING_FROZEN = FREEZING["none"]


def set_backbone_weights(cfg: Config, source: str) -> None:
    """Do what ``--backbone-weights SOURCE`` asks.

    Without weights, a backbone is let learn all it has to, and that is told.

    Raises:
        OptionError: The config has no backbone.
        CheckpointError: The file does not exist.
    """
    backbone = cfg.model.get("backbone")
    if not isinstance(backbone, dict):
        raise OptionError(
            "--backbone-weights needs a config with a model.backbone; use "
            "--cfg-options for this one."
        )
    if source == "none":
        backbone["init_cfg"] = None
        frozen = frozen_settings(backbone)
        backbone.update({name: NOTHING_FROZEN[name] for name in frozen})
        if frozen:
            tell(
                "training the backbone from scratch: "
                + ", ".join(f"{name}={NOTHING_FROZEN[name]}" for name in frozen)
            )
        return
    if "://" not in source:
        source = os.path.expanduser(source)
        refuse_unpacked(source)
        if not os.path.isfile(source):
            raise CheckpointError(
                f"The backbone weights {source} do not exist; pass a file, "
                f"timm://NAME, or none to train from scratch."
            )
    backbone["init_cfg"] = dict(type="Pretrained", checkpoint=source)


def freeze(cfg: Config, what: str) -> None:
    """Do what ``--freeze WHAT`` asks.

    Raises:
        OptionError: The config has no backbone of this package, or nothing that was
            learnt before.
    """
    backbone = backbone_of(cfg, "--freeze")
    if not is_multi_scale(backbone):
        raise OptionError(
            f"--freeze knows the backbones of ghostnet_mm, not {backbone.get('type')}; "
            f"set its model.backbone.frozen_stages with --cfg-options."
        )
    if what != "none" and _starts_from_scratch(cfg):
        detector = "the detector with --cfg-options load_from=PATH"
        if cfg.get("resume"):
            detector = (
                f"a checkpoint to resume with --resume PATH ({cfg.work_dir} has none)"
            )
        raise OptionError(
            f"--freeze {what} would keep random weights as they are; give the backbone "
            f"weights with --backbone-weights, or {detector}."
        )
    backbone.update(FREEZING[what])


def tell_frozen_random_weights(cfg: Config) -> None:
    """Say so where a backbone keeps random weights or statistics, whoever asked for it.

    ``--freeze`` refuses it; a config or ``--cfg-options`` may have a reason that does
    not show here, such as weights that a hook brings.
    """
    backbone = cfg.model.get("backbone")
    if not isinstance(backbone, Mapping) or not _starts_from_scratch(cfg):
        return
    frozen = frozen_settings(backbone)
    if frozen:
        settings = " and ".join(f"{name}={frozen[name]}" for name in frozen)
        tell(
            f"model.backbone starts from random weights, and {settings} keeps part of "
            f"them as they are: give it weights with --backbone-weights SOURCE, or let "
            f"all of it learn with --backbone-weights none"
        )


def frozen_settings(backbone: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings that keep parts of a backbone as they are.

    A class may freeze by default: mmdet's ResNet and our GGhostRegNet keep their norms.

    Args:
        backbone: The backbone's config.

    Returns:
        Those of ``norm_eval`` and ``frozen_stages`` that freeze, with their values.
    """
    kind = _registered(backbone)
    known = inspect.signature(kind).parameters if kind is not None else {}
    frozen = {}
    for name, value in reversed(NOTHING_FROZEN.items()):
        default = known[name].default if name in known else value
        stated = backbone.get(name, default)
        if stated != value:
            frozen[name] = stated
    return frozen


def backbone_of(cfg: Config, flag: str) -> dict[str, Any]:
    """Return the config of the backbone.

    Raises:
        OptionError: There is none; the message names the ``flag`` that needs it.
    """
    backbone = cfg.model.get("backbone")
    if not isinstance(backbone, dict):
        raise OptionError(f"{flag} needs a config with a model.backbone.")
    return backbone


def is_multi_scale(backbone: Mapping[str, Any]) -> bool:
    """Whether a backbone's config names one of this package's."""
    kind = _registered(backbone)
    return isinstance(kind, type) and issubclass(kind, MultiScaleBackbone)


def _registered(backbone: Mapping[str, Any]) -> Any:
    kind = backbone.get("type")
    return MODELS.get(kind) if isinstance(kind, str) else kind


def _starts_from_scratch(cfg: Config) -> bool:
    """Whether nothing that the config names brings the backbone any weights."""
    for part in (cfg.model, cfg.model.get("backbone") or {}):
        stated = part.get("init_cfg") or {}
        init_cfgs = stated if isinstance(stated, Sequence) else [stated]
        if any(init_cfg.get("type") == "Pretrained" for init_cfg in init_cfgs):
            return False
    return not (cfg.get("load_from") or checkpoint_to_resume(cfg))
