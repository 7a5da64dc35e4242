"""Silence for libraries that print."""

import contextlib
import io


def without_prints() -> contextlib.AbstractContextManager[object]:
    """Swallow what is printed meanwhile, such as pycocotools' ``Done (t=0.00s)``."""
    return contextlib.redirect_stdout(io.StringIO())
