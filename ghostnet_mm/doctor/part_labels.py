"""Which part of a detector is at work, known while it runs."""

import contextlib
import time
from collections.abc import Callable, Iterator
from typing import Any

from torch import nn

from ..measuring.complexity import parts_of_detector
from .operator_kinds import SQUEEZE

PIPELINE = "test pipeline"
PREPROCESSING = "data preprocessor"
DECODE = "decode"
NMS = "NMS, scaling back"
OTHER = "(other)"
# Modules that weigh channels by a gate: ours and timm's, mmdet's, that of CSPNeXt, and
# torchvision's. All take a map and return it weighed.
GATES = frozenset(
    {
        *("SqueezeExcite", "SEModule", "EffectiveSEModule", "SELayer", "EffectiveSE"),
        *("ChannelAttention", "SqueezeExcitation"),
    }
)
# Methods of mmdet's heads that turn maps into boxes, and boxes into detections.
HEAD_METHODS = {"predict_by_feat": DECODE, "_bbox_post_process": NMS}


class PartClock:
    """Charges time to the innermost part at work.

    Args:
        clock: Returns seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.perf_counter):
        self.clock = clock
        self.seconds: dict[str, float] = {}
        self._parts = [OTHER]
        self._kinds: list[str | None] = [None]
        self._since = clock()

    @property
    def part(self) -> str:
        """The innermost part at work."""
        return self._parts[-1]

    @property
    def kind(self) -> str | None:
        """The kind that the module at work gives all its operators, if any."""
        return self._kinds[-1]

    def start(self) -> None:
        """Forget what was charged, and begin."""
        self.seconds = {}
        self._since = self.clock()

    def stop(self) -> dict[str, float]:
        """Return the seconds of each part since `start`."""
        self._charge()
        return self.seconds

    @contextlib.contextmanager
    def inside(
        self, part: str | None = None, kind: str | None = None
    ) -> Iterator[None]:
        """Charge what happens to ``part``, or go on with the present one."""
        self._charge()
        self._parts.append(part or self.part)
        self._kinds.append(kind or self.kind)
        try:
            yield
        finally:
            self._charge()
            self._parts.pop()
            self._kinds.pop()

    def _charge(self) -> None:
        now = self.clock()
        self.seconds[self.part] = self.seconds.get(self.part, 0.0) + now - self._since
        self._since = now


@contextlib.contextmanager
def labelled(model: nn.Module, clock: PartClock) -> Iterator[None]:
    """Let ``clock`` know which part of ``model`` is at work.

    Methods are wrapped rather than hooked: mmdet calls the ``forward`` of some heads
    directly, which passes hooks by.
    """
    wrapped: list[tuple[nn.Module, str]] = []

    def wrap(module: nn.Module, method: str, **label: str) -> None:
        if method in vars(module) or not callable(getattr(module, method, None)):
            return
        setattr(module, method, _inside(getattr(module, method), clock, label))
        wrapped.append((module, method))

    try:
        for name, modules in parts_of_detector(model).items():
            for module in modules:
                wrap(module, "forward", part=name)
        for name, child in model.named_children():
            label = PREPROCESSING if name == "data_preprocessor" else f"{name}: between"
            wrap(child, "forward", part=label)
        for module in model.modules():
            if type(module).__name__ in GATES:
                wrap(module, "forward", kind=SQUEEZE)
            for method, part in HEAD_METHODS.items():
                wrap(module, method, part=part)
        yield
    finally:
        for module, method in wrapped:
            delattr(module, method)


def module_labels(model: nn.Module) -> dict[str, tuple[str, str | None]]:
    """Return part and kind by module name, for modules that start one.

    What stands below such a module is of the same part; the kind is None unless the
    module gives one to all its operators.
    """
    names = {module: name for name, module in model.named_modules()}
    labels: dict[str, tuple[str, str | None]] = {
        name: (f"{name}: between", None) for name, _ in model.named_children()
    }
    for part, modules in parts_of_detector(model).items():
        for start in modules:
            labels[names[start]] = (part, None)
            for module in start.modules():
                if type(module).__name__ in GATES:
                    labels[names[module]] = (part, SQUEEZE)
    return labels


def _inside(
    method: Callable[..., Any], clock: PartClock, label: dict[str, str]
) -> Callable[..., Any]:
    def run(*arguments: Any, **options: Any) -> Any:
        with clock.inside(**label):
            return method(*arguments, **options)

    return run
