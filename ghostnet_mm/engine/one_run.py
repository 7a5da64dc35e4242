"""One training or test at a time in a process.

mmengine keeps loggers, visualizers and scopes for the whole process; two runs side by
side would write into each other's files.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from ..errors import TrainingError

# A callback of a run may test: that is the same thread, and one after the other.
_running = threading.RLock()


@contextmanager
def the_only_run() -> Iterator[None]:
    """Keep other threads from starting a run inside the block.

    Raises:
        TrainingError: Another thread has one.
    """
    if not _running.acquire(blocking=False):
        raise TrainingError(
            "Another training or test is going on in this process; wait for its end, "
            "or start this one in a process of its own."
        )
    try:
        yield
    finally:
        _running.release()
