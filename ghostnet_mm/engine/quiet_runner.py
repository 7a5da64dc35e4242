"""A runner whose console shows the run; everything else goes to the log file."""

import contextlib
import functools
import io
import logging
import sys
from collections.abc import Callable, Iterator
from typing import Any

from mmengine.evaluator import Evaluator
from mmengine.logging import MMLogger
from mmengine.registry import RUNNERS
from mmengine.runner import Runner

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

    def build_logger(self, *args: Any, **kwargs: Any) -> MMLogger:
        """Build mmengine's logger and keep its console handler for warnings."""
        logger = super().build_logger(*args, **kwargs)
        for handler in logger.handlers:
            # A FileHandler is a StreamHandler too.
            if getattr(handler, "stream", None) is sys.stdout:
                handler.setLevel(max(handler.level, logging.WARNING))
                handler.addFilter(_is_for_the_console)
        return logger

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
