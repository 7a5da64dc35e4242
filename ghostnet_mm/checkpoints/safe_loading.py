"""Read a checkpoint file without ever running code from it.

A PyTorch checkpoint is a pickle, and a pickle may call any function. Everything here
goes through ``torch.load(weights_only=True)`` with the closed list of
``harmless_references``; a file that needs more is refused, whatever it is.
"""

import os
import pickle
import re
import threading
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import safetensors.torch
import torch
from torch.types import Storage

from ghostnet_mm.checkpoints.harmless_references import (
    HARMLESS_REFERENCES,
    RefusedReferenceError,
    restore_plain_objects,
)
from ghostnet_mm.checkpoints.unpacked import refuse_unpacked
from ghostnet_mm.errors import CheckpointError

MapLocation = (
    str | torch.device | dict[str, str] | Callable[[Storage, str], Storage] | None
)

_allow_list_lock = threading.RLock()


def load_checkpoint_file(
    path: str | os.PathLike[str], map_location: MapLocation = "cpu"
) -> Any:
    """Read a ``.safetensors`` file, or any other as one written by ``torch.save``.

    Args:
        path: The file; ``~`` stands for the home folder.
        map_location: Where tensors go, as in ``torch.load``. For safetensors a device
            counts; anything else means the CPU.

    Returns:
        What was saved: a flat dict of tensors, or a dict that holds one.

    Raises:
        CheckpointError: The file is missing, damaged, unpacked, not a checkpoint, or
            refers to anything that a checkpoint does not need and that could run code.
    """
    file = Path(path).expanduser()
    refuse_unpacked(file)
    if file.is_dir():
        raise CheckpointError(
            f"{file} is a folder, not a checkpoint; name the file inside it."
        )
    if not file.exists():
        raise CheckpointError(f"Checkpoint {file} does not exist; check the path.")
    try:
        if file.suffix == ".safetensors":
            is_device = isinstance(map_location, (str, torch.device))
            return safetensors.torch.load_file(
                file, device=str(map_location) if is_device else "cpu"
            )
        with file.open("rb") as stream:
            return _load_pickle(stream, map_location)
    except (MemoryError, torch.OutOfMemoryError):
        raise
    except Exception as error:  # a hostile or damaged file can raise nearly anything
        raise _explain(error, str(file)) from error


def load_checkpoint_stream(
    stream: IO[bytes], name: str, map_location: MapLocation = None
) -> Any:
    """Read what ``torch.save`` wrote from an open, seekable binary stream.

    Args:
        stream: The checkpoint's bytes.
        name: What to call it in an error.
        map_location: Where tensors go, as in ``torch.load``.

    Returns:
        What was saved.

    Raises:
        CheckpointError: As for :func:`load_checkpoint_file`.
    """
    try:
        return _load_pickle(stream, map_location)
    except (MemoryError, torch.OutOfMemoryError):
        raise
    except Exception as error:
        raise _explain(error, name) from error


def _load_pickle(stream: IO[bytes], map_location: MapLocation) -> Any:
    check_zip_checksums(stream)
    with _only_harmless_references():
        loaded = torch.load(stream, map_location=map_location, weights_only=True)
    return restore_plain_objects(loaded)


@contextmanager
def _only_harmless_references() -> Iterator[None]:
    """Make ours the whole list of additions to torch's own, then put back the other.

    What the rest of the process allowed (often ``getattr``, to get mmengine's files
    read at all) does not count here.
    """
    with _allow_list_lock:
        others = torch.serialization.get_safe_globals()
        torch.serialization.clear_safe_globals()
        torch.serialization.add_safe_globals(HARMLESS_REFERENCES)
        try:
            yield
        finally:
            torch.serialization.clear_safe_globals()
            torch.serialization.add_safe_globals(others)


def check_zip_checksums(stream: IO[bytes]) -> None:
    """Read every entry of a zip file: torch.load does not look at its checksums.

    Raises:
        zipfile.BadZipFile: One is wrong.
    """
    if zipfile.is_zipfile(stream):
        stream.seek(0)
        with zipfile.ZipFile(stream) as archive:
            for entry in archive.infolist():
                if entry.CRC == 0:  # empty, or saved with torch's checksums turned off
                    continue
                with archive.open(entry) as content:
                    while content.read(1 << 20):
                        pass
    stream.seek(0)


_REFUSED = re.compile(r"Unsupported global: GLOBAL (\S+)|unsupported GLOBAL (\S+)")
_MADE_SOMETHING_ELSE = (
    "call reduce for unrecognized function",
    "Can only create new object",
    "Can only build",
    "must be imported to load",
)


def _explain(error: Exception, name: str) -> CheckpointError:
    """Turn whatever reading the file raised into one sentence."""
    text = str(error)
    if isinstance(error, CheckpointError):
        return error
    if isinstance(error, RefusedReferenceError):
        return _refusal(name, text)
    if isinstance(error, pickle.UnpicklingError):
        if match := _REFUSED.search(text):
            return _refusal(name, match[1] or match[2])
        if any(clue in text for clue in _MADE_SOMETHING_ELSE):
            return _refusal(name, "an object that is not plain data")
    if isinstance(error, PermissionError):
        return CheckpointError(f"{name} may not be read; check its permissions.")
    if "TorchScript" in text:
        return CheckpointError(
            f"{name} is a TorchScript program, not a checkpoint; pass the file with "
            "the weights that it was made from."
        )
    if "Attempting to deserialize object on" in text:
        return CheckpointError(
            f"{name} was saved on a device that this machine does not have; load it "
            "with map_location='cpu'."
        )
    if "Unsupported operand" in text and zipfile.is_zipfile(name):
        return CheckpointError(
            f"{name} was saved with a pickle protocol other than torch's default; save "
            "it again with torch.save(..., pickle_protocol=2)."
        )
    return CheckpointError(
        f"{name} is damaged, incomplete or not a checkpoint "
        f"({type(error).__name__}); get the file again."
    )


def _refusal(name: str, reference: str) -> CheckpointError:
    return CheckpointError(
        f"{name} is refused because it refers to {reference}, which no checkpoint "
        "needs and which could run code while loading; use weights saved as a plain "
        "state dict or as safetensors."
    )
