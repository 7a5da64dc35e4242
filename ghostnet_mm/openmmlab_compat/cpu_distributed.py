"""mmengine's distributed training on machines without a GPU.

What breaks without it, in mmengine 0.10:

- ``init_dist`` calls ``torch.cuda.set_device`` whatever the backend, which fails
  without a GPU, and configs ask for the backend nccl, which needs one.
- ``Runner`` wraps the model in `MMDistributedDataParallel` with ``device_ids``, which
  torch refuses for a model on the CPU.

The collectives themselves (``all_reduce``, ``collect_results``, ...) choose the CPU for
gloo on their own and are left alone.
"""

import functools
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from mmengine.device import get_device
from mmengine.dist import utils as dist_utils
from mmengine.logging import print_log
from mmengine.model import MMDistributedDataParallel

# The functions behind init_dist, one per launcher. init_dist itself is imported by name
# in other modules, where a replacement would not arrive.
LAUNCHERS = ("_init_dist_pytorch", "_init_dist_mpi", "_init_dist_slurm")
MARK = "repaired_by_ghostnet_mm"


def repair_cpu_distribution() -> None:
    """Make ``init_dist`` and the model wrapper work on the CPU; leave GPUs alone.

    Calling it again changes nothing.
    """
    for name in LAUNCHERS:
        _replace_once(dist_utils, name, _without_cuda_on_cpu)
    _replace_once(MMDistributedDataParallel, "__init__", _without_device_ids_on_cpu)


def _replace_once(
    owner: object,
    name: str,
    wrap: Callable[[Callable[..., None]], Callable[..., None]],
) -> None:
    original = getattr(owner, name)
    if not hasattr(original, MARK):
        repaired = functools.wraps(original)(wrap(original))
        setattr(repaired, MARK, True)
        setattr(owner, name, repaired)


def _without_cuda_on_cpu(init: Callable[..., None]) -> Callable[..., None]:
    """Wrap a launcher's ``init(backend, **kwargs)``."""

    def init_on_any_device(backend: str, **kwargs: object) -> None:
        if get_device() != "cpu":
            init(backend, **kwargs)
            return
        usable = "gloo" if backend == "nccl" else backend
        with _cuda_device_not_set():
            init(usable, **kwargs)
        if usable != backend and dist_utils.is_main_process():
            print_log(
                "No GPU found: using the distributed backend gloo instead of nccl.",
                logger="current",
                level=logging.WARNING,
            )

    return init_on_any_device


@contextmanager
def _cuda_device_not_set() -> Iterator[None]:
    """Let ``torch.cuda.set_device`` do nothing for a while."""
    original = torch.cuda.set_device
    torch.cuda.set_device = lambda device: None
    try:
        yield
    finally:
        torch.cuda.set_device = original


def _without_device_ids_on_cpu(init: Callable[..., None]) -> Callable[..., None]:
    """Wrap ``MMDistributedDataParallel.__init__(self, module, ...)``."""

    def init_on_any_device(
        self: MMDistributedDataParallel,
        module: torch.nn.Module,
        *args: object,
        **kwargs: object,
    ) -> None:
        if all(parameter.device.type == "cpu" for parameter in module.parameters()):
            kwargs.pop("device_ids", None)
            kwargs.pop("output_device", None)
        init(self, module, *args, **kwargs)

    return init_on_any_device
