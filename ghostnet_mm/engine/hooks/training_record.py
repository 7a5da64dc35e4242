"""Keeps the curves of a run, and tells those who want to know how it goes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from mmengine.hooks import Hook
from mmengine.runner import EpochBasedTrainLoop, Runner
from torch import Tensor

from ..run_record import Callback, Callbacks, Progress
from .stop_on_signal import StopOnSignal
from .validation_losses import validation_losses


class TrainingRecord(Hook):
    """Collects a `Progress` per epoch, and calls the user's functions.

    Args:
        callbacks: Those functions.
        states: Writes a checkpoint of where the run is before one of them ends it.

    Attributes:
        epochs: The records.
    """

    # After the hooks that write checkpoints.
    priority = "LOWEST"

    def __init__(self, callbacks: Callbacks, states: StopOnSignal):
        self.epochs: list[Progress] = []
        self._callbacks, self._states = callbacks, states
        self._sums: dict[str, Tensor | float] = {}
        self._count = 0
        self._waiting: Progress | None = None

    def after_train_iter(
        self,
        runner: Runner,
        batch_idx: int,
        data_batch: Any = None,
        outputs: Mapping[str, Any] | None = None,
    ) -> None:
        """Add up the losses; as tensors, for reading them would wait for the GPU."""
        losses = {name: _plain(value) for name, value in (outputs or {}).items()}
        for name, value in losses.items():
            self._sums[name] = self._sums.get(name, 0.0) + value
        self._count += 1
        if self._callbacks.on_iteration_end is not None:
            numbers = {name: float(value) for name, value in losses.items()}
            progress = _progress(runner, numbers, {}, within_iteration=True)
            self._call(self._callbacks.on_iteration_end, runner, progress)

    def before_train_epoch(self, runner: Runner) -> None:
        """Finish an epoch that had no validation."""
        self._finish_epoch(runner)

    def after_train_epoch(self, runner: Runner) -> None:
        """Wait whether the epoch is validated."""
        self._waiting = _progress(runner, self._means(), {}, within_epoch=True)

    def after_val_epoch(
        self, runner: Runner, metrics: Mapping[str, float] | None = None
    ) -> None:
        """Finish an epoch, or in a run without any a stretch, with its scores."""
        waiting = self._waiting
        losses = self._means() if waiting is None else waiting.losses
        self._waiting = replace(
            _progress(runner, losses, _numbers(metrics or {})),
            validation_losses=validation_losses(runner),
        )
        if self._callbacks.on_validation_end is not None:
            self._call(self._callbacks.on_validation_end, runner, self._waiting)
        self._finish_epoch(runner)

    def after_train(self, runner: Runner) -> None:
        """Finish the last epoch."""
        self._finish_epoch(runner)

    def _finish_epoch(self, runner: Runner) -> None:
        progress, self._waiting = self._waiting, None
        if progress is None:
            return
        self.epochs.append(progress)
        if self._callbacks.on_epoch_end is not None and progress.epoch:
            self._call(self._callbacks.on_epoch_end, runner, progress)

    def _call(self, function: Callback, runner: Runner, progress: Progress) -> None:
        try:
            function(progress)
        except BaseException:
            self._finish_row(progress)
            self._states.keep_state(runner, progress.iteration)
            raise

    def _finish_row(self, progress: Progress) -> None:
        """Keep a validation's row that its callback has ended."""
        if self._waiting is progress:
            self.epochs.append(progress)
            self._waiting = None

    def _means(self) -> dict[str, float]:
        means = {name: float(v) / self._count for name, v in self._sums.items()}
        self._sums, self._count = {}, 0
        return means


def _progress(
    runner: Runner,
    losses: Mapping[str, float],
    scores: Mapping[str, float],
    *,
    within_iteration: bool = False,
    within_epoch: bool = False,
) -> Progress:
    """Say where a run is; its loop counts what is going on only when it is over."""
    by_epoch = isinstance(runner.train_loop, EpochBasedTrainLoop)
    epoch = runner.epoch + (within_iteration or within_epoch)
    rates = runner.optim_wrapper.get_lr()
    return Progress(
        epoch if by_epoch else 0,
        runner.max_epochs if by_epoch else None,
        runner.iter + within_iteration,
        runner.max_iters,
        losses,
        scores,
        # Groups may differ, as with layer decay.
        max(rate for group in rates.values() for rate in group),
        Path(runner.work_dir),
    )


def _plain(value: Any) -> Tensor | float:
    return value.detach() if isinstance(value, Tensor) else float(value)


def _numbers(scores: Mapping[str, Any]) -> dict[str, float]:
    return {k: float(v) for k, v in scores.items() if isinstance(v, int | float)}
