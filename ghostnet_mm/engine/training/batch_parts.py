"""A training step in parts, for batches that do not fit into memory."""

from __future__ import annotations

import re
from collections.abc import Mapping
from itertools import pairwise
from typing import Any

import torch
from mmengine.optim import OptimWrapper
from torch import Tensor

OUT_OF_MEMORY = re.compile(
    r"out of memory|can't allocate memory|not enough memory|CUBLAS_STATUS_ALLOC_FAILED",
    re.IGNORECASE,
)


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error says that memory ran out, on a GPU or a CPU."""
    if isinstance(error, (torch.OutOfMemoryError, MemoryError)):
        return True
    return isinstance(error, RuntimeError) and bool(OUT_OF_MEMORY.search(str(error)))


def batch_size(batch: Any) -> int:
    """Return how many pictures a batch of OpenMMLab or of ``default_collate`` has."""
    parts = batch.values() if isinstance(batch, Mapping) else batch
    return max(len(part) for part in parts)


def part_of(batch: Any, start: int, stop: int) -> Any:
    """Return some of a batch's pictures, with what belongs to them."""
    if isinstance(batch, Mapping):
        return {name: values[start:stop] for name, values in batch.items()}
    return type(batch)(values[start:stop] for values in batch)


def step_in_parts(
    model: Any, batch: Any, optim_wrapper: OptimWrapper, parts: int
) -> dict[str, Tensor]:
    """Do what ``model.train_step`` does, with a part of the batch in memory at a time.

    Each loss counts by its pictures, so that the gradients add up to those of the mean
    over the batch. Norm layers see the parts alone, and losses that are divided by the
    number of objects are divided by that of the part.

    Args:
        model: mmengine's model, not wrapped for several processes.
        batch: What its data loader gave.
        optim_wrapper: Of the run; it makes its step, if one is due, at the end.
        parts: How many, at most as many as there are pictures.

    Returns:
        The values to log, averaged over the pictures.
    """
    total = batch_size(batch)
    bounds = [total * number // parts for number in range(parts + 1)]
    logged: dict[str, Tensor] = {}
    earlier = torch.zeros(())
    for start, stop in pairwise(bounds):
        share = (stop - start) / total
        with optim_wrapper.optim_context(model):
            data = model.data_preprocessor(part_of(batch, start, stop), True)
            losses = model._run_forward(data, mode="loss")
        loss, values = model.parse_losses(losses)
        for name, value in values.items():
            logged[name] = logged.get(name, 0.0) + value.detach() * share
        loss = loss * share
        if stop < total:
            earlier = earlier.to(loss.device) + loss.detach()
            optim_wrapper.backward(optim_wrapper.scale_loss(loss))
            optim_wrapper._inner_count -= 1  # the whole batch counts once
        else:
            # Not finite if an earlier part was not, which is looked at in there.
            optim_wrapper.update_params(loss + 0 * earlier.to(loss.device))
    return logged
