"""The best of many scores, equal ones in the order of their places."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from torch import SymInt, Tensor

_topk_is_stable: ContextVar[bool] = ContextVar("topk_is_stable", default=False)


@contextmanager
def stable_topk() -> Iterator[None]:
    """Take ``topk`` for stable while the block runs: what it becomes in ONNX is."""
    token = _topk_is_stable.set(True)
    try:
        yield
    finally:
        _topk_is_stable.reset(token)


def best_in_order(scores: Tensor, count: int | SymInt) -> tuple[Tensor, Tensor]:
    """Return the best ``count`` of ``(N, P)`` scores and their places, best first.

    Plain areas of a picture have the same score in every cell, and PyTorch's ``topk``
    orders them as it likes; here the first of equal ones stays first.

    Args:
        scores: At least ``count`` for each image.
        count: How many.
    """
    if _topk_is_stable.get():
        best, places = scores.topk(count, dim=1)
        return best, places
    best, places = scores.sort(dim=1, descending=True, stable=True)
    return best[:, :count], places[:, :count]
