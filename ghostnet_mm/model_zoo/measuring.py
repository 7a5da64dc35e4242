"""Filling the metafile with what can be computed and measured."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from mmdet.registry import MODELS
from mmdet.utils import register_all_modules
from mmengine.config import Config
from mmengine.registry import init_default_scope
from torch import nn

from ..configuration import Options, load_config
from ..configuration.model.building import build_on_meta
from ..configuration.model.task_scopes import scope_of
from ..fusion.deploy_form import reparameterized
from ..measuring.complexity import measure_complexity
from ..measuring.detector_complexity import model_channels, network_pass


def entry_config(entry: dict[str, Any], root: str | Path) -> Config:
    """Load an entry's config, without weights."""
    register_all_modules(init_default_scope=False)
    path = Path(root) / entry["Config"]
    return load_config(path, Options(backbone_weights="none"), training=False)


def count(entry: dict[str, Any], root: str | Path) -> tuple[int, int]:
    """Return the parameters and multiply-accumulates of an entry's network.

    Branches that only train count for neither: the deployed form is counted. Networks
    run without memory; those whose second stage needs numbers run on the CPU.
    """
    cfg = entry_config(entry, root)
    init_default_scope(scope_of(cfg))
    size = tuple(entry["Metadata"]["Input Size"])
    try:
        return _count(build_on_meta(cfg.model, "model"), cfg, size)
    except (NotImplementedError, RuntimeError):
        return _count(MODELS.build(cfg.model), cfg, size)


def _count(model: nn.Module, cfg: Config, size: tuple[int, int]) -> tuple[int, int]:
    model = reparameterized(model)
    run = network_pass(model, model_channels(cfg), size)
    total = measure_complexity(model, run, {})[-1]
    return total.parameters, total.macs


def latency_pass(entry: dict[str, Any], root: str | Path) -> Callable[[], object]:
    """Return a function that runs an entry's deployed network on one image."""
    cfg = entry_config(entry, root)
    init_default_scope(scope_of(cfg))
    model = reparameterized(MODELS.build(cfg.model))
    size = tuple(entry["Metadata"]["Input Size"])
    return network_pass(model, model_channels(cfg), size)
