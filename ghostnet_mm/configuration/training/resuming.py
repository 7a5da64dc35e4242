"""Which checkpoint a run goes on from."""

import os

from mmengine.config import Config
from mmengine.runner import find_latest_checkpoint


def checkpoint_to_resume(cfg: Config) -> str | None:
    """Return the checkpoint that a run with ``cfg`` will resume from, if any."""
    if not cfg.get("resume"):
        return None
    if cfg.get("load_from") is not None:
        return cfg.load_from
    if not os.path.isdir(cfg.work_dir):
        return None
    return find_latest_checkpoint(cfg.work_dir)
