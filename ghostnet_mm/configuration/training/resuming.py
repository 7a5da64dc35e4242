"""Which checkpoint a run goes on from."""

import os

from mmengine.config import Config
from mmengine.runner import find_latest_checkpoint

from ...checkpoints.unpacked import refuse_unpacked
from ...errors import CheckpointError
from ..options import LATEST


def set_resume(cfg: Config, resume: str) -> None:
    """Do what ``--resume [PATH]`` asks.

    Args:
        cfg: The config to change.
        resume: A checkpoint, or ``LATEST`` for that of the work dir.

    Raises:
        CheckpointError: The checkpoint does not exist.
    """
    cfg.resume = True
    cfg.load_from = None
    if resume != LATEST:
        resume = os.path.expanduser(resume)
        refuse_unpacked(resume)
        if not os.path.isfile(resume):
            raise CheckpointError(
                f"The checkpoint {resume} to resume from does not exist; check the "
                f"path, or give --resume alone for the latest one of the work dir."
            )
        cfg.load_from = resume


def checkpoint_to_resume(cfg: Config) -> str | None:
    """Return the checkpoint that a run with ``cfg`` will resume from, if any."""
    if not cfg.get("resume"):
        return None
    if cfg.get("load_from") is not None:
        return cfg.load_from
    if not os.path.isdir(cfg.work_dir):
        return None
    return find_latest_checkpoint(cfg.work_dir)
