"""One line that stays up to date on a terminal, or a line now and then in a file."""

import shutil
import sys
import time
from typing import TextIO


class StatusLine:
    """Shows how far something is.

    On a terminal the line replaces itself a few times a second; elsewhere (a log, a
    pipe) a new line is printed every ``interval`` seconds.

    Args:
        interval: Seconds between lines where there is no terminal.
        stream: Where to write; the default is stdout at the time of creation.
    """

    TERMINAL_INTERVAL = 0.2

    def __init__(self, interval: float = 10.0, stream: TextIO | None = None):
        self.stream = stream or sys.stdout
        self.live = self.stream.isatty()
        self.interval = self.TERMINAL_INTERVAL if self.live else interval
        self._last_shown: float | None = None
        self._is_on_line = False

    def is_due(self) -> bool:
        """Whether it is time to show something; the first call says yes."""
        now = time.monotonic()
        return self._last_shown is None or now - self._last_shown >= self.interval

    def show(self, text: str) -> None:
        """Show ``text`` in place of the previous one."""
        self._last_shown = time.monotonic()
        if self.live:
            # A line that wraps could not be replaced.
            width = shutil.get_terminal_size().columns - 1
            self.stream.write(f"\r\x1b[K{text[:width]}")
            self._is_on_line = True
        else:
            self.stream.write(f"{text}\n")
        self.stream.flush()

    def say(self, text: str) -> None:
        """Print ``text`` to stay; the status goes on below it."""
        self.clear()
        self.stream.write(f"{text}\n")
        self.stream.flush()

    def clear(self) -> None:
        """Take the live line away."""
        if self._is_on_line:
            self.stream.write("\r\x1b[K")
            self.stream.flush()
            self._is_on_line = False


def tell(text: str, stream: TextIO | None = None) -> None:
    """Print a line; what the console cannot show, as in names of files, is escaped.

    Args:
        text: The line.
        stream: Where to write; the default is stdout.
    """
    stream = stream or sys.stdout
    encoding = stream.encoding or "utf-8"
    shown = text.encode(encoding, "backslashreplace").decode(encoding)
    print(shown, file=stream, flush=True)


def plain_duration(seconds: float) -> str:
    """Return a duration as people write it: ``42s``, ``3m07s``, ``2h05m``."""
    seconds = max(0, round(seconds))
    if seconds < 60:
        return f"{seconds}s"
    if seconds < 3600:
        return f"{seconds // 60}m{seconds % 60:02d}s"
    return f"{seconds // 3600}h{seconds % 3600 // 60:02d}m"
