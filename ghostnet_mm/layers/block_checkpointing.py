"""Activation checkpointing that leaves norm statistics as they would be without it."""

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext

import torch.utils.checkpoint
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm


@contextmanager
def _unchanged_running_statistics(block: nn.Module) -> Iterator[None]:
    """Run ``block`` in its own mode without updating any running statistics."""
    before = []
    for norm in block.modules():
        if isinstance(norm, _BatchNorm) and norm.num_batches_tracked is not None:
            counter = norm.num_batches_tracked
            before.append((norm, norm.momentum, counter, counter.clone()))
            norm.momentum = 0.0
    try:
        yield
    finally:
        for norm, momentum, counter, batches in before:
            norm.momentum = momentum
            counter.copy_(batches)


def run_checkpointed(block: nn.Module, x: Tensor) -> Tensor:
    """Run ``block(x)``, keeping only ``x`` for the backward pass.

    Backward runs the block a second time. Norm layers would then update their running
    statistics twice per step, so the second run leaves them alone: losses, gradients
    and buffers all equal those of a plain call.
    """
    out: Tensor = torch.utils.checkpoint.checkpoint(
        block,
        x,
        use_reentrant=False,
        context_fn=lambda: (nullcontext(), _unchanged_running_statistics(block)),
    )
    return out
