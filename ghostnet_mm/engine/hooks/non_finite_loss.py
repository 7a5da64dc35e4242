"""A loss that is NaN or infinite is looked into before it spoils the weights."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import torch
from mmengine.dist import all_reduce, get_world_size
from mmengine.hooks import Hook
from mmengine.model import is_model_wrapper
from mmengine.optim import OptimWrapper
from mmengine.registry import HOOKS
from mmengine.runner import EpochBasedTrainLoop, Runner
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from ...checkpoints import load_checkpoint_file
from ...configuration.console import tell
from ...configuration.training.resuming import find_checkpoint
from ...errors import OptionError, TrainingError
from ..training.non_finite import Origin, find_origin, first_names, pictures_of

REACTIONS = ("stop", "skip", "rollback")
# So many in a row are no accident of one picture.
MOST_IN_A_ROW = 10
# So many returns to one checkpoint lead nowhere.
MOST_ROLLBACKS = 3
TOLD = 3


@HOOKS.register_module()
class NonFiniteLoss(Hook):
    """Looks at the loss of every batch before the optimizer does.

    Args:
        on_nan: What to do about a loss that is NaN or infinite: ``stop`` the run and
            say where it comes from; ``skip`` the batch, with norm statistics as they
            were before it; or ``rollback`` to the weights and the optimizer's state of
            the last checkpoint, and go on with the next batch. Ten such batches in a
            row, or three returns to one checkpoint, end the run all the same.

    Raises:
        OptionError: ``on_nan`` is none of them.
    """

    # Before the hooks that take a batch as trained on.
    priority = "VERY_HIGH"

    def __init__(self, on_nan: str = "stop"):
        if on_nan not in REACTIONS:
            raise OptionError(
                f"on_nan={on_nan!r} is not possible: choose one of "
                f"{', '.join(REACTIONS)}."
            )
        self.on_nan = on_nan
        self.skipped = 0
        self._in_a_row = 0
        self._rollbacks: dict[str, int] = {}
        self._batch: Any = None
        self._statistics: list[Tensor] = []
        self._kept: list[Tensor] = []

    def before_train(self, runner: Runner) -> None:
        """Stand between the loss and the optimizer."""
        wrapper = runner.optim_wrapper
        if not isinstance(wrapper, OptimWrapper):
            return  # several optimizers, as for GANs
        if self.on_nan == "skip":
            self._statistics = _running_statistics(_model_of(runner))
            self._kept = [tensor.clone() for tensor in self._statistics]
        update: Callable[..., None] = wrapper.update_params

        def update_if_finite(loss: Tensor, *args: Any, **kwargs: Any) -> None:
            if self._is_finite(loss):
                self._in_a_row = 0
                update(loss, *args, **kwargs)
            else:
                self._react(runner, float(loss.detach()))
                _count_without_gradient(wrapper)

        wrapper.update_params = update_if_finite

    def before_train_iter(
        self, runner: Runner, batch_idx: int, data_batch: Any = None
    ) -> None:
        """Remember what the batch is, and what it may spoil."""
        self._batch = data_batch
        if self._statistics:
            torch._foreach_copy_(self._kept, self._statistics)

    def after_train(self, runner: Runner) -> None:
        """Say how many batches were left out."""
        if self.skipped:
            tell(f"{self.skipped} batches were left out, for their loss was not finite")

    def _is_finite(self, loss: Tensor) -> bool:
        finite = torch.isfinite(loss.detach()).all()
        if get_world_size() == 1:
            return bool(finite)
        # One process alone must not leave the step out: the others wait for it.
        everywhere = finite.float()
        all_reduce(everywhere, op="min")
        return bool(everywhere)

    def _react(self, runner: Runner, value: float) -> None:
        self._in_a_row += 1
        must_stop = self.on_nan == "stop" or self._in_a_row > MOST_IN_A_ROW
        is_told = must_stop or self.skipped < TOLD
        origin = self._find_origin(runner) if is_told else Origin()
        self._restore_statistics()
        if must_stop:
            raise self._error(runner, value, origin)
        went_back = ""
        if self.on_nan == "rollback":
            went_back = f", back to {self._roll_back(runner, value, origin)}"
        self.skipped += 1
        if is_told:
            tell(f"{self._finding(runner, value, origin)}: left out{went_back}")

    def _find_origin(self, runner: Runner) -> Origin:
        model = _model_of(runner)
        # In the same precision: half of it may be what overflows.
        with runner.optim_wrapper.optim_context(model):
            return find_origin(model, self._batch)

    def _restore_statistics(self) -> None:
        if self._statistics:
            torch._foreach_copy_(self._statistics, self._kept)

    def _finding(self, runner: Runner, value: float, origin: Origin) -> str:
        pictures = first_names(map(os.path.basename, pictures_of(self._batch)))
        of_pictures = f" of {pictures}" if pictures else ""
        return (
            f"the loss{of_pictures} is {value} at {_place(runner)}, "
            f"{origin.sentence_part()}"
        )

    def _error(self, runner: Runner, value: float, origin: Origin) -> TrainingError:
        finding = self._finding(runner, value, origin)
        rate = max(group["lr"] for group in runner.optim_wrapper.param_groups)
        newest = find_checkpoint(runner.work_dir).newest
        go_on = f"; --resume goes on from {newest}" if newest else ""
        return TrainingError(
            f"{finding[0].upper()}{finding[1:]}, and the run stops before it changes "
            f"the weights; try a lower learning rate (it is {rate:.3g}), "
            f"optim_wrapper.clip_grad.max_norm=10 or --amp bf16 in place of fp16, look "
            f"at the boxes of these pictures, or leave such batches out with --on-nan "
            f"skip{go_on}."
        )

    def _roll_back(self, runner: Runner, value: float, origin: Origin) -> str:
        path = find_checkpoint(runner.work_dir).newest
        if path is None or self._rollbacks.get(path, 0) >= MOST_ROLLBACKS:
            raise self._error(runner, value, origin)
        self._rollbacks[path] = self._rollbacks.get(path, 0) + 1
        checkpoint = load_checkpoint_file(path)
        resumes, runner._resume = runner._resume, True  # hooks ask whether it does
        try:
            runner.call_hook("after_load_checkpoint", checkpoint=checkpoint)
        finally:
            runner._resume = resumes
        _model_of(runner).load_state_dict(checkpoint["state_dict"])
        rates = [group["lr"] for group in runner.optim_wrapper.param_groups]
        runner.optim_wrapper.load_state_dict(checkpoint["optimizer"])
        for group, rate in zip(runner.optim_wrapper.param_groups, rates, strict=True):
            group["lr"] = rate  # the schedule goes on from here
        return os.path.basename(path)


def _count_without_gradient(wrapper: OptimWrapper) -> None:
    """Let a batch count for the accumulation, whose other batches make their step."""
    wrapper._inner_count += 1
    accumulates = getattr(wrapper, "_accumulative_counts", 1) > 1
    if accumulates and wrapper.should_update():
        wrapper.step()
    if wrapper.should_update():
        wrapper.zero_grad()


def _running_statistics(model: nn.Module) -> list[Tensor]:
    return [
        buffer
        for module in model.modules()
        if isinstance(module, _BatchNorm)
        for buffer in module.buffers(recurse=False)
    ]


def _model_of(runner: Runner) -> nn.Module:
    return runner.model.module if is_model_wrapper(runner.model) else runner.model


def _place(runner: Runner) -> str:
    if isinstance(runner.train_loop, EpochBasedTrainLoop):
        batches = len(runner.train_dataloader)
        return f"epoch {runner.epoch + 1} iter {runner.iter % batches + 1}/{batches}"
    return f"iter {runner.iter + 1}/{runner.max_iters}"
