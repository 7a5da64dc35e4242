"""Randomness by seed, epoch and place: the same sample whoever loads it, and when."""

from __future__ import annotations

import hashlib
import random
from collections import deque
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import numpy as np
import torch
from mmengine.dist import get_rank


class Sample(NamedTuple):
    """What a worker needs to know of a sample.

    Attributes:
        place: Its index in the dataset.
        key: What all its random numbers follow from.
        stretch: Samples of different stretches share no cached pictures.
    """

    place: int
    key: tuple[int, ...]
    stretch: tuple[int, int]


class SampleOrder:
    """A batch sampler that numbers its samples, can leave some out, and repeat some.

    Batches that were asked for but not used, for example because the worker that had
    them died, are given out again when it is iterated anew.

    Args:
        batches: The batch sampler itself.

    Attributes:
        seed: Of the run.
        epoch: That is iterated next.
        skip: Batches at its beginning to leave out, without loading them.
        endless: Whether one iteration goes through all epochs.
        stretch_length: Batches of a stretch; 0 for the whole epoch.
    """

    def __init__(self, batches: Any):
        self._batches = batches
        self._asked: deque[list[Sample]] = deque()
        self._rest: Iterator[list[Sample]] = iter(())
        self.seed = 0
        self.epoch = 0
        self.skip = 0
        self.endless = False
        self.stretch_length = 0

    def start(self) -> None:
        """Begin an epoch."""
        self._asked.clear()
        self._rest = self._numbered(self.epoch, self.skip)
        self.skip = 0

    def used(self) -> None:
        """Note that the first of the batches that were asked for has arrived."""
        self._asked.popleft()

    @property
    def awaited(self) -> list[Sample]:
        """The batch that comes next, if it was asked for already."""
        return self._asked[0] if self._asked else []

    def __iter__(self) -> Iterator[list[Sample]]:
        # A loader may ask for several iterators; only one of them is ever advanced.
        yield from list(self._asked)
        for batch in self._rest:
            self._asked.append(batch)
            yield batch

    def __len__(self) -> int:
        return len(self._batches)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") or name == "_batches":
            raise AttributeError(name)  # while it is being copied
        return getattr(self._batches, name)

    def _numbered(self, epoch: int, skip: int) -> Iterator[list[Sample]]:
        rank = get_rank()
        place, number = 0, 0
        while True:
            place_before = place
            for batch in self._batches:
                stretch = place // self.stretch_length if self.stretch_length else 0
                if place >= skip:
                    yield [
                        Sample(
                            index,
                            (self.seed, rank, self.epoch, number + i),
                            (self.epoch, stretch),
                        )
                        for i, index in enumerate(batch)
                    ]
                place += 1
                number += len(batch)
            if not self.endless or place == place_before:
                return
            epoch += 1
            sampler: Any = getattr(self._batches, "sampler", None)
            if hasattr(sampler, "set_epoch"):
                sampler.set_epoch(epoch)


class SeededSamples:
    """A view of a dataset that takes a `Sample` for an index.

    Args:
        dataset: The dataset itself.
    """

    def __init__(self, dataset: Any):
        self._dataset = dataset
        self._stretch: tuple[int, int] | None = None

    def __len__(self) -> int:
        return len(self._dataset)

    def __getitem__(self, sample: Sample) -> Any:
        if sample.stretch != self._stretch:
            self._stretch = sample.stretch
            for transform in caching_transforms(self._dataset):
                transform.results_cache.clear()
        seed_by(*sample.key)
        return self._dataset[sample.place]


def seed_by(*key: int) -> None:
    """Seed all generators of this process; keys that differ give unrelated numbers."""
    digest = hashlib.blake2b(repr(key).encode(), digest_size=16).digest()
    first, second = digest[:8], digest[8:]
    random.seed(int.from_bytes(first, "little"))
    np.random.seed(np.frombuffer(second, np.uint32))
    number = int.from_bytes(first, "little")
    # torch.manual_seed also notes where it was called from, for GPUs not in use yet.
    torch.default_generator.manual_seed(number)
    if torch.cuda.is_initialized():
        torch.cuda.manual_seed_all(number)


def caching_transforms(dataset: Any) -> list[Any]:
    """Return the steps of a dataset's pipelines that keep pictures (mmdet's mosaics).

    Args:
        dataset: A dataset, in any wrapper.
    """
    found: list[Any] = []
    waiting: list[Any] = [dataset]
    while waiting:
        part = waiting.pop()
        if isinstance(getattr(part, "results_cache", None), list):
            found.append(part)
        for name in ("dataset", "datasets", "pipeline", "transforms"):
            inner = getattr(part, name, None)
            if isinstance(inner, (list, tuple)):
                waiting += _flat(inner)
            elif inner is not None:
                waiting.append(inner)
    return found


def _flat(parts: Iterable[Any]) -> list[Any]:
    flat: list[Any] = []
    for part in parts:
        flat += _flat(part) if isinstance(part, (list, tuple)) else [part]
    return flat
