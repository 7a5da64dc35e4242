"""A runner that scales the learning rate by all the images of a step."""

from __future__ import annotations

from typing import Any

from mmengine.optim import OptimWrapper
from mmengine.registry import RUNNERS

from ...configuration.console import tell
from ..quiet_runner import QuietRunner


@RUNNERS.register_module()
class BatchScalingRunner(QuietRunner):
    """Scales the learning rate as mmengine does, counting accumulated batches too.

    mmengine takes the images of one batch of all processes for the images of a step,
    whatever ``accumulative_counts`` says.
    """

    def scale_lr(
        self, optim_wrapper: OptimWrapper, auto_scale_lr: dict[str, Any] | None = None
    ) -> None:
        """Scale the learning rates by images per step over ``base_batch_size``."""
        if auto_scale_lr is None or not auto_scale_lr.get("enable"):
            return
        if self._resume:
            # Resuming brings back the optimizer's rate, whatever is set here.
            tell("--auto-scale-lr: the learning rate is that of the resumed run")
            return
        # mmengine offers no public name for it.
        accumulated = getattr(optim_wrapper, "_accumulative_counts", 1)
        before = _highest_rate(optim_wrapper)
        base = auto_scale_lr["base_batch_size"]
        super().scale_lr(
            optim_wrapper, dict(auto_scale_lr, base_batch_size=base / accumulated)
        )
        after = _highest_rate(optim_wrapper)
        loader = self._train_dataloader
        images = loader["batch_size"] if isinstance(loader, dict) else loader.batch_size
        total = images * self.world_size * accumulated
        tell(
            f"learning rate {before:.4g} -> {after:.4g}: {total} images a step "
            f"({images} x {self.world_size} processes x {accumulated} accumulated), "
            f"where the recipe has {base}"
        )


def _highest_rate(optim_wrapper: OptimWrapper) -> float:
    """Return the rate of the parameters that learn fastest."""
    return max(group["lr"] for group in optim_wrapper.optimizer.param_groups)
