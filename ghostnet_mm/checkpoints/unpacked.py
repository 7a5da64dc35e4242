"""Checkpoints that a user, a browser or an archiver has unpacked.

``torch.save`` writes a zip archive, and many published files are called ``.pth.tar``,
so programs offer to unpack them: ``data.pkl`` beside a folder ``data`` and ``version``,
often one folder further down.
"""

import os
from pathlib import Path

from ghostnet_mm.errors import CheckpointError

PICKLE = "data.pkl"
BESIDE_IT = ("data", "version", "byteorder")


def refuse_unpacked(path: str | os.PathLike[str]) -> None:
    """Say what to give instead where a path is what an unpacked checkpoint left.

    Args:
        path: A folder, or the ``data.pkl`` in it; anything else passes.

    Raises:
        CheckpointError: It is one.
    """
    given = Path(path).expanduser()
    if given.name == PICKLE and given.is_file():
        unpacked = _holds_the_parts(given.parent)
    else:
        unpacked = given.is_dir() and any(
            _holds_the_parts(folder) for folder in (given, *_subfolders(given))
        )
    if unpacked:
        raise CheckpointError(
            f"{path} is an unpacked checkpoint; give the file itself, as it was "
            f"downloaded (.pth, .pth.tar), and do not unpack it."
        )


def _holds_the_parts(folder: Path) -> bool:
    return (folder / PICKLE).is_file() and any(
        (folder / name).exists() for name in BESIDE_IT
    )


def _subfolders(folder: Path) -> list[Path]:
    try:
        return [entry for entry in folder.iterdir() if entry.is_dir()]
    except OSError:
        return []
