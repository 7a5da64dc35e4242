"""Other forms of the same model for training: channels last, and compiled parts.

Both change how the model computes, not what: losses, gradients and the keys of the
checkpoints stay the same.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from mmengine.hooks import Hook
from mmengine.model import is_model_wrapper
from mmengine.registry import HOOKS
from mmengine.runner import Runner
from torch import Tensor, nn
from torch.optim import Optimizer

# Dense computations. Assigning targets and the losses depend on the data: they would
# break the graph at every step.
COMPILED_PARTS = ("backbone", "neck", "bbox_head", "rpn_head", "mask_head")


@HOOKS.register_module()
class ChannelsLast(Hook):
    """Trains with weights, images and maps in channels-last memory format.

    The package's backbones do so for their maps on a CPU in any case; this adds the
    weights, neck and heads, and the GPU.
    """

    def before_train(self, runner: Runner) -> None:
        """Convert the model, and what a resumed optimizer remembers."""
        detector = _detector(runner)
        detector.to(memory_format=torch.channels_last)
        backbone = detector.get_submodule("backbone")
        backbone.register_forward_pre_hook(_images_to_channels_last)
        _state_like_parameters(runner.optim_wrapper.optimizer)


@HOOKS.register_module()
class CompileParts(Hook):
    """Compiles the forward pass of the detector's parts with ``torch.compile``.

    mmengine's own ``compile=True`` takes the whole training step, target assignment
    and losses included. Validation runs uncompiled: another mode and pictures of
    other sizes would each be compiled anew.

    Args:
        parts: Names of the detector's modules; those it lacks are passed over.
        backend: Of ``torch.compile``.
    """

    def __init__(
        self, parts: Sequence[str] = COMPILED_PARTS, backend: str = "inductor"
    ):
        self.parts = tuple(parts)
        self.backend = backend

    def before_train(self, runner: Runner) -> None:
        """Mark the parts; each is compiled when it first runs."""
        compile_parts(_detector(runner), self.parts, self.backend)

    def before_val_epoch(self, runner: Runner) -> None:
        """Run what follows as it is."""
        torch.compiler.set_stance("force_eager")

    def after_val_epoch(
        self, runner: Runner, metrics: Mapping[str, float] | None = None
    ) -> None:
        """Go back to the compiled parts."""
        torch.compiler.set_stance("default")


def compile_parts(
    detector: nn.Module,
    parts: Sequence[str] = COMPILED_PARTS,
    backend: str = "inductor",
) -> list[str]:
    """Compile the calls of ``parts`` in place and return the names that it has."""
    present = [
        name for name in parts if isinstance(getattr(detector, name, None), nn.Module)
    ]
    for name in present:
        # In place: the parameters keep their names.
        getattr(detector, name).compile(backend=backend)
    return present


def _detector(runner: Runner) -> nn.Module:
    model = runner.model
    return model.module if is_model_wrapper(model) else model


def _images_to_channels_last(_: nn.Module, inputs: tuple[Any, ...]) -> tuple[Any, ...]:
    return tuple(
        value.contiguous(memory_format=torch.channels_last)
        if isinstance(value, Tensor) and value.dim() == 4
        else value
        for value in inputs
    )


def _state_like_parameters(optimizer: Optimizer) -> None:
    """Lay out the optimizer's state as its parameters are.

    Fused optimizers walk through both in memory order.
    """
    for parameter, state in optimizer.state.items():
        for name, value in state.items():
            if isinstance(value, Tensor) and value.shape == parameter.shape:
                state[name] = torch.empty_like(parameter).copy_(value)
