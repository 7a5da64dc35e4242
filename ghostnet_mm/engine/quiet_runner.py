"""A runner whose console shows the run; everything else goes to the log file."""

import contextlib
import functools
import io
import logging
import os
import sys
from collections.abc import Callable, Iterator
from typing import Any

from ghostnet_runtime.atomic_writing import write_text
from mmengine.dist import master_only
from mmengine.evaluator import Evaluator
from mmengine.logging import MMLogger
from mmengine.model import is_model_wrapper
from mmengine.registry import RUNNERS
from mmengine.runner import BaseLoop, Runner
from mmengine.runner.checkpoint import _load_checkpoint
from torch.utils.data import DataLoader

from ..configuration.console import tell
from .carried_weights import carry_over, class_names_in, stored_classes
from .loading.signals import outlive_sigterm
from .loading.surviving_loader import surviving

# Warnings about mmengine's own code, or about what the hooks say in better words.
NOT_FOR_THE_CONSOLE = (
    "will be deprecated in future",
    "The testing results of the whole dataset is empty",
    "`metrics` is an empty dict",
    "The prefix is not set in metric class",
)


@RUNNERS.register_module()
class QuietRunner(Runner):
    """mmengine's runner with a calm console.

    mmengine prints the environment, the whole config and every hook, some 400 lines,
    before the first iteration, and pycocotools prints each of its steps. Here the log
    file has all of that and the console has warnings only; progress and results are
    shown by the hooks ``ProgressLine`` and ``ResultTable``.
    """

    _start: str | None = None  # what a run starts from, in words

    def build_logger(self, *args: Any, **kwargs: Any) -> MMLogger:
        """Build mmengine's logger and keep its console handler for warnings."""
        logger = super().build_logger(*args, **kwargs)
        for handler in logger.handlers:
            # A FileHandler is a StreamHandler too.
            if getattr(handler, "stream", None) is sys.stdout:
                handler.setLevel(max(handler.level, logging.WARNING))
                handler.addFilter(_is_for_the_console)
        return logger

    @master_only
    def dump_config(self) -> None:
        """Write the config into the work dir, whole or not at all."""
        name = os.path.basename(self.cfg.filename or f"{self.timestamp}.py")
        if name.endswith(".py"):
            write_text(os.path.join(self.work_dir, name), self.cfg.pretty_text)
        else:
            super().dump_config()

    def build_dataloader(self, *args: Any, **kwargs: Any) -> DataLoader:
        """Build a loader; hooks with ``prepare_dataset`` get its dataset first."""
        loader = Runner.build_dataloader(*args, **kwargs)
        outlive_sigterm(loader)
        for hook in self.hooks:
            if hasattr(hook, "prepare_dataset"):
                hook.prepare_dataset(self, loader.dataset)
        return surviving(loader)

    def build_train_loop(self, *args: Any, **kwargs: Any) -> Any:
        """Build the loop and its dataset; what they print goes to the log."""
        with printed_to(self.logger):
            return super().build_train_loop(*args, **kwargs)

    def build_val_loop(self, *args: Any, **kwargs: Any) -> Any:
        """Build the loop and its dataset; what they print goes to the log."""
        with printed_to(self.logger):
            return super().build_val_loop(*args, **kwargs)

    def build_test_loop(self, *args: Any, **kwargs: Any) -> Any:
        """Build the loop and its dataset; what they print goes to the log."""
        with printed_to(self.logger):
            return super().build_test_loop(*args, **kwargs)

    def load_or_resume(self) -> None:
        """Load the checkpoint; what that prints goes to the log."""
        with printed_to(self.logger):
            super().load_or_resume()
        if self._start is not None:
            tell(self._start)

    def load_checkpoint(
        self, filename: str, map_location: Any = "cpu", *args: Any, **kwargs: Any
    ) -> dict[str, Any]:
        """Load a checkpoint; where a training run starts from it, say what is taken.

        Then, rows of classes with the same name are carried over, see `carry_over`.
        """
        if self._resume or not isinstance(self._train_loop, BaseLoop):
            return super().load_checkpoint(filename, map_location, *args, **kwargs)
        checkpoint = _load_checkpoint(filename, map_location=map_location)
        model = self.model.module if is_model_wrapper(self.model) else self.model
        stored = checkpoint.get("state_dict", checkpoint)
        dataset = self.train_dataloader.dataset
        outcome = carry_over(
            model,
            self.cfg.model,
            {name.removeprefix("module."): value for name, value in stored.items()},
            stored_classes(checkpoint),
            class_names_in(getattr(dataset, "metainfo", None)),
        )
        checkpoint["state_dict"] = outcome.weights
        self.call_hook("after_load_checkpoint", checkpoint=checkpoint)
        model.load_state_dict(outcome.weights, strict=False)
        self._has_loaded = True
        self.logger.info("Loaded %s; anew: %s", filename, outcome.anew)
        self._start = f"starting from {filename}: {outcome.summary()}"
        return checkpoint

    def build_evaluator(self, *args: Any, **kwargs: Any) -> Evaluator:
        """Build the evaluator; what it prints goes to the log."""
        evaluator = super().build_evaluator(*args, **kwargs)
        evaluator.evaluate = _printing_to(self.logger, evaluator.evaluate)
        return evaluator


def _is_for_the_console(record: logging.LogRecord) -> bool:
    message = record.getMessage()
    return not any(text in message for text in NOT_FOR_THE_CONSOLE)


@contextlib.contextmanager
def printed_to(logger: logging.Logger) -> Iterator[None]:
    """Send what is printed inside the block to ``logger`` at level INFO."""
    text = io.StringIO()
    try:
        with contextlib.redirect_stdout(text):
            yield
    finally:
        if text.getvalue().strip():
            logger.info(text.getvalue().rstrip())


def _printing_to(logger: logging.Logger, function: Callable) -> Callable:
    @functools.wraps(function)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        with printed_to(logger):
            return function(*args, **kwargs)

    return wrapped
