"""Where the time goes in eager PyTorch.

Parts are timed by the clock as the detector runs undisturbed. Kinds of operators are
timed in further rounds, one operator at a time: that slows everything between them,
so what the undisturbed rounds took longer than their operators is the time between
operators, mostly Python.
"""

import contextlib
import itertools
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import flop_registry

from ..benchmarking.eager import EagerDetector, end_to_end_run, picture_pipeline
from . import operator_kinds as kinds
from . import part_labels
from .part_labels import PartClock, labelled
from .profile_tables import Profile, Round, Share, shares

WARM_UP = 2
OPERATORS_WITHOUT_WORK = frozenset({"_unsafe_view", "detach", "alias"})


class OperatorClock(TorchDispatchMode):
    """Times and counts every operator that reaches PyTorch's dispatcher.

    Args:
        parts: Says which part is at work.
        clock: Returns seconds.
    """

    def __init__(
        self, parts: PartClock, clock: Callable[[], float] = time.perf_counter
    ):
        super().__init__()
        self.parts, self.clock = parts, clock
        self.by_kind = Round({}, {}, {})
        self.by_part = Round({}, {}, {})

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        """Run one operator and charge it to its kind and part."""
        kwargs = kwargs or {}
        start = self.clock()
        out = func(*args, **kwargs)
        seconds = self.clock() - start
        packet = func._overloadpacket
        count = flop_registry.get(packet)
        macs = count(*args, **kwargs, out_val=out) // 2 if count else 0
        self.charge(
            self._kind(packet.__name__, func, args),
            seconds,
            macs,
            _bytes_moved(func, packet.__name__, (args, kwargs), out),
        )
        return out

    def charge(self, kind: str, seconds: float, macs: int, moved: int) -> None:
        """Add to a kind, and to the part at work."""
        for sums, name in ((self.by_kind, kind), (self.by_part, self.parts.part)):
            sums.seconds[name] = sums.seconds.get(name, 0.0) + seconds
            sums.macs[name] = sums.macs.get(name, 0) + macs
            sums.bytes_moved[name] = sums.bytes_moved.get(name, 0) + moved

    def _kind(self, name: str, func: Any, args: Sequence[Any]) -> str:
        kind = kinds.kind_of_aten(name, _is_view(func))
        if self.parts.part in (part_labels.PIPELINE, part_labels.PREPROCESSING):
            return kinds.PREPROCESSING
        if self.parts.part == part_labels.NMS or kind == kinds.NMS:
            return kinds.NMS
        if self.parts.part == part_labels.DECODE:
            return kinds.DECODE
        if self.parts.kind is not None:
            return self.parts.kind
        if name in kinds.CONVOLUTIONS:
            weight, groups = args[1], args[-1]
            return kinds.kind_of_convolution(
                groups, args[0].shape[1], tuple(weight.shape[2:])
            )
        return kind


def profile_eager(
    detector: EagerDetector,
    pictures: Sequence[np.ndarray],
    rounds: int,
    clock: Callable[[], float] = time.perf_counter,
) -> Profile:
    """Run a detector from picture to boxes and see where its time goes.

    Args:
        detector: On the CPU.
        pictures: One after another, (H, W, 3) uint8 BGR.
        rounds: Of both kinds.
        clock: Returns seconds.

    Returns:
        Medians over the rounds. The parts add up to the whole, and so do the kinds.
    """
    parts = PartClock(clock)
    pipeline = picture_pipeline(detector.cfg)
    detect = end_to_end_run(detector)
    supply = itertools.cycle(pictures)

    def run() -> None:
        with parts.inside(part_labels.PIPELINE):
            packed = pipeline(dict(img=next(supply), img_id=0))
        batch = {key: [packed[key]] for key in ("inputs", "data_samples")}
        with torch.no_grad():
            detector.model.test_step(batch)

    for _ in range(WARM_UP):
        detect([next(supply)])
    wall, by_kind, by_part = [], [], []
    with labelled(detector.model, parts):
        for _ in range(rounds):
            parts.start()
            run()
            wall.append(Round(parts.stop(), {}, {}))
        for _ in range(rounds):
            operators = OperatorClock(parts, clock)
            with operators, _hidden_products(detector.model, operators):
                run()
            by_kind.append(operators.by_kind)
            by_part.append(operators.by_part)
    for one in wall:
        one.macs, one.bytes_moved = by_part[-1].macs, by_part[-1].bytes_moved
    names = dict.fromkeys(name for one in wall for name in one.seconds)
    ordered = [one for one in names if one != part_labels.OTHER] + [part_labels.OTHER]
    part_rows = list(shares(wall, ordered))
    return Profile(
        "eager PyTorch",
        tuple(part_rows),
        _with_python(by_kind, sum(one.milliseconds for one in part_rows)),
        "Parts: undisturbed rounds. Operators: rounds of their own, one at a time.",
    )


def _with_python(rounds: Sequence[Round], whole: float) -> tuple[Share, ...]:
    names = dict.fromkeys(name for one in rounds for name in one.seconds)
    rows = list(shares(rounds, names))
    between = whole - sum(one.milliseconds for one in rows)
    # Timing operators one by one can take longer than they do undisturbed.
    rows.append(Share(kinds.PYTHON, max(between, 0.0)))
    return tuple(sorted(rows, key=lambda one: -one.milliseconds))


@contextlib.contextmanager
def _hidden_products(model: nn.Module, operators: OperatorClock) -> Iterator[None]:
    """Count the MACs of layers that stand for convolutions without calling one."""

    def count(module: nn.Module, _inputs: object, output: Tensor) -> None:
        macs = module.uncounted_macs(output)
        operators.charge(kinds.ELEMENTWISE, 0.0, macs, 0)

    handles = [
        one.register_forward_hook(count)
        for one in model.modules()
        if hasattr(one, "uncounted_macs")
    ]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def _is_view(func: Any) -> bool:
    return any(
        one.alias_info is not None and not one.alias_info.is_write
        for one in func._schema.returns
    )


def _bytes_moved(func: Any, name: str, inputs: Any, output: Any) -> int:
    if _is_view(func) or name in OPERATORS_WITHOUT_WORK:
        return 0
    tensors = [one for one in tree_leaves((inputs, output)) if isinstance(one, Tensor)]
    return sum(one.numel() * one.element_size() for one in tensors)
