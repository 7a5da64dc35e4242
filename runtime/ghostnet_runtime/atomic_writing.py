"""The one way to write: a file or a folder is whole under its name, or not there."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .errors import OptionError


@contextmanager
def finished_file(target: str | os.PathLike[str]) -> Iterator[Path]:
    """Give a scratch name beside ``target`` that takes its place if the block succeeds.

    What was written is on the disk before the old file goes, so that a killed process,
    a full disk or a lost machine leaves the one or the other whole. After an error
    nothing is left behind and ``target`` is as it was.

    Raises:
        OSError: The file cannot be written.
    """
    target = Path(target)
    target.parent.mkdir(parents=True, exist_ok=True)
    # The suffix stays: OpenCV, onnx and others choose the format by it.
    handle, name = tempfile.mkstemp(
        prefix=".unfinished-", suffix=target.suffix, dir=target.parent
    )
    os.close(handle)
    scratch = Path(name)
    try:
        yield scratch
        _sync(scratch)
        scratch.chmod(0o666 & ~_umask())
        os.replace(scratch, target)
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

    After an error nothing is left behind and ``target`` is as it was. Files of the same
    name in ``target`` are replaced, others stay.

    Raises:
        OptionError: ``target`` is a file, or cannot be made.
    """
    target = Path(target).expanduser()
    if target.exists() and not target.is_dir():
        raise OptionError(f"The output {target} is a file; name a folder.")
    nearest = target.resolve()
    while not nearest.is_dir():
        nearest = nearest.parent
    if not os.access(nearest, os.W_OK):
        raise OptionError(f"The output {target} cannot be written: check {nearest}.")
    # Beside the target, so that moving a file is renaming it.
    scratch = Path(tempfile.mkdtemp(prefix=".unfinished-", dir=nearest))
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
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def refuse_overwriting(out_dir: str | os.PathLike[str], sources: Path) -> None:
    """Refuse to write pictures into the folder they are read from.

    Raises:
        OptionError: Both are the same folder.
    """
    if Path(out_dir).expanduser().resolve() == sources.resolve():
        raise OptionError(
            f"--out {out_dir} is the folder of the pictures themselves; name another."
        )


def _umask() -> int:
    """Return the mask that ``tempfile`` ignores: results are shared as other files."""
    mask = os.umask(0)
    os.umask(mask)
    return mask


def _sync(path: Path) -> None:
    """Put a file or a folder's entries on the disk, where the system can."""
    if path.is_dir() and os.name == "nt":
        return  # Windows opens no folders.
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
