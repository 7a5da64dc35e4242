"""A running average of the weights (EMA) that suits short runs and accumulation."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mmengine.hooks import EMAHook
from mmengine.registry import HOOKS
from mmengine.runner import BaseLoop, Runner

# mmdet's defaults, which are for runs of 100,000 steps and more.
LONG_RUN_MOMENTUM = 0.0002
LONG_RUN_WARM_UP = 2000
# In a shorter run the average reaches over the last twentieth, once a tenth is over.
AVERAGED_SHARE = 1 / 20
WARM_UP_SHARE = 1 / 10


@HOOKS.register_module()
class StepEMAHook(EMAHook):
    """mmengine's ``EMAHook``, updated after optimizer steps only.

    mmengine also updates after every batch that gradient accumulation collects: the
    same weights enter the average several times, and its warm-up is that much shorter.
    """

    def after_train_iter(
        self,
        runner: Runner,
        batch_idx: int,
        data_batch: Any = None,
        outputs: Mapping[str, Any] | None = None,
    ) -> None:
        """Update the average if the optimizer has just made a step."""
        if runner.optim_wrapper.should_update():
            super().after_train_iter(runner, batch_idx, data_batch, outputs)


@HOOKS.register_module()
class WeightAverage(StepEMAHook):
    """Averages weights and norm statistics with mmdet's ``ExpMomentumEMA``.

    Validation runs with the average, and checkpoints hold it as ``state_dict``; what
    the optimizer works on is beside it as ``ema_state_dict``, for resuming. The default
    momentum follows from the length of the run.

    Args:
        momentum: Weight of the newest weights in the average, in (0, 1); ``None``
            for the reciprocal of a twentieth of the run's steps, at least 0.0002.
        gamma: Steps of warm-up, in which the momentum decays exponentially from 1;
            ``None`` for a tenth of the run's steps, at most 2000.
        **kwargs: Further arguments of mmengine's ``EMAHook``.
    """

    # Before the hooks that look at the model between the steps, as in mmdet's configs.
    priority = 49

    def __init__(
        self, momentum: float | None = None, gamma: int | None = None, **kwargs: Any
    ):
        kwargs = dict(ema_type="mmdet.ExpMomentumEMA", update_buffers=True) | kwargs
        super().__init__(**kwargs)
        self.momentum = momentum
        self.gamma = gamma

    def before_run(self, runner: Runner) -> None:
        """Copy the model; the length of the run is known now."""
        # The public property would build the training data, for a test as well.
        loop = runner._train_loop
        length = loop.max_iters if isinstance(loop, BaseLoop) else 0
        steps = max(length // _accumulated(runner.optim_wrapper), 1)
        momentum, gamma = self.momentum, self.gamma
        if momentum is None:
            momentum = min(max(LONG_RUN_MOMENTUM, 1 / (AVERAGED_SHARE * steps)), 0.5)
        if gamma is None:
            gamma = max(min(LONG_RUN_WARM_UP, round(WARM_UP_SHARE * steps)), 1)
        self.ema_cfg.update(momentum=momentum, gamma=gamma)
        super().before_run(runner)


def _accumulated(optim_wrapper: Any) -> int:
    # mmengine offers no public name; before a test there is no wrapper, only None.
    return getattr(optim_wrapper, "_accumulative_counts", 1)
