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
from .profile_tables import (
    Profile,
    Round,
    most_expensive_first,
    shares,
    total_milliseconds,
    with_rest,
)

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
        self.by_kind, self.by_part = Round(), Round()

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
        self.by_kind.charge(kind, seconds, macs, moved)
        self.by_part.charge(self.parts.part, seconds, macs, moved)

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
            wall.append(Round(parts.stop()))
        for _ in range(rounds):
            operators = OperatorClock(parts, clock)
            with operators, _hidden_products(detector.model, operators):
                run()
            by_kind.append(operators.by_kind)
            by_part.append(operators.by_part)
    for undisturbed in wall:
        undisturbed.macs = by_part[-1].macs
        undisturbed.bytes_moved = by_part[-1].bytes_moved
    # What belongs to no part comes last.
    names = dict.fromkeys(name for each in wall for name in each.seconds)
    names.pop(part_labels.OTHER, None)
    part_rows = tuple(shares(wall, [*names, part_labels.OTHER]))
    whole = total_milliseconds(part_rows)
    return Profile(
        "eager PyTorch",
        part_rows,
        most_expensive_first(with_rest(shares(by_kind), kinds.PYTHON, whole)),
        "Parts: undisturbed rounds. Operators: rounds of their own, one at a time.",
    )


@contextlib.contextmanager
def _hidden_products(model: nn.Module, operators: OperatorClock) -> Iterator[None]:
    """Count the MACs of layers that stand for convolutions without calling one."""

    def count(module: Any, _inputs: object, output: Tensor) -> None:
        macs = module.uncounted_macs(output)
        operators.charge(kinds.ELEMENTWISE, 0.0, macs, 0)

    handles = [
        module.register_forward_hook(count)
        for module in model.modules()
        if hasattr(module, "uncounted_macs")
    ]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def _is_view(func: Any) -> bool:
    return any(
        result.alias_info is not None and not result.alias_info.is_write
        for result in func._schema.returns
    )


def _bytes_moved(func: Any, name: str, inputs: Any, output: Any) -> int:
    if _is_view(func) or name in OPERATORS_WITHOUT_WORK:
        return 0
    leaves = tree_leaves((inputs, output))
    tensors = [leaf for leaf in leaves if isinstance(leaf, Tensor)]
    return sum(tensor.numel() * tensor.element_size() for tensor in tensors)
