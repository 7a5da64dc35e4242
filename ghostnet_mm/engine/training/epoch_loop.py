"""An epoch that goes on in the middle, where an interrupted run had stopped."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import Any

from mmengine.registry import LOOPS
from mmengine.runner import EpochBasedTrainLoop
from torch import nn


class _WithoutFirst:
    """A batch sampler that once leaves out the batches that were trained on."""

    def __init__(self, sampler: Any, batches: int):
        self._sampler = sampler
        self._batches = batches

    def __iter__(self) -> Iterator[list[int]]:
        # A loader may ask for several iterators; only one of them is ever advanced.
        batches, self._batches = self._batches, 0
        yield from islice(iter(self._sampler), batches, None)

    def __len__(self) -> int:
        return len(self._sampler)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._sampler, name)


@LOOPS.register_module()
class ResumableEpochLoop(EpochBasedTrainLoop):
    """mmengine's loop by epochs, which resumes within an epoch too.

    The batches that the epoch has trained on already are left out, without loading
    them; their order follows from the seed of the run, which its checkpoint has.
    Takes the arguments of ``EpochBasedTrainLoop``.
    """

    def run(self) -> nn.Module:
        """Launch training."""
        sampler = getattr(self.dataloader, "sampler", None)
        if self._iter > 0 and sampler is not None and hasattr(sampler, "seed"):
            # It was made before the checkpoint's seed was known.
            sampler.seed = self.runner.seed
        return super().run()

    def run_epoch(self) -> None:
        """Iterate one epoch, or what is left of it."""
        done = self._iter - self._epoch * len(self.dataloader)
        if done <= 0:
            super().run_epoch()
            return
        self.runner.call_hook("before_train_epoch")
        self.runner.model.train()
        # A loader allows no other sampler once it is made; workers that persist keep
        # this one, which leaves nothing out in later epochs.
        loader = self.dataloader
        loader.__dict__["batch_sampler"] = _WithoutFirst(loader.batch_sampler, done)
        for index, batch in enumerate(loader, start=done):
            self.run_iter(index, batch)
        self.runner.call_hook("after_train_epoch")
        self._epoch += 1
