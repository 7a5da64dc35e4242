"""Processes that load pictures, and signals that reach all processes of a run."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

from torch.utils.data import DataLoader

# A run that is told to stop finishes its step first and needs its pictures until then.
LAST_SECONDS = 60


def outlive_sigterm(loader: DataLoader) -> None:
    """Let a loader's workers live on for a while when the run is told to stop.

    Slurm, systemd and ``timeout`` send SIGTERM to every process of a run. A worker that
    dies at once takes the step down with it, and the checkpoint that is written then.

    Args:
        loader: Changed in place; its iteration has not begun.
    """
    if loader.num_workers:
        loader.worker_init_fn = partial(_start, loader.worker_init_fn)


def end_workers(loaders: Iterable[Any]) -> None:
    """End workers that persist; at Python's end they would be waited for.

    Args:
        loaders: Loaders; what is none, or has no workers, is passed over.
    """
    for loader in loaders:
        iterator: Any = getattr(loader, "_iterator", None)
        if hasattr(iterator, "_shutdown_workers"):
            loader._iterator = None
            iterator._shutdown_workers()


def _start(start: Callable[[int], Any] | None, worker: int) -> None:
    signal.signal(signal.SIGTERM, _end_soon)
    if start is not None:
        start(worker)


def _end_soon(*_: object) -> None:
    # The main process ends a worker by a message; this is for one that does not listen.
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.alarm(LAST_SECONDS)
