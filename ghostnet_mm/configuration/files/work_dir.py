"""One work dir holds the run of one config.

mmengine writes into whatever folder it is given. Two configs in one folder overwrite
each other's checkpoints, and ``--resume`` then continues the wrong one.
"""

import ast
import contextlib
import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ghostnet_runtime.atomic_writing import UNFINISHED
from mmengine.config import Config

from ...errors import OptionError
from .text import config_from_text

SECONDS_OF_A_WRITE = 60
# Where the weights come from does not make it another model.
NOT_THE_MODEL = {"init_cfg"}


def check_work_dir(cfg: Config) -> None:
    """Refuse a work dir that holds the run of another config.

    The same config may run there again, with other settings of training too: a dumped
    config of the same file name whose model is the same, or that never got as far as a
    checkpoint.

    Raises:
        OptionError: The folder holds another config's run, or is no folder.
    """
    folder = Path(cfg.work_dir)
    if folder.exists() and not folder.is_dir():
        raise OptionError(
            f"The work dir {folder} is a file; choose another --work-dir."
        )
    if not folder.is_dir():
        return
    name = Path(cfg.filename).name
    for dumped in sorted(folder.glob("*.py")):
        is_left_over = dumped.name.startswith(UNFINISHED)  # by a kill
        if not is_left_over and dumped.name != name and _is_config(dumped):
            raise OptionError(
                f"The work dir {folder} already holds a run of {dumped.name}; choose "
                f"another --work-dir for {name}, or remove that folder."
            )
    # Runs of before may have been killed while mmengine wrote the file.
    is_whole = (folder / name).is_file() and _is_config(folder / name)
    if not is_whole or not any(folder.glob("*.pth")):
        return
    previous = config_from_text((folder / name).read_text(encoding="utf-8"))
    if _model_of(previous) != _model_of(cfg.to_dict()):
        raise OptionError(
            f"The work dir {folder} already holds a run of {name} with another model "
            f"({_first_difference(_model_of(previous), _model_of(cfg.to_dict()))}); "
            f"choose another --work-dir, or remove that folder."
        )


def remove_left_overs(folder: str | os.PathLike[str]) -> None:
    """Remove what killed runs have left half written; they are as large as checkpoints.

    Files of the last minute stay: another process may be at them.
    """
    for file in Path(folder).glob(f"{UNFINISHED}*"):
        with contextlib.suppress(OSError):
            if time.time() - file.stat().st_mtime > SECONDS_OF_A_WRITE:
                file.unlink()


def _is_config(file: Path) -> bool:
    try:
        tree = ast.parse(file.read_text(encoding="utf-8"))
    except (SyntaxError, UnicodeDecodeError):
        return False
    return any(
        isinstance(line, ast.Assign)
        and any(isinstance(t, ast.Name) and t.id == "model" for t in line.targets)
        for line in tree.body
    )


def _model_of(cfg: Mapping[str, Any]) -> Any:
    return _plain(cfg.get("model"))


def _plain(node: Any) -> Any:
    """Drop ``init_cfg`` and the difference between tuples and lists."""
    if isinstance(node, Mapping):
        return {
            key: _plain(value)
            for key, value in node.items()
            if key not in NOT_THE_MODEL
        }
    if isinstance(node, (list, tuple)):
        return [_plain(value) for value in node]
    return node


def _first_difference(old: Any, new: Any, place: str = "model") -> str:
    if isinstance(old, dict) and isinstance(new, dict):
        for key in [*old, *new]:
            if old.get(key) != new.get(key):
                return _first_difference(old.get(key), new.get(key), f"{place}.{key}")
    return f"{place} was {old!r} and is now {new!r}"


def new_work_dir(name: str) -> Path:
    """Return the first of ``work_dirs/NAME``, ``NAME-2``, ... that does not exist."""
    return _numbered_work_dirs(name)[-1]


def last_work_dir(name: str) -> Path:
    """Return the last of ``work_dirs/NAME``, ``NAME-2``, ... that exists, or NAME's."""
    *existing, new = _numbered_work_dirs(name)
    return existing[-1] if existing else new


def _numbered_work_dirs(name: str) -> list[Path]:
    """Return those that exist, and the next one."""
    folders = [Path("work_dirs", name)]
    while folders[-1].exists():
        folders.append(Path("work_dirs", f"{name}-{len(folders) + 1}"))
    return folders
