"""Mixed precision training on a CPU.

mmengine's ``AmpOptimWrapper`` refuses to be built without a GPU, although what it does
besides loss scaling works on CPUs. bfloat16 has float32's range, so nothing needs
scaling.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from mmengine.optim import OptimWrapper
from mmengine.registry import OPTIM_WRAPPERS
from torch import nn


@OPTIM_WRAPPERS.register_module()
class CpuAmpOptimWrapper(OptimWrapper):
    """Runs the forward pass and the losses under bfloat16 autocast on the CPU.

    Takes the arguments of mmengine's ``OptimWrapper``. Weights, gradients and the
    optimizer's state stay in float32.
    """

    @contextmanager
    def optim_context(self, model: nn.Module) -> Iterator[None]:
        """Enter autocast, and ``OptimWrapper``'s gradient accumulation."""
        with (
            super().optim_context(model),
            torch.autocast(device_type="cpu", dtype=torch.bfloat16),
        ):
            yield
