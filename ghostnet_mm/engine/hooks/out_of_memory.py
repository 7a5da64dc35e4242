"""A batch that does not fit into memory is trained on in parts, which is told."""

from __future__ import annotations

import gc
from typing import Any

import torch
from mmengine.dist import get_world_size
from mmengine.hooks import Hook
from mmengine.model import is_model_wrapper
from mmengine.optim import OptimWrapper
from mmengine.registry import HOOKS
from mmengine.runner import Runner

from ...configuration.console import tell
from ...errors import TrainingError
from ..training.batch_parts import batch_size, is_out_of_memory, step_in_parts
from .stop_on_signal import StopOnSignal


@HOOKS.register_module()
class OutOfMemory(Hook):
    """Halves the batch when memory runs out, and adds up the gradients of the parts.

    The step that failed is made again in twice as many parts, and those after it too.
    What differs from the whole batch: see `step_in_parts`; and the statistics of norm
    layers have taken in the pictures of the failed attempt. A single picture that does
    not fit ends the run, and so does memory in one of several processes, which would
    wait for each other; the state before the step is kept to ``--resume``.
    """

    priority = "VERY_HIGH"

    def __init__(self) -> None:
        self.parts = 1

    def before_train(self, runner: Runner) -> None:
        """Stand between the loop and the model."""
        model: Any = runner.model
        step = model.train_step

        def step_that_fits(
            data: Any, optim_wrapper: OptimWrapper
        ) -> dict[str, torch.Tensor]:
            while True:
                try:
                    if self.parts == 1:
                        return step(data, optim_wrapper=optim_wrapper)
                    parts = min(self.parts, batch_size(data))
                    return step_in_parts(model, data, optim_wrapper, parts)
                except (RuntimeError, MemoryError) as error:
                    if not is_out_of_memory(error):
                        raise
                    reason = str(error).split(". ")[0].strip() or "MemoryError"
                # Only here the error has let go of what was in memory.
                self._halve(runner, data, reason)

        model.train_step = step_that_fits

    def _halve(self, runner: Runner, data: Any, reason: str) -> None:
        wrapper = runner.optim_wrapper
        size = batch_size(data)
        is_alone = get_world_size() == 1 and not is_model_wrapper(runner.model)
        had_waiting = isinstance(wrapper, OptimWrapper) and not wrapper.should_update()
        wrapper.zero_grad()
        gc.collect()
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
        if not is_alone or self.parts >= size or not isinstance(wrapper, OptimWrapper):
            self._keep(runner)
            least = "one picture" if is_alone else f"{size} pictures in a process"
            raise TrainingError(
                f"Memory is too small for a batch of {least} ({reason}); use a smaller "
                f"train_dataloader.batch_size with --accumulate, smaller pictures, "
                f"--amp, or model.backbone.with_cp=True, and go on with --resume."
            )
        self.parts *= 2
        lost = " (gradients that waited for this step are left out)"
        tell(
            f"out of memory at iteration {runner.iter + 1} ({reason}): batches of "
            f"{size} are trained on in {self.parts} parts from here on, with their "
            f"gradients added up{lost if had_waiting else ''}; norms see the parts"
        )

    @staticmethod
    def _keep(runner: Runner) -> None:
        for hook in runner.hooks:
            if isinstance(hook, StopOnSignal) and runner.iter > 0:
                hook.keep_state(runner, runner.iter)
