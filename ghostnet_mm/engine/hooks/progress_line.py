"""The progress of a run on one line: where it is, how it does, when it ends."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Mapping, Sequence
from typing import Any

from ghostnet_runtime.status_line import StatusLine, plain_duration
from mmengine.dist import get_world_size, is_main_process
from mmengine.hooks import Hook
from mmengine.registry import HOOKS
from mmengine.runner import EpochBasedTrainLoop, Runner

from ...evaluation.coco_table import summary
from .validation_losses import validation_losses

# Until a validation has been timed, an image is taken to cost this share of a training
# image: the forward pass without the backward.
ASSUMED_VALIDATION_COST = 1 / 3
WINDOW = 50


@HOOKS.register_module()
class ProgressLine(Hook):
    """Shows epoch, iteration, loss, learning rate, images/s, elapsed time and ETA.

    The ETA counts the iterations and the validations that are left. Only the first
    process of a parallel run prints; images/s are those of all processes.

    Args:
        interval: Seconds between lines where stdout is no terminal.
    """

    priority = "LOW"

    def __init__(self, interval: float = 10.0):
        self.interval = interval
        self._iteration_times: deque[float] = deque(maxlen=WINDOW)
        self._batch_sizes: deque[int] = deque(maxlen=WINDOW)
        self._validation_time: float | None = None

    def before_run(self, runner: Runner) -> None:
        """Start the clock."""
        self.line = StatusLine(self.interval)
        self._started = self._validation_started = self._last = time.monotonic()
        self._seen = 0

    def before_train_epoch(self, runner: Runner) -> None:
        """Leave the time of a validation out of the next iteration's."""
        self._last = time.monotonic()

    def after_train_iter(
        self,
        runner: Runner,
        batch_idx: int,
        data_batch: Any = None,
        outputs: Mapping[str, Any] | None = None,
    ) -> None:
        """Time the iteration and show it."""
        now = time.monotonic()
        self._iteration_times.append(now - self._last)
        self._batch_sizes.append(_batch_size(data_batch))
        self._last = now
        is_last = runner.iter + 1 >= runner.max_iters
        if is_main_process() and (self.line.is_due() or is_last):
            self.line.show(self._training_text(runner, batch_idx, outputs or {}))

    def before_val_epoch(self, runner: Runner) -> None:
        """Start timing a validation."""
        self._start_evaluation()

    def before_test_epoch(self, runner: Runner) -> None:
        """Start timing a test."""
        self._start_evaluation()

    def after_val_iter(
        self,
        runner: Runner,
        batch_idx: int,
        data_batch: Any = None,
        outputs: Sequence | None = None,
    ) -> None:
        """Show how far the validation is."""
        self._show_evaluation("validating", runner.val_dataloader, data_batch)

    def after_test_iter(
        self,
        runner: Runner,
        batch_idx: int,
        data_batch: Any = None,
        outputs: Sequence | None = None,
    ) -> None:
        """Show how far the test is."""
        self._show_evaluation("testing", runner.test_dataloader, data_batch)

    def after_val_epoch(
        self, runner: Runner, metrics: Mapping[str, float] | None = None
    ) -> None:
        """Print the scores of the epoch."""
        self._validation_time = time.monotonic() - self._validation_started
        if is_main_process():
            place = self._place(runner)
            loss = validation_losses(runner).get("val_loss")
            beside = "" if loss is None else f"  loss {loss:.3f}"
            self.line.say(f"{place} validation: {summary(metrics or {})}{beside}")
        # An iteration-based loop validates between two iterations.
        self._last = time.monotonic()

    def after_test_epoch(
        self, runner: Runner, metrics: Mapping[str, float] | None = None
    ) -> None:
        """Take the line away."""
        self.line.clear()

    def after_train(self, runner: Runner) -> None:
        """Say how long the run took."""
        if is_main_process():
            elapsed = plain_duration(time.monotonic() - self._started)
            self.line.say(f"trained in {elapsed}")

    def _start_evaluation(self) -> None:
        self._validation_started = time.monotonic()
        self._seen = 0

    def _show_evaluation(self, verb: str, loader: Any, data_batch: Any) -> None:
        world = get_world_size()
        self._seen += _batch_size(data_batch) * world
        total = len(loader.dataset)
        done = min(self._seen, total)
        if not is_main_process() or not (self.line.is_due() and done):
            return
        elapsed = time.monotonic() - self._validation_started
        left = elapsed / done * (total - done)
        self.line.show(
            f"{verb} {done}/{total} images  {done / max(elapsed, 1e-9):.1f} images/s  "
            f"ETA {plain_duration(left)}"
        )

    def _training_text(
        self, runner: Runner, batch_idx: int, outputs: Mapping[str, Any]
    ) -> str:
        spent = sum(self._iteration_times)
        images_per_second = sum(self._batch_sizes) * get_world_size() / max(spent, 1e-9)
        loss = outputs.get("loss")
        loss = float("nan") if loss is None else float(loss.detach())
        rate = runner.optim_wrapper.get_lr()
        # Groups may differ, as with layer decay: the rate of the fastest.
        rate = max(next(iter(rate.values()))) if rate else float("nan")
        elapsed = time.monotonic() - self._started
        if _is_by_epoch(runner):
            place = (
                f"{self._place(runner)} iter {batch_idx + 1}/"
                f"{len(runner.train_dataloader)}"
            )
        else:
            place = self._place(runner)
        return (
            f"{place}  loss {loss:.4f}  lr {rate:.3g}  {images_per_second:.1f} "
            f"images/s  elapsed {plain_duration(elapsed)}  "
            f"ETA {plain_duration(self._seconds_left(runner))}"
        )

    def _place(self, runner: Runner) -> str:
        if _is_by_epoch(runner):
            # The loop counts an epoch only when it is over.
            epoch = runner.epoch + (0 if self._is_validating(runner) else 1)
            return f"epoch {epoch}/{runner.max_epochs}"
        done = runner.iter + (0 if self._is_validating(runner) else 1)
        return f"iter {done}/{runner.max_iters}"

    @staticmethod
    def _is_validating(runner: Runner) -> bool:
        return runner.message_hub.get_info("loop_stage", "train") == "val"

    def _seconds_left(self, runner: Runner) -> float:
        iteration = sum(self._iteration_times) / max(len(self._iteration_times), 1)
        seconds = (runner.max_iters - runner.iter - 1) * iteration
        left = self._validations_left(runner)
        # Without any there may be no validation loop to ask.
        return seconds + (left * self._one_validation(runner, iteration) if left else 0)

    def _validations_left(self, runner: Runner) -> int:
        loop = runner.train_loop
        if runner.val_loop is None:
            return 0
        by_epoch = _is_by_epoch(runner)
        done = runner.epoch if by_epoch else runner.iter
        last = runner.max_epochs if by_epoch else runner.max_iters
        # Every val_interval-th step from val_begin on, and the last one in any case.
        first = max(done, loop.val_begin - 1)
        regular = max(last // loop.val_interval - first // loop.val_interval, 0)
        return regular + (last % loop.val_interval != 0)

    def _one_validation(self, runner: Runner, iteration: float) -> float:
        if self._validation_time is not None:
            return self._validation_time
        images = sum(self._batch_sizes) / max(len(self._batch_sizes), 1)
        per_image = iteration / max(images, 1) * ASSUMED_VALIDATION_COST
        return len(runner.val_dataloader.dataset) / get_world_size() * per_image


def _is_by_epoch(runner: Runner) -> bool:
    return isinstance(runner.train_loop, EpochBasedTrainLoop)


def _batch_size(data_batch: Any) -> int:
    inputs = data_batch.get("inputs") if isinstance(data_batch, Mapping) else None
    return len(inputs) if inputs is not None else 0
