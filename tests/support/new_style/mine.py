# A config that builds on another one, in mmengine's new style.
from mmengine.config import read_base

with read_base():
    from .tiny_base import *  # noqa: F403

train_cfg.update(max_epochs=1, val_interval=1)  # noqa: F405
