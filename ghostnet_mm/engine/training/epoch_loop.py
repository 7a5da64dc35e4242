"""An epoch that goes on in the middle, where an interrupted run had stopped."""

from __future__ import annotations

from itertools import islice
from typing import Any

from mmengine.dist import get_rank
from mmengine.registry import LOOPS
from mmengine.runner import EpochBasedTrainLoop
from torch import nn

from ..loading.sample_order import caching_transforms, seed_by
from ..loading.signals import end_workers
from ..loading.surviving_loader import SurvivingLoader, surviving


@LOOPS.register_module()
class ResumableEpochLoop(EpochBasedTrainLoop):
    """mmengine's loop by epochs, which can be resumed anywhere as if never stopped.

    All random numbers follow from the seed, the epoch and the place of a picture in
    it, and those of the model from the iteration. The batches that an epoch has
    trained on already are left out, without loading them unless a mosaic keeps
    pictures of them; their order follows from the seed of the run, which its
    checkpoint has. Takes the arguments of ``EpochBasedTrainLoop``.

    Attributes:
        validated_at: The iteration of the last validation before the checkpoint that
            the run goes on from; ``None`` where that is unknown.
    """

    validated_at: int | None = None

    def __init__(self, *args: Any, **kwargs: Any):
        super().__init__(*args, **kwargs)
        surviving(self.dataloader)

    def run(self) -> nn.Module:
        """Launch training."""
        use_seed_of_run(self)
        self.runner.call_hook("before_train")
        is_at_start = self._iter == self._epoch * len(self.dataloader)
        is_known = self.validated_at is not None and self.validated_at != self._iter
        if is_at_start and is_known:
            self._validate_if_due()
        while self._epoch < self._max_epochs and not self.stop_training:
            self.run_epoch()
            self._validate_if_due()
        self.runner.call_hook("after_train")
        end_workers([self.dataloader])
        return self.runner.model

    def run_epoch(self) -> None:
        """Iterate one epoch, or what is left of it."""
        done = max(self._iter - self._epoch * len(self.dataloader), 0)
        self.runner.call_hook("before_train_epoch")
        self.runner.model.train()
        loader = self.dataloader
        repeated = done
        if isinstance(loader, SurvivingLoader):
            loader.order.epoch = self._epoch
            repeated = done if caching_transforms(loader.dataset) else 0
            loader.order.skip = done - repeated
        batches = islice(iter(loader), repeated, None)
        for index, batch in enumerate(batches, start=done):
            self.run_iter(index, batch)
        self.runner.call_hook("after_train_epoch")
        self._epoch += 1

    def run_iter(self, idx: int, data_batch: Any) -> None:
        """Iterate one batch, with random numbers of its own."""
        seed_by(self.runner.seed, get_rank(), self._iter)
        super().run_iter(idx, data_batch)

    def _validate_if_due(self) -> None:
        self._decide_current_val_interval()
        if (
            self.runner.val_loop is not None
            and self._epoch >= self.val_begin
            and (self._epoch % self.val_interval == 0 or self._epoch == self.max_epochs)
        ):
            self.runner.val_loop.run()


def use_seed_of_run(loop: Any) -> None:
    """Order the data by the seed of the run, which a checkpoint may have brought."""
    loader = loop.dataloader
    sampler: Any = getattr(loader, "sampler", None)
    if loop.iter > 0 and hasattr(sampler, "seed"):
        sampler.seed = loop.runner.seed
    if isinstance(loader, SurvivingLoader):
        loader.order.seed = loop.runner.seed
