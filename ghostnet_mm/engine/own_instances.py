"""A run with loggers and visualizers of its own.

mmengine keeps them by name for the life of the process. The second run of a notebook
would log into the first one's files: all visualizers of mmdet's configs are called
``visualizer``, and runs that begin in the same second have the same name.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from mmengine.logging import MessageHub, MMLogger
from mmengine.registry import DefaultScope
from mmengine.utils import ManagerMixin
from mmengine.visualization import Visualizer


@contextmanager
def own_instances() -> Iterator[None]:
    """Hide what earlier runs left, and forget at the end what this one has made.

    Files of its loggers are closed. What was there before the block is there again.
    """
    kinds = [kind for kind in _kinds() if kind is not DefaultScope]
    before = {kind: dict(kind._instance_dict) for kind in _kinds()}
    for kind in kinds:
        kind._instance_dict.clear()
    try:
        yield
    finally:
        for logger in MMLogger._instance_dict.values():
            for handler in logger.handlers:
                handler.close()
        for kind in _kinds():
            kind._instance_dict.clear()
            kind._instance_dict.update(before.get(kind, {}))


def _kinds() -> list[type[ManagerMixin]]:
    """Return the classes that keep instances by name, the visualizers each."""
    found: list[type[ManagerMixin]] = [DefaultScope, MMLogger, MessageHub, Visualizer]
    for kind in found:
        found += [child for child in kind.__subclasses__() if child not in found]
    return found
