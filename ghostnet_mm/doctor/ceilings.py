"""What the machine can do at best: multiply matrices, and copy memory."""

import time
from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F

MATRIX_SIDE = 1024
COPIED_BYTES = 64 * 2**20
REPEATS = 12


@dataclass(frozen=True)
class Ceilings:
    """Measured with the threads in use.

    Attributes:
        gmacs_per_second: Of a float32 matrix product, in 10^9.
        gbytes_per_second: Read and written by a copy, in 10^9.
    """

    gmacs_per_second: float
    gbytes_per_second: float


def measure_ceilings(side: int = MATRIX_SIDE, copied: int = COPIED_BYTES) -> Ceilings:
    """Measure both, each as the best of a few runs.

    The product is tried as such and as a pointwise convolution: PyTorch computes them
    with two libraries, and which is faster depends on the processor.

    Args:
        side: Of the square matrices.
        copied: Bytes to copy; more than the caches hold.
    """
    first, second = torch.rand(side, side), torch.rand(side, side)
    product = torch.empty(side, side)
    source = torch.ones(copied // 4)
    target = torch.empty_like(source)
    maps = torch.rand(1, side, 1, side)
    weight = torch.rand(side, side, 1, 1)
    with torch.no_grad():
        multiply = min(
            _best_seconds(lambda: torch.mm(first, second, out=product)),
            _best_seconds(lambda: F.conv2d(maps, weight)),
        )
    copy = _best_seconds(lambda: target.copy_(source))
    return Ceilings(side**3 / multiply / 1e9, 2 * copied / copy / 1e9)


def _best_seconds(run: Callable[[], object]) -> float:
    run()
    times = []
    for _ in range(REPEATS):
        start = time.perf_counter()
        run()
        times.append(time.perf_counter() - start)
    return min(times)
