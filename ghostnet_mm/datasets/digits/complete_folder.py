"""A dataset's folder that appears only when everything in it is written."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ...errors import DataError


@contextmanager
def complete_folder(out_dir: Path, what: str) -> Iterator[Path]:
    """Give a scratch folder that becomes ``out_dir`` if the block succeeds.

    After an error nothing is left behind.

    Args:
        out_dir: The folder; it does not exist, or is empty.
        what: What is written, for the message: ``The digits dataset``.

    Raises:
        DataError: The folder cannot be written.
    """
    partial = None
    try:
        out_dir.parent.mkdir(parents=True, exist_ok=True)
        # A sibling, so that the rename stays on one file system and cannot half happen.
        partial = Path(
            tempfile.mkdtemp(prefix=f".{out_dir.name}.partial-", dir=out_dir.parent)
        )
        yield partial
        _give_default_permissions(partial)
        partial.rename(out_dir)
    except OSError as error:
        raise DataError(
            f"{what} cannot be written to {out_dir} ({error.strerror or error}); "
            f"choose another folder."
        ) from error
    finally:
        if partial is not None:
            shutil.rmtree(partial, ignore_errors=True)


def _give_default_permissions(folder: Path) -> None:
    """Undo mkdtemp's owner-only mode: a dataset is shared like any other folder."""
    umask = os.umask(0)
    os.umask(umask)
    folder.chmod(0o777 & ~umask)
