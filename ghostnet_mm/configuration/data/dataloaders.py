"""Settings of a dataloader that only mean something with worker processes."""

from __future__ import annotations

from mmengine.config import Config

from ..console import tell
from .class_folders import SPLITS

# PyTorch refuses each of them where num_workers is 0, at the start of an epoch.
WORKER_SETTINGS = (
    "persistent_workers",
    "prefetch_factor",
    "multiprocessing_context",
    "timeout",
)


def drop_settings_of_absent_workers(cfg: Config) -> None:
    """Take out, and tell, what dataloaders without workers say about their workers.

    Recipes keep their workers between epochs; ``num_workers=0``, which every guide
    advises for a first look or a small machine, should not need a second option.

    Args:
        cfg: The config after ``--cfg-options``; changed in place.
    """
    dropped: dict[str, list[str]] = {}
    for split in SPLITS:
        loader = cfg.get(f"{split}_dataloader")
        if not loader or loader.get("num_workers", 0) != 0:
            continue
        for name in WORKER_SETTINGS:
            if loader.get(name):
                setting = f"{name}={loader.pop(name)!r}"
                dropped.setdefault(setting, []).append(f"{split}_dataloader")
    for setting, places in dropped.items():
        tell(f"{', '.join(places)}: without workers there is no {setting}")
