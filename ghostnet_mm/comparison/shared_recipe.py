"""One recipe for all candidates: data, pipelines, optimizer, schedule and hooks."""

import copy
from collections.abc import MutableMapping
from typing import Any

from mmengine.config import Config

from ..configuration import Options, load_config
from ..configuration.options import Folders
from ..errors import OptionError
from .compared_detectors import ComparedDetector

# Of mmdet's PipelineSwitchHook and YOLOXModeSwitchHook.
HOOK_EPOCHS = ("switch_epoch", "num_last_epochs")
SCHEDULE_LENGTHS = ("begin", "end", "T_max")


def candidate_config(
    recipe: Config, candidate: ComparedDetector, data_root: Folders
) -> Config:
    """Put a candidate's model into a recipe.

    What a model's own config says of data, augmentation, optimizer and hooks is left
    out, its ``batch_augments`` (multi-scale training) too: they belong to the recipe.

    Args:
        recipe: The recipe, as `load_recipe` returns it.
        candidate: What is to be trained.
        data_root: The folder or folders that the recipe reads.

    Raises:
        UserError: The candidate's config or its options are impossible.
    """
    own = load_config(
        candidate.config,
        Options(
            cfg_options=candidate.cfg_options,
            data_root=data_root,
            backbone_weights=candidate.backbone_weights,
        ),
    )
    merged = copy.deepcopy(recipe.to_dict())
    merged["model"] = own.model.to_dict()
    preprocessor = merged["model"].get("data_preprocessor") or {}
    preprocessor.pop("batch_augments", None)
    imports = [*_imports(recipe), *_imports(own)]
    merged["custom_imports"] = dict(
        imports=list(dict.fromkeys(imports)), allow_failed_imports=False
    )
    return Config(merged, filename=own.filename)


def load_recipe(path: str, data_root: Folders, epochs: int | None) -> Config:
    """Read the config whose data, optimizer, schedule and hooks all candidates share.

    Args:
        path: The config file.
        data_root: The folder or folders, in any format that training reads.
        epochs: The budget; schedules that count epochs are stretched to it.

    Raises:
        UserError: The config or the data are impossible.
    """
    cfg = load_config(path, Options(data_root=data_root, backbone_weights="none"))
    if cfg.get("val_evaluator") is None or cfg.get("train_dataloader") is None:
        raise OptionError(f"The recipe {path} has no training data or no evaluator.")
    if epochs is not None:
        set_epochs(cfg, epochs)
    if "max_epochs" in cfg.train_cfg:
        # The score is that of the end: what is between only takes time.
        cfg.train_cfg.val_interval = cfg.train_cfg.max_epochs
        cfg.train_cfg.pop("dynamic_intervals", None)
    return cfg


def set_epochs(cfg: Config, epochs: int) -> None:
    """Change the length of an epoch-based schedule, in place.

    Raises:
        OptionError: The length is impossible, or the config counts iterations.
    """
    if epochs < 1:
        raise OptionError(f"--epochs {epochs} is not possible: give at least 1.")
    loop: Any = cfg.train_cfg
    if "max_epochs" not in loop:
        raise OptionError(
            "--epochs needs a recipe that counts epochs: its train_cfg has no "
            "max_epochs."
        )
    stretch = epochs / loop["max_epochs"]
    loop["max_epochs"] = epochs
    _stretch_hooks(cfg, stretch)
    for scheduler in _schedulers(cfg):
        if not scheduler.get("by_epoch", True):
            continue
        for key in SCHEDULE_LENGTHS:
            if isinstance(scheduler.get(key), int):
                scheduler[key] = round(scheduler[key] * stretch)
        if "end" in scheduler:
            scheduler["end"] = max(scheduler["end"], scheduler.get("begin", 0) + 1)
        if "milestones" in scheduler:
            scheduler["milestones"] = [
                round(epoch * stretch) for epoch in scheduler["milestones"]
            ]


def _stretch_hooks(cfg: Config, stretch: float) -> None:
    """Move the epochs at which hooks change the augmentation."""
    for hook in cfg.get("custom_hooks") or []:
        for key in HOOK_EPOCHS:
            if key in hook:
                hook[key] = max(round(hook[key] * stretch), 1)


def _schedulers(cfg: Config) -> list[MutableMapping[str, Any]]:
    found = cfg.get("param_scheduler") or []
    return [found] if isinstance(found, MutableMapping) else list(found)


def _imports(cfg: Config) -> list[str]:
    return list((cfg.get("custom_imports") or {}).get("imports", []))
