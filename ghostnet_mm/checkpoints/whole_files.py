"""Repair: make mmengine write checkpoints whole, or not at all; find what is not.

What breaks without it: mmengine writes into the final file, so that a full disk, a
killed process or a lost machine leaves half a checkpoint under the name of a whole one;
and it builds the file in memory first.

Only ``save_checkpoint`` for local files is replaced, wherever mmengine has imported it.
"""

import functools
import os
import zipfile
import zlib
from collections.abc import Callable
from typing import Any

import mmengine.runner
import mmengine.runner.checkpoint as mmengine_checkpoint
import mmengine.runner.runner as mmengine_runner
import torch
from ghostnet_runtime.atomic_writing import finished_file

from ghostnet_mm.checkpoints.safe_loading import check_zip_checksums
from ghostnet_mm.errors import CheckpointError


def install_whole_saving() -> None:
    """Send mmengine's saving of local files through `save_whole`.

    ``Runner.save_checkpoint``, and with it ``CheckpointHook``, come through here.
    Calling it again changes nothing.
    """
    original = mmengine_checkpoint.save_checkpoint
    if not hasattr(original, "__wrapped__"):
        replacement = _for_local_files(original)
        for module in (mmengine_checkpoint, mmengine_runner, mmengine.runner):
            module.save_checkpoint = replacement


def save_whole(checkpoint: Any, path: str | os.PathLike[str]) -> None:
    """Write what ``torch.save`` writes; until it is on the disk, the old file stays.

    Raises:
        CheckpointError: The disk is full, or the file cannot be written.
    """
    try:
        # An open file, not its name: of that, PyTorch says nothing of the cause.
        with finished_file(path) as scratch, scratch.open("wb") as file:
            torch.save(checkpoint, file)
    except (OSError, RuntimeError) as error:
        # Closing the archive, PyTorch may fail once more, in words of its own.
        cause: BaseException | None = error
        while cause is not None and not isinstance(cause, OSError):
            cause = cause.__context__
        if cause is None:
            raise
        raise CheckpointError(
            f"The checkpoint {path} cannot be written ({cause.strerror or cause}); the "
            f"ones before are whole: make room, and go on with --resume."
        ) from cause


def is_whole(path: str | os.PathLike[str]) -> bool:
    """Whether a checkpoint is there in full, as far as its own checksums say.

    Files of PyTorch before 1.6 have none; of them, only an empty one is found out.
    """
    try:
        with open(path, "rb") as stream:
            start = stream.read(2)
            # A zip archive lists its content at the end, which half a file lacks.
            if len(start) < 2 or (start == b"PK" and not zipfile.is_zipfile(stream)):
                return False
            check_zip_checksums(stream)
    except (OSError, zipfile.BadZipFile, zlib.error, EOFError):
        return False
    return True


def _for_local_files(original: Callable[..., None]) -> Callable[..., None]:
    @functools.wraps(original)
    def save_checkpoint(
        checkpoint: Any,
        filename: str,
        file_client_args: dict[str, Any] | None = None,
        backend_args: dict[str, Any] | None = None,
    ) -> None:
        is_local = not file_client_args and not backend_args and "://" not in filename
        if is_local:
            save_whole(checkpoint, filename)
        else:
            original(checkpoint, filename, file_client_args, backend_args)

    return save_checkpoint
