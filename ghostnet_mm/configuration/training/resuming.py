"""Which checkpoint a run goes on from."""

from __future__ import annotations

import functools
import os
import re
from dataclasses import dataclass
from pathlib import Path

from mmengine.config import Config

from ...checkpoints.unpacked import refuse_unpacked
from ...checkpoints.whole_files import is_whole
from ...errors import CheckpointError
from ..options import LATEST

# Names that mmengine gives to checkpoints with the state of a run.
NUMBERED = re.compile(r"(?:epoch|iter)_(\d+)\.pth")
LAST_CHECKPOINT = "last_checkpoint"
# Where a run was when it was asked to stop; the next checkpoint takes its place.
INTERRUPTED = "interrupted.pth"


def set_resume(cfg: Config, resume: str | os.PathLike[str]) -> None:
    """Do what ``--resume [PATH]`` asks.

    Args:
        cfg: The config to change.
        resume: A checkpoint, or ``LATEST`` for that of the work dir.

    Raises:
        CheckpointError: The checkpoint does not exist.
    """
    cfg.resume = True
    cfg.load_from = None
    if resume != LATEST:
        resume = os.path.expanduser(os.fspath(resume))
        refuse_unpacked(resume)
        if not os.path.isfile(resume):
            raise CheckpointError(
                f"The checkpoint {resume} to resume from does not exist; check the "
                f"path, or give --resume alone for the latest one of the work dir."
            )
        cfg.load_from = resume


def checkpoint_to_resume(cfg: Config) -> str | None:
    """Return the checkpoint that a run with ``cfg`` will resume from, if any.

    Without a name it is the newest whole one of the work dir, see `find_checkpoint`.
    """
    if not cfg.get("resume"):
        return None
    if cfg.get("load_from") is not None:
        return str(cfg.load_from)
    return find_checkpoint(cfg.work_dir).newest


@dataclass(frozen=True)
class FoundCheckpoint:
    """What `find_checkpoint` found.

    Attributes:
        newest: The newest whole checkpoint, if there is one.
        damaged: Newer ones that are cut off or damaged, newest first.
    """

    newest: str | None
    damaged: tuple[str, ...]


def find_checkpoint(work_dir: str | os.PathLike[str]) -> FoundCheckpoint:
    """Find the newest whole checkpoint of a run.

    The run notes it in ``last_checkpoint``, with the folder it was in at that time;
    what counts is the name, so that a work dir may be moved. Where that file is cut
    off, damaged or gone, the one with the highest number is next.

    Args:
        work_dir: The folder of the run; it need not exist.
    """
    damaged: list[str] = []
    for file in _candidates(Path(work_dir)):
        stat = file.stat()
        if _is_whole_as_of(str(file), stat.st_size, stat.st_mtime_ns):
            return FoundCheckpoint(str(file), tuple(damaged))
        damaged.append(str(file))
    return FoundCheckpoint(None, tuple(damaged))


def _candidates(folder: Path) -> list[Path]:
    """Return the checkpoints that a run could go on from, newest first."""
    numbered = []
    for file in folder.glob("*.pth"):
        match = NUMBERED.fullmatch(file.name)
        if match:
            numbered.append((int(match[1]), file))
    files = [file for _, file in sorted(numbered, reverse=True)]
    try:
        noted = (folder / LAST_CHECKPOINT).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError):
        noted = ""
    last = folder / Path(noted).name
    if noted and last.is_file():
        files = [last, *(file for file in files if file != last)]
    return files


@functools.lru_cache(maxsize=16)
def _is_whole_as_of(path: str, size: int, changed_ns: int) -> bool:
    """Read a file once; it is asked for several times before a run."""
    return is_whole(path)
