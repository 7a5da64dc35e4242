"""A loop without epochs that goes on where an interrupted run had stopped."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

from mmengine.dist import get_rank
from mmengine.hooks import CheckpointHook
from mmengine.registry import LOOPS
from mmengine.runner import IterBasedTrainLoop
from torch import nn

from ..loading.sample_order import caching_transforms, seed_by
from ..loading.signals import end_workers
from ..loading.surviving_loader import SurvivingLoader, surviving
from .epoch_loop import use_seed_of_run


@LOOPS.register_module()
class ResumableIterationLoop(IterBasedTrainLoop):
    """mmengine's loop by iterations, which can be resumed as if never stopped.

    As with `ResumableEpochLoop`, all random numbers follow from the seed and from how
    far the run is. mmengine loads all the pictures that were trained on once more; here
    only their order is gone through, and with mosaics that keep pictures, what was
    loaded since the last checkpoint. Takes the arguments of ``IterBasedTrainLoop``.

    Attributes:
        validated_at: As of `ResumableEpochLoop`.
    """

    validated_at: int | None = None

    def __init__(self, runner: Any, dataloader: Any, *args: Any, **kwargs: Any):
        if isinstance(dataloader, dict):
            different = runner._randomness_cfg.get("diff_rank_seed", False)
            dataloader = runner.build_dataloader(
                dataloader, seed=runner.seed, diff_rank_seed=different
            )
        # Before the iterator is made, which would start its workers.
        super().__init__(runner, surviving(dataloader), *args, **kwargs)

    def run(self) -> nn.Module:
        """Launch training."""
        use_seed_of_run(self)
        self.runner.call_hook("before_train")
        self.runner.call_hook("before_train_epoch")
        is_known = self.validated_at is not None and self.validated_at != self._iter
        if is_known and self._iter > 0:
            self._validate_if_due()
        batches = self._batches()
        while self._iter < self._max_iters and not self.stop_training:
            self.runner.model.train()
            self.run_iter(next(batches))
            self._validate_if_due()
        self.runner.call_hook("after_train_epoch")
        self.runner.call_hook("after_train")
        batches.close()
        end_workers([self.dataloader])
        return self.runner.model

    def run_iter(self, data_batch: Any) -> None:
        """Iterate one batch, with random numbers of its own."""
        seed_by(self.runner.seed, get_rank(), self._iter)
        super().run_iter(data_batch)

    def _batches(self) -> Generator[Any, None, None]:
        loader = self.dataloader
        if not isinstance(loader, SurvivingLoader):
            for _ in range(self._iter):
                next(self.dataloader_iterator)
            yield from self.dataloader_iterator
            return
        order = loader.order
        order.endless = True
        order.stretch_length = _checkpoint_interval(self.runner)
        repeated = 0
        if caching_transforms(loader.dataset):
            length = order.stretch_length
            repeated = self._iter % length if length else self._iter
        order.skip = self._iter - repeated
        for number, batch in enumerate(loader):
            if number >= repeated:
                yield batch

    def _validate_if_due(self) -> None:
        self._decide_current_val_interval()
        if (
            self.runner.val_loop is not None
            and self._iter >= self.val_begin
            and (self._iter % self.val_interval == 0 or self._iter == self.max_iters)
        ):
            self.runner.val_loop.run()


def _checkpoint_interval(runner: Any) -> int:
    """Return the iterations between two checkpoints; 0 if there are none."""
    intervals = [
        hook.interval
        for hook in runner.hooks
        if isinstance(hook, CheckpointHook) and not hook.by_epoch
    ]
    return max(int(intervals[0]), 0) if intervals else 0
