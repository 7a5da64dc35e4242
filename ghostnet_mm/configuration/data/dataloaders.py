"""The worker processes of dataloaders: no more than cores, no settings without any."""

from __future__ import annotations

import os
from collections.abc import Collection

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


def cap_workers(cfg: Config, chosen: Collection[str], *, told: bool) -> None:
    """Start no more workers than there are cores to run them.

    Recipes name the workers of a large machine; on a small one they wait for each other
    and fill its memory.

    Args:
        cfg: The config after ``--cfg-options``; changed in place.
        chosen: Keys that the user has set by name, which stay.
        told: Whether to say so.
    """
    cores = usable_cores()
    capped: dict[int, list[str]] = {}
    for split in SPLITS:
        loader = cfg.get(f"{split}_dataloader")
        workers = (loader or {}).get("num_workers", 0)
        if workers > cores and f"{split}_dataloader.num_workers" not in chosen:
            loader.num_workers = cores
            capped.setdefault(workers, []).append(split)
    for workers, splits in capped.items() if told else ():
        tell(
            f"{' and '.join(splits)}: {cores} loading "
            f"{'process' if cores == 1 else 'processes'}, one for each core, where the "
            f"config has {workers}"
        )


def usable_cores() -> int:
    """Return how many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):  # Linux
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
