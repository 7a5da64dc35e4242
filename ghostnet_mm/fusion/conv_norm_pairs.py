"""Finding the batch norms that can be folded into the convolution before them.

The data flow of one forward pass is observed, not class names: a norm can be folded
where everything it reads was made by convolutions whose output nobody else reads.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.conv import _ConvNd
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_leaves
from torch.utils.weak import WeakTensorKeyDictionary

CONV_FUNCTIONS = frozenset(
    {
        F.conv1d,
        F.conv2d,
        F.conv3d,
        F.conv_transpose1d,
        F.conv_transpose2d,
        F.conv_transpose3d,
    }
)
NORM_FUNCTIONS = frozenset({F.batch_norm, torch.batch_norm})
# Reading these says nothing about a tensor's values.
METADATA = frozenset(
    {"__get__", "__len__", "dim", "is_contiguous", "ndimension", "numel", "size"}
)
NOT_RUN = "it did not run in the pass that was observed"
NO_STATISTICS = "it has no running statistics"
OTHER_INPUT = "its input is not made by convolutions alone"
OTHER_READERS = "its convolution's output has other readers"


@dataclass(frozen=True)
class ConvNormPairs:
    """What can be folded, and what cannot.

    Attributes:
        convs: The convolutions of each norm that can be folded; usually one.
        left: The other batch norms, each with the reason.
        used: ``id`` of every parameter that the pass read.
    """

    convs: dict[_BatchNorm, list[_ConvNd]]
    left: dict[_BatchNorm, str]
    used: frozenset[int]


@dataclass
class _ConvOutput:
    conv: _ConvNd
    # Who read it, once per call; ``None`` for all but batch norms.
    readers: list[_BatchNorm | None] = field(default_factory=list)


@dataclass
class _RunningModule:
    module: nn.Module
    calls: list[tuple[Callable, tuple, Any]] = field(default_factory=list)


class _DataFlow(TorchFunctionMode):
    """Notes who makes and who reads the outputs of convolutions."""

    def __init__(self) -> None:
        super().__init__()
        self.outputs: dict[_ConvNd, list[_ConvOutput]] = {}
        self.sources: dict[_BatchNorm, list[_ConvNd | None]] = {}
        self.used: set[int] = set()
        # Weak: the maps of a whole network would not fit everywhere.
        self._made: WeakTensorKeyDictionary = WeakTensorKeyDictionary()
        self._running: list[_RunningModule] = []

    def __torch_function__(self, func, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        result = func(*args, **kwargs)
        name = getattr(func, "__name__", "")
        if name in METADATA and not any(True for _ in _tensors(result)):
            return result
        running = self._running[-1] if self._running else None
        for tensor in _tensors((args, kwargs)):
            if isinstance(tensor, nn.Parameter):
                self.used.add(id(tensor))
            self._note_reader(tensor, running)
        if running is not None:
            running.calls.append((func, args, result))
        return result

    def _note_reader(self, tensor: Tensor, running: _RunningModule | None) -> None:
        made = self._made.get(tensor)
        if made is not None:
            reader = running.module if running is not None else None
            made.readers.append(reader if isinstance(reader, _BatchNorm) else None)

    def enter(self, module: nn.Module, _inputs: tuple) -> None:
        """Note that a convolution or norm begins to run."""
        self._running.append(_RunningModule(module))

    def leave(self, module: _ConvNd | _BatchNorm, inputs: tuple, output: Any) -> None:
        """Note what it did."""
        calls = self._running.pop().calls
        if isinstance(module, _BatchNorm):
            self.sources.setdefault(module, []).append(
                self._source(module, inputs, output, calls)
            )
        else:
            made = _ConvOutput(module)
            self.outputs.setdefault(module, []).append(made)
            if _is_plain_convolution(module, output, calls):
                self._made[output] = made

    def _source(
        self, norm: _BatchNorm, inputs: tuple, output: Any, calls: list
    ) -> _ConvNd | None:
        if len(calls) != 1 or any(True for _ in norm.children()):
            return None
        func, args, result = calls[0]
        if func not in NORM_FUNCTIONS or result is not output:
            return None
        if len(inputs) != 1 or args[0] is not inputs[0]:
            return None
        made = self._made.get(inputs[0])
        return None if made is None else made.conv

    def finish(self, result: Any) -> None:
        """Note that the caller of the pass reads its result."""
        for leaf in tree_leaves(result):
            if isinstance(leaf, Tensor):
                self._note_reader(leaf, None)


def _tensors(tree: Any) -> Iterator[Tensor]:
    if isinstance(tree, Tensor):
        yield tree
    elif isinstance(tree, list | tuple):
        for branch in tree:
            yield from _tensors(branch)
    elif isinstance(tree, dict):
        yield from _tensors(list(tree.values()))


def _is_plain_convolution(conv: _ConvNd, output: Any, calls: list) -> bool:
    """Whether a call ended in a convolution with the module's own weights."""
    if not calls:
        return False
    func, args, result = calls[-1]
    return (
        func in CONV_FUNCTIONS
        and result is output
        and len(args) > 2
        and args[1] is conv.weight
        and args[2] is conv.bias
    )


def find_conv_norm_pairs(
    model: nn.Module, run: Callable[[nn.Module], object]
) -> ConvNormPairs:
    """Observe one inference pass and pair convolutions with norms.

    Args:
        model: In eval mode; a convolution module that several layers share pairs only
            where they share the norm as well.
        run: Runs ``model``.
    """
    flow = _DataFlow()
    observed = [m for m in model.modules() if isinstance(m, _ConvNd | _BatchNorm)]
    handles = []
    for module in observed:
        # Last before and first after the call: other hooks count as readers.
        handles.append(module.register_forward_pre_hook(flow.enter))
        handles.append(module.register_forward_hook(flow.leave, prepend=True))
    try:
        with torch.no_grad(), flow:
            flow.finish(run(model))
    finally:
        for handle in handles:
            handle.remove()
    convs, left = {}, {}
    for norm in observed:
        if not isinstance(norm, _BatchNorm):
            continue
        reason = _obstacle(norm, flow)
        if reason is None:
            # In order, each once.
            convs[norm] = list(dict.fromkeys(_sources(norm, flow)))
        else:
            left[norm] = reason
    return ConvNormPairs(convs, left, frozenset(flow.used))


def _obstacle(norm: _BatchNorm, flow: _DataFlow) -> str | None:
    """Return why a norm cannot be folded, ``None`` where it can."""
    if norm.running_mean is None or norm.running_var is None:
        return NO_STATISTICS
    if norm not in flow.sources:
        return NOT_RUN
    sources = _sources(norm, flow)
    if len(sources) < len(flow.sources[norm]):
        return OTHER_INPUT
    for conv in sources:
        if any(made.readers != [norm] for made in flow.outputs[conv]):
            return OTHER_READERS
    return None


def _sources(norm: _BatchNorm, flow: _DataFlow) -> list[_ConvNd]:
    """Return the convolutions that a norm read, once per call."""
    return [conv for conv in flow.sources[norm] if conv is not None]
