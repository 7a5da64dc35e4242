"""Silence for libraries that print."""

import contextlib
import io
import logging
from collections.abc import Iterator

from mmengine.logging import MMLogger


def without_prints() -> contextlib.AbstractContextManager[object]:
    """Swallow what is printed meanwhile, such as pycocotools' ``Done (t=0.00s)``."""
    return contextlib.redirect_stdout(io.StringIO())


@contextlib.contextmanager
def without_messages() -> Iterator[None]:
    """Swallow what is printed and logged meanwhile, errors apart."""
    loggers = MMLogger.get_current_instance(), logging.getLogger()
    levels = [logger.level for logger in loggers]
    try:
        for logger in loggers:
            logger.setLevel(logging.ERROR)
        with without_prints():
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
