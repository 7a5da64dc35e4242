"""Ending a run that no longer improves, and saying so."""

from __future__ import annotations

from collections.abc import MutableMapping

from mmengine.hooks import EarlyStoppingHook
from mmengine.registry import HOOKS
from mmengine.runner import EpochBasedTrainLoop, Runner

from ...configuration.console import tell


@HOOKS.register_module()
class EarlyStop(EarlyStoppingHook):
    """Ends a run once the monitored score has stopped rising.

    Differs from mmengine's ``EarlyStoppingHook`` in two points: a validation without
    any detection, for which mmdet's metrics return no score at all, counts as 0 (for
    ``save_best`` of the checkpoint hook too, which would fail), and the console says
    why the run ended.

    Args:
        monitor: Name of the score, such as ``coco/bbox_mAP``.
        patience: Validations without improvement after which the run ends.
        min_delta: What counts as an improvement.
    """

    # Before the checkpoint hook, which reads the same scores.
    priority = "NORMAL"

    def __init__(self, monitor: str, patience: int = 5, min_delta: float = 0.001):
        super().__init__(
            monitor, rule="greater", min_delta=min_delta, strict=True, patience=patience
        )

    def after_val_epoch(
        self, runner: Runner, metrics: MutableMapping[str, float] | None = None
    ) -> None:
        """Judge the scores of a validation."""
        metrics = {} if metrics is None else metrics
        if not metrics:
            metrics[self.monitor] = 0.0
        super().after_val_epoch(runner, metrics)

    def after_train(self, runner: Runner) -> None:
        """Say that the run has ended early, and why."""
        loop = runner.train_loop
        if not loop.stop_training:
            return
        by_epoch = isinstance(loop, EpochBasedTrainLoop)
        place = f"epoch {runner.epoch}" if by_epoch else f"iteration {runner.iter}"
        tell(
            f"stopped after {place}: {self.monitor} has not risen by {self.min_delta} "
            f"in {self.wait_count} validations; best {self.best_score:.3f}"
        )
