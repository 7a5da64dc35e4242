"""The one way to write: a file or a folder is whole under its name, or not there."""

from __future__ import annotations

import errno
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import BinaryIO

from .errors import OptionError

# How scratch files and folders are called until they are whole.
UNFINISHED = ".unfinished-"
# What a disk says that takes no more: full, a quota or a largest size reached.
NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


@contextmanager
def finished_file(
    target: str | os.PathLike[str], *, durable: bool = True
) -> Iterator[Path]:
    """Give a scratch name beside ``target`` that takes its place if the block succeeds.

    What was written is on the disk before the old file goes, so that a killed process,
    a full disk or a lost machine leaves the one or the other whole. After an error
    nothing is left behind and ``target`` is as it was.

    Args:
        target: The file; folders above it are made.
        durable: Whether to wait for the disk. Without it, which is quicker for many
            small files, a lost machine may leave the file damaged.

    Raises:
        OSError: The file cannot be written.
    """
    target = Path(target)
    target.parent.mkdir(parents=True, exist_ok=True)
    # The suffix stays: OpenCV, onnx and others choose the format by it.
    handle, name = tempfile.mkstemp(
        prefix=UNFINISHED, suffix=target.suffix, dir=target.parent
    )
    os.close(handle)
    scratch = Path(name)
    try:
        yield scratch
        if durable:
            _sync(scratch)
        scratch.chmod(0o666 & ~_umask())
        os.replace(scratch, target)
        if durable:
            _sync(target.parent)
    finally:
        scratch.unlink(missing_ok=True)


def write_text(target: str | os.PathLike[str], text: str) -> None:
    """Write a text in UTF-8, whole or not at all.

    Raises:
        OSError: The file cannot be written.
    """
    with finished_file(target) as scratch:
        scratch.write_text(text, encoding="utf-8")


@contextmanager
def finished_folder(target: str | os.PathLike[str]) -> Iterator[Path]:
    """Give a scratch folder whose files move to ``target`` if the block succeeds.

    After an error in the block nothing is left behind and ``target`` is as it was.
    Files of the same name in ``target`` are replaced, each whole, and others stay.

    Raises:
        OptionError: ``target`` is a file, or cannot be made, or the disk is full.
    """
    target = Path(target).expanduser()
    nearest = check_folder(target)
    # Beside the target, so that moving a file is renaming it.
    scratch = Path(tempfile.mkdtemp(prefix=UNFINISHED, dir=nearest))
    try:
        yield scratch
        scratch.chmod(0o777 & ~_umask())
        if not target.exists():
            target.parent.mkdir(parents=True, exist_ok=True)
            os.replace(scratch, target)
            _sync(target.parent)
            return
        for file in sorted(scratch.rglob("*")):
            if file.is_file():
                final = target / file.relative_to(scratch)
                final.parent.mkdir(parents=True, exist_ok=True)
                os.replace(file, final)
        _sync(target)
    except OSError as error:
        if error.errno not in NO_ROOM:
            raise
        raise OptionError(
            f"The output {target} cannot be written ({error.strerror}); make room, or "
            f"name another folder."
        ) from error
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def check_folder(target: Path) -> Path:
    """Make sure that a folder can be written to, and return the nearest there is.

    Raises:
        OptionError: ``target`` is a file, or cannot be made.
    """
    if target.exists() and not target.is_dir():
        raise OptionError(f"The output {target} is a file; name a folder.")
    nearest = target.resolve()
    while not nearest.exists():
        nearest = nearest.parent
    if not nearest.is_dir():
        raise OptionError(
            f"The output {target} cannot be written: {nearest} is a file."
        )
    if not os.access(nearest, os.W_OK):
        raise OptionError(f"The output {target} cannot be written: check {nearest}.")
    return nearest


class GrowingList:
    """A list in a JSON file that is whole after every entry.

    The file takes the place of an older one with its first entry; without one it is
    never made. A full disk or a killed process leaves the entries before.

    Args:
        target: The file; folders above it are made.
    """

    END = b"\n]"

    def __init__(self, target: str | os.PathLike[str]):
        self._target = Path(target)
        self._file: BinaryIO | None = None
        self._size = 0

    def append(self, entry: object) -> None:
        """Write an entry.

        Raises:
            OSError: It cannot be written; the file is as before.
        """
        text = json.dumps(entry).encode()
        if self._file is None:
            first = b"[\n" + text + self.END
            with finished_file(self._target) as scratch:
                scratch.write_bytes(first)
            self._file = open(self._target, "r+b", buffering=0)
            self._size = len(first)
            return
        more = b",\n" + text + self.END
        start = self._size - len(self.END)
        try:
            self._write_at(start, more)
        except OSError:
            # What is overwritten has its place on the disk, however full that is.
            self._file.truncate(self._size)
            self._write_at(start, self.END)
            raise
        self._size = start + len(more)

    def _write_at(self, start: int, content: bytes) -> None:
        assert self._file is not None
        self._file.seek(start)
        while content:
            content = content[self._file.write(content) :]

    def __enter__(self) -> GrowingList:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._file is not None:
            os.fsync(self._file.fileno())
            self._file.close()


def _umask() -> int:
    """Return the mask that ``tempfile`` ignores: results are shared as other files."""
    mask = os.umask(0)
    os.umask(mask)
    return mask


def _sync(path: Path) -> None:
    """Put a file or a folder's entries on the disk, where the system can."""
    is_folder = path.is_dir()
    if is_folder and os.name == "nt":
        return  # Windows opens no folders.
    # And it syncs only what may be written.
    handle = os.open(path, os.O_RDONLY if is_folder else os.O_RDWR)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
