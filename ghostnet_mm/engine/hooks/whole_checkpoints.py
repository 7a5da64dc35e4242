"""Checkpoints that replace others only when they are on the disk."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ghostnet_runtime.atomic_writing import write_text
from mmengine.dist import is_main_process
from mmengine.hooks import CheckpointHook
from mmengine.registry import HOOKS
from mmengine.runner import Runner

from ...configuration.training.resuming import INTERRUPTED, LAST_CHECKPOINT


class _RemovalsLater:
    """A file backend of mmengine that notes what to remove, and does all else."""

    def __init__(self, backend: Any):
        self.backend = backend
        self.removals: list[str] = []

    def remove(self, path: str) -> None:
        self.removals.append(path)

    def rmtree(self, path: str) -> None:
        self.removals.append(path)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.backend, name)


@HOOKS.register_module()
class WholeCheckpoints(CheckpointHook):
    """mmengine's ``CheckpointHook``, which never removes the last one there is.

    mmengine removes the oldest checkpoint, and the best one so far, before it writes
    the one that takes their place: killed in between, a run has neither. Here what is
    outdated goes when the new file is on the disk. Takes the same arguments.
    """

    def _save_checkpoint_with_step(
        self, runner: Runner, step: int, meta: dict[str, Any]
    ) -> None:
        with self._removals_later():
            super()._save_checkpoint_with_step(runner, step, meta)
            if is_main_process():
                # Once more, and whole: --resume and others read it.
                write_text(
                    os.path.join(runner.work_dir, LAST_CHECKPOINT), str(self.last_ckpt)
                )
                Path(runner.work_dir, INTERRUPTED).unlink(missing_ok=True)

    def _save_best_checkpoint(self, runner: Runner, metrics: dict[str, Any]) -> None:
        with self._removals_later():
            super()._save_best_checkpoint(runner, metrics)

    @contextmanager
    def _removals_later(self) -> Iterator[None]:
        backend: Any = vars(self)["file_backend"]  # set by mmengine, untyped
        self.file_backend = later = _RemovalsLater(backend)
        try:
            yield
        finally:
            self.file_backend = backend
        # A run that was resumed may have written one anew under the same name.
        kept = {self.last_ckpt, getattr(self, "best_ckpt_path", None)}
        kept |= set(getattr(self, "best_ckpt_path_dict", {}).values())
        for path in later.removals:
            if path in kept:
                continue
            if backend.isdir(path):
                backend.rmtree(path)
            elif backend.isfile(path):
                backend.remove(path)
