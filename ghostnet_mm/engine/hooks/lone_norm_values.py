"""Training on a batch of one picture, whose coarsest maps may be a single pixel."""

from __future__ import annotations

from mmengine.hooks import Hook
from mmengine.model import is_model_wrapper
from mmengine.registry import HOOKS
from mmengine.runner import Runner
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from ...configuration.console import tell
from ...layers.lone_values import meets_lone_values


@HOOKS.register_module()
class LoneNormValues(Hook):
    """Lets a batch norm that meets one value per channel use its running statistics.

    One value has no variance, so PyTorch ends the run there: in SSDLite's coarsest
    level with a batch of one picture, or when the last batch of an epoch has one left.
    Such a norm runs for that batch as it does in a test, and learns no statistics from
    it; the first time, the console says so.
    """

    def __init__(self) -> None:
        self.told = False

    def before_train(self, runner: Runner) -> None:
        """Watch the batch norms of the model."""
        model = runner.model.module if is_model_wrapper(runner.model) else runner.model
        for name, norm in model.named_modules():
            if isinstance(norm, _BatchNorm):
                self._watch(norm, name)

    def _watch(self, norm: _BatchNorm, name: str) -> None:
        borrowed: list[bool] = []

        def before(norm: nn.Module, inputs: tuple[Tensor, ...]) -> None:
            if meets_lone_values(norm, inputs[0]):
                norm.training = False
                borrowed.append(True)
                self._tell(name)

        def after(norm: nn.Module, inputs: tuple[Tensor, ...], out: Tensor) -> None:
            if borrowed:
                borrowed.clear()
                norm.training = True

        norm.register_forward_pre_hook(before)
        norm.register_forward_hook(after)

    def _tell(self, name: str) -> None:
        if not self.told:
            self.told = True
            tell(
                f"a batch of one picture leaves {name} one value per channel: there it "
                f"uses its running statistics; larger batches would train them"
            )
