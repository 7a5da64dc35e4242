"""Reading a JSON file from anyone: any encoding, never more memory than there is."""

from __future__ import annotations

import json
import os
from pathlib import Path

from ...errors import DataError
from .memory import refuse_beyond_memory

# Upper bounds of what CPython needs, in bytes: an empty list with its place in another
# one, an object with a few keys, and a number or short text with its place.
LIST_COST = 100
OBJECT_COST = 400
VALUE_COST = 80
# Asking for the free memory takes longer than reading one of YOLO's many small files.
LARGE = 2**24


def read_bytes(path: str | os.PathLike) -> bytes:
    """Return the bytes of an annotation file.

    Raises:
        DataError: It is missing, cannot be read, or is larger than the free memory.
    """
    try:
        size = os.stat(path).st_size
        if size >= LARGE:
            refuse_beyond_memory(path, size)
        return Path(path).read_bytes()
    except FileNotFoundError as error:
        raise DataError(
            f"The annotation file {path} does not exist; check the path."
        ) from error
    except OSError as error:
        raise DataError(
            f"The annotation file {path} cannot be read ({error.strerror}); check the "
            f"file and your rights to it."
        ) from error


def parse_json(content: bytes, path: str | os.PathLike) -> object:
    """Return what a JSON file says.

    UTF-8 with or without a byte-order mark, UTF-16 and UTF-32 are known by their first
    bytes; what is none of them is read as Windows' Western letters.

    Args:
        content: The bytes.
        path: The file, for messages.

    Raises:
        DataError: It is not JSON, or needs more memory than is free: the brackets,
            braces and commas in it say how much at most.
    """
    refuse_beyond_memory(path, most_memory(content))
    try:
        try:
            return json.loads(content)
        except UnicodeDecodeError:
            return json.loads(content.decode("cp1252", errors="replace"))
    except (ValueError, RecursionError) as error:
        reason = "it is empty" if not content.strip() else str(error)
        raise DataError(
            f"The annotation file {path} is not JSON ({reason}); export it again."
        ) from error


def most_memory(content: bytes) -> int:
    """Return a bound of the bytes that parsing JSON takes."""
    return (
        len(content) * 5
        + content.count(b"[") * LIST_COST
        + content.count(b"{") * OBJECT_COST
        + content.count(b",") * VALUE_COST
    )
