"""The project's configs, each read once and filled in once by a test process.

What is handed out is a copy, which a test may change.
"""

import copy
from functools import cache
from pathlib import Path

from mmengine.config import Config
from mmengine.registry import init_default_scope

from ghostnet_mm.configuration import Options, load_config

FOLDER = Path(__file__).resolve().parents[2] / "configs"


@cache
def _read(path: Path) -> Config:
    return Config.fromfile(path)


@cache
def _filled_in(path: Path) -> Config:
    return load_config(path, Options(backbone_weights="none"))


def as_written(path: Path) -> Config:
    """Return a config as mmengine reads it."""
    return copy.deepcopy(_read(path))


def from_scratch(path: Path) -> Config:
    """Return a config as `tools/train.py --backbone-weights none` fills it in."""
    cfg = copy.deepcopy(_filled_in(path))
    # Filling in does this too, and other tests undo it.
    init_default_scope(cfg.get("default_scope", "mmdet"))
    return cfg
