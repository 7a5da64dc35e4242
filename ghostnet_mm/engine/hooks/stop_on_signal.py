"""Ctrl-C and SIGTERM: the step is finished, a checkpoint written, and the way shown."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import FrameType
from typing import Any

import torch
from ghostnet_runtime.atomic_writing import write_text
from mmengine.dist import all_reduce, get_world_size, is_main_process
from mmengine.hooks import Hook
from mmengine.runner import EpochBasedTrainLoop, Runner

from ...configuration.command_line import STATUS_INTERRUPTED, RunInterrupted
from ...configuration.console import tell
from ...configuration.training.resuming import INTERRUPTED, LAST_CHECKPOINT

STATUS_TERMINATED = 143
SIGNALS = {
    signal.SIGINT: ("Ctrl-C", STATUS_INTERRUPTED),
    signal.SIGTERM: ("SIGTERM", STATUS_TERMINATED),
}


class StopRequest:
    """Whether somebody has asked the run to stop.

    Attributes:
        signal: The signal that came, if any.
    """

    def __init__(self) -> None:
        self.signal: int | None = None
        self._process = os.getpid()

    def note(self, number: int, frame: FrameType | None) -> None:
        """Handle a signal: the first is noted, the second stops at once."""
        if os.getpid() != self._process:
            # A data worker, which has inherited the handler: Ctrl-C in a terminal
            # reaches it too, and it is the run's to end it.
            if number != signal.SIGINT:
                signal.signal(number, signal.SIG_DFL)
                os.kill(os.getpid(), number)
            return
        if self.signal is not None:
            raise RunInterrupted(SIGNALS[signal.Signals(number)][1])
        self.signal = number
        name = SIGNALS[signal.Signals(number)][0]
        tell(f"\n{name}: stopping after this step; once more stops at once")


@contextmanager
def stop_signals() -> Iterator[StopRequest]:
    """Note Ctrl-C and SIGTERM instead of stopping, inside the block.

    Signals reach the main thread only; elsewhere nothing changes.
    """
    request = StopRequest()
    if threading.current_thread() is not threading.main_thread():
        yield request
        return
    before = {number: signal.signal(number, request.note) for number in SIGNALS}
    try:
        yield request
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


class StopOnSignal(Hook):
    """Ends a run that was asked to stop, with a checkpoint of where it was.

    In a validation, the run stops at once where a checkpoint has just been written,
    and else when the validation is over.

    Args:
        request: Of `stop_signals`.
    """

    # After the hooks that change what a checkpoint holds.
    priority = "LOWEST"

    def __init__(self, request: StopRequest):
        self.request = request
        self._saved_at: int | None = None

    def before_save_checkpoint(self, runner: Runner, checkpoint: Any) -> None:
        """Remember that this state is on the disk, with all that resuming needs."""
        if "optimizer" in checkpoint:
            self._saved_at = checkpoint["meta"]["iter"]

    def after_train_iter(
        self,
        runner: Runner,
        batch_idx: int,
        data_batch: Any = None,
        outputs: Mapping[str, Any] | None = None,
    ) -> None:
        """Stop after an optimizer step."""
        # Batches that are still to be accumulated would be lost.
        if self._is_asked() and runner.optim_wrapper.should_update():
            self._stop(runner, runner.iter + 1)

    def after_val_iter(
        self,
        runner: Runner,
        batch_idx: int,
        data_batch: Any = None,
        outputs: Sequence[Any] | None = None,
    ) -> None:
        """Stop where nothing of the training would be lost."""
        if self._is_asked() and self._saved_at == runner.iter:
            self._end(runner)

    def after_val_epoch(
        self, runner: Runner, metrics: Mapping[str, float] | None = None
    ) -> None:
        """Stop after a validation."""
        if self._is_asked():
            self._stop(runner, runner.iter)

    def _is_asked(self) -> bool:
        if get_world_size() == 1:
            return self.request.signal is not None
        # All processes stop at the same step, whichever was asked.
        number = torch.tensor(self.request.signal or 0)
        all_reduce(number, op="max")
        if int(number):
            self.request.signal = int(number)
        return self.request.signal is not None

    def _stop(self, runner: Runner, iterations: int) -> None:
        self.keep_state(runner, iterations)
        self._end(runner)

    def keep_state(self, runner: Runner, iterations: int) -> None:
        """Write a checkpoint to resume from, unless this state is on the disk.

        Args:
            runner: Of the run.
            iterations: How many are done.
        """
        if self._saved_at != iterations:
            runner.save_checkpoint(
                runner.work_dir,
                INTERRUPTED,
                meta=dict(epoch=runner.epoch, iter=iterations),
                by_epoch=False,
            )
            if is_main_process():
                file = os.path.join(runner.work_dir, INTERRUPTED)
                write_text(os.path.join(runner.work_dir, LAST_CHECKPOINT), file)

    def _end(self, runner: Runner) -> None:
        loop = runner.train_loop
        if isinstance(loop, EpochBasedTrainLoop):
            epoch = min(runner.epoch + 1, runner.max_epochs)
            place = f"epoch {epoch}/{runner.max_epochs}"
        else:
            place = f"iteration {runner.iter}/{runner.max_iters}"
        tell(
            f"stopped in {place}, nothing is lost: go on with the same command and "
            f"--resume"
        )
        assert self.request.signal is not None
        raise RunInterrupted(SIGNALS[signal.Signals(self.request.signal)][1])
