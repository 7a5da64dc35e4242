"""What a checkpoint of mmengine lacks to go on exactly where the run was."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mmengine.hooks import EarlyStoppingHook, Hook
from mmengine.model import is_model_wrapper
from mmengine.optim import OptimWrapper
from mmengine.registry import HOOKS
from mmengine.runner import Runner
from torch import Tensor, nn

KEY = "ghostnet_mm"


@HOOKS.register_module()
class ExactState(Hook):
    """Keeps in checkpoints what a resumed run needs to equal the uninterrupted one.

    That is: gradients that wait for the rest of their accumulated step, the input size
    that ``BatchSyncRandomResize`` has drawn, the count of early stopping, and when the
    last validation was: a run that was killed in a validation makes it anew.
    """

    # Before the hooks that write checkpoints.
    priority = "LOW"

    def __init__(self) -> None:
        self._validated_at = 0
        self._gradients: Mapping[str, Tensor] = {}
        self._has_started = False

    def before_save_checkpoint(self, runner: Runner, checkpoint: Any) -> None:
        """Add what is missing."""
        checkpoint[KEY] = dict(
            validated_at=self._validated_at,
            input_sizes=[part._input_size for part in _resizing_parts(runner)],
            early_stopping=[
                dict(wait_count=hook.wait_count, best_score=float(hook.best_score))
                for hook in _stopping_hooks(runner)
            ],
            gradients=_waiting_gradients(runner),
        )

    def after_load_checkpoint(self, runner: Runner, checkpoint: Any) -> None:
        """Take it back; a later return to a checkpoint takes the weights alone."""
        kept = checkpoint.get(KEY)
        if not runner._resume or self._has_started or kept is None:
            return
        self._validated_at = kept["validated_at"]
        runner.train_loop.validated_at = self._validated_at
        self._gradients = kept["gradients"]
        sizes = kept["input_sizes"]
        for part, size in zip(_resizing_parts(runner), sizes, strict=False):
            part._input_size = None if size is None else tuple(size)
        states = kept["early_stopping"]
        for hook, state in zip(_stopping_hooks(runner), states, strict=False):
            vars(hook).update(state)

    def before_train(self, runner: Runner) -> None:
        """Put back gradients that wait for more."""
        self._has_started = True
        parameters = dict(_model_of(runner).named_parameters())
        for name, gradient in self._gradients.items():
            if name in parameters:
                parameters[name].grad = gradient.to(parameters[name].device)
        self._gradients = {}

    def after_val_epoch(
        self, runner: Runner, metrics: Mapping[str, float] | None = None
    ) -> None:
        """Note that this state is validated."""
        self._validated_at = runner.iter


def _model_of(runner: Runner) -> nn.Module:
    return runner.model.module if is_model_wrapper(runner.model) else runner.model


def _resizing_parts(runner: Runner) -> list[Any]:
    preprocessor = getattr(_model_of(runner), "data_preprocessor", None)
    parts = getattr(preprocessor, "batch_augments", None) or []
    return [part for part in parts if hasattr(part, "_input_size")]


def _stopping_hooks(runner: Runner) -> list[EarlyStoppingHook]:
    return [hook for hook in runner.hooks if isinstance(hook, EarlyStoppingHook)]


def _waiting_gradients(runner: Runner) -> dict[str, Tensor]:
    wrapper = runner.optim_wrapper
    if not isinstance(wrapper, OptimWrapper) or wrapper.should_update():
        return {}
    return {
        name: parameter.grad.detach().cpu()
        for name, parameter in _model_of(runner).named_parameters()
        if parameter.grad is not None
    }
