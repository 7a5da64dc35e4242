"""The one loop over pictures: no picture stops it, and it ends with what it missed."""

from __future__ import annotations

import signal
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import FrameType
from typing import NoReturn

from .errors import DataError
from .picture_sources import MissingPicture, Picture, Source, VideoFrames, listed
from .status_line import StatusLine, plain_duration, tell

# Of each kind of trouble.
MOST_TOLD = 5


class Terminated(KeyboardInterrupt):
    """The process was asked to end, as by ``kill`` or a scheduler's time limit."""


@dataclass
class LoopReport:
    """How a loop over pictures went.

    Attributes:
        done: Number of pictures that were looked at.
        missing: Those that could not be.
        seconds: It took, reading included.
        interruption: What ended it before its end, if anything did.
    """

    done: int = 0
    missing: list[MissingPicture] = field(default_factory=list)
    seconds: float = 0.0
    interruption: KeyboardInterrupt | None = None

    @property
    def rate(self) -> float:
        """Pictures per second."""
        return self.done / max(self.seconds, 1e-9)


def for_each_picture(
    pictures: Source,
    work: Callable[[Picture], bool],
    miss: Callable[[MissingPicture], object] = lambda missing: None,
    max_pictures: int | None = None,
) -> LoopReport:
    """Do something with every picture, and tell what was missed at the end.

    A picture that cannot be read, or of which ``work`` says so by a `DataError`, is
    missed, and the loop goes on. Ctrl-C and a request to end stop it between two
    pictures; they are in the report.

    Args:
        pictures: Where they come from.
        work: Is given each picture, and says whether to go on.
        miss: Is given each picture that is missed.
        max_pictures: Stop after so many, missed ones included.

    Raises:
        DataError: Not one picture could be looked at.
    """
    report, line, started = LoopReport(), StatusLine(), time.monotonic()
    notes: dict[str, list[str]] = defaultdict(list)
    ends = [end for end in (pictures.total, max_pictures) if end is not None]
    last = min(ends) if ends else None
    attempted, goes_on = 0, True
    try:
        with _termination_raises():
            for item in pictures.attempts():
                missing = item if isinstance(item, MissingPicture) else None
                if isinstance(item, Picture):
                    try:
                        goes_on = work(item)
                    except DataError as error:
                        missing = MissingPicture(item.name, str(error))
                    else:
                        report.done += 1
                        if item.note:
                            notes[item.note].append(item.file_name)
                if missing is not None:
                    report.missing.append(missing)
                    miss(missing)
                attempted += missing.count if missing is not None else 1
                if line.is_due() or (last is not None and attempted >= last):
                    line.show(
                        progress_text(attempted, last, time.monotonic() - started)
                    )
                if not goes_on or (
                    max_pictures is not None and attempted >= max_pictures
                ):
                    break
    except KeyboardInterrupt as interruption:
        report.interruption = interruption
    line.clear()
    report.seconds = time.monotonic() - started
    if not report.done and report.missing and report.interruption is None:
        raise nothing_done(pictures, report.missing)
    for note, names in notes.items():
        tell(f"{len(names)} x {note}: {listed(names)}")
    for remark in pictures.remarks:
        tell(remark)
    tell_missing(pictures, report.missing)
    return report


def nothing_done(pictures: Source, missing: list[MissingPicture]) -> DataError:
    """Return the error of a source of which no picture could be looked at."""
    if len(missing) == 1:
        return DataError(missing[0].reason)
    name = pictures.name if isinstance(pictures, VideoFrames) else pictures.root
    return DataError(
        f"Of {len(missing)} pictures in {name} not one can be read; the first: "
        f"{missing[0].reason}"
    )


def tell_missing(pictures: Source, missing: list[MissingPicture]) -> None:
    """Say on stderr which pictures of a source could not be looked at, if any."""
    if not missing:
        return
    count = sum(item.count for item in missing)
    what = "frames" if isinstance(pictures, VideoFrames) else "pictures"
    total = f" of {pictures.total}" if pictures.total is not None else ""
    tell(f"missing: {count}{total} {what}", sys.stderr)
    for item in missing[:MOST_TOLD]:
        tell(f"  {item.reason}", sys.stderr)
    if len(missing) > MOST_TOLD:
        tell(f"  and {len(missing) - MOST_TOLD} more", sys.stderr)


def progress_text(done: int, total: int | None, elapsed: float) -> str:
    """Return how far work on pictures is, how fast, and when it will be done.

    Args:
        done: Pictures so far.
        total: All of them; ``None`` where nobody knows.
        elapsed: Seconds so far.
    """
    text = f"{done}{f'/{total}' if total else ''} images"
    text += f"  {done / max(elapsed, 1e-9):.1f} images/s"
    if total:
        text += f"  ETA {plain_duration(elapsed / done * (total - done))}"
    return text


@contextmanager
def _termination_raises() -> Iterator[None]:
    """Let SIGTERM end the loop as Ctrl-C does, where nobody else handles it."""

    def end(number: int, frame: FrameType | None) -> NoReturn:
        raise Terminated

    is_main = threading.current_thread() is threading.main_thread()
    if not is_main or signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL:
        yield
        return
    signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
