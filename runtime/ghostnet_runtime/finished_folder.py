"""A folder that receives its files only when the work is done."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .errors import OptionError


@contextmanager
def finished_folder(target: str | os.PathLike) -> Iterator[Path]:
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
        for file in sorted(scratch.rglob("*")):
            if file.is_file():
                final = target / file.relative_to(scratch)
                final.parent.mkdir(parents=True, exist_ok=True)
                os.replace(file, final)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def refuse_overwriting(out_dir: str | os.PathLike, sources: Path) -> None:
    """Refuse to write pictures into the folder they are read from.

    Raises:
        OptionError: Both are the same folder.
    """
    if Path(out_dir).expanduser().resolve() == sources.resolve():
        raise OptionError(
            f"--out {out_dir} is the folder of the pictures themselves; name another."
        )
