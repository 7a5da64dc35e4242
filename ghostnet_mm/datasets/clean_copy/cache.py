"""Where clean copies lie, and when one is still right.

A copy is named by everything it was made from: the bytes of the annotations, and path,
size and time of every other file. Whatever changes in the data gives it another name.
"""

from __future__ import annotations

import functools
import hashlib
import os
import shutil
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout
from platformdirs import user_cache_path

from ..readers.json_files import read_bytes
from ..readers.listing import Listing, suffix_of

# To be raised whenever the same data gives another copy.
VERSION = 5
PLACE = "GHOSTNET_MM_CACHE"
ANNOTATION_SUFFIXES = frozenset(
    {".data", ".json", ".names", ".txt", ".xml", ".yaml", ".yml"}
)
UNUSED_DAYS = 60
# Another run that reads the same data for so long has been stopped, or waits itself.
LONGEST_WAIT = 1800.0


def cache_folder() -> Path:
    """Return the folder of all clean copies, made if need be.

    It is ``$GHOSTNET_MM_CACHE``, or the user's cache; where that cannot be written, a
    temporary folder.
    """
    places = [Path(os.environ[PLACE])] if os.environ.get(PLACE) else []
    places += [user_cache_path("ghostnet_mm"), _temporary_place()]
    for place in places:
        folder = place.expanduser() / "data"
        try:
            folder.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=folder):
                return folder
        except OSError:
            continue
    return _own_folder()


@functools.cache
def _own_folder() -> Path:
    return Path(tempfile.mkdtemp(prefix="ghostnet_mm_"))


def _temporary_place() -> Path:
    user = os.getuid() if hasattr(os, "getuid") else "user"
    return Path(tempfile.gettempdir()) / f"ghostnet_mm-{user}"


def fingerprint(listings: Sequence[Listing], options: object) -> str:
    """Return the name of the clean copy of data roots.

    Args:
        listings: The files of each root.
        options: How they are read; its text is part of the name.

    Raises:
        DataError: An annotation file cannot be read, or not in the free memory.
    """
    digest = hashlib.blake2b(digest_size=16)
    digest.update(f"{VERSION} {options!r}".encode())
    for listing in listings:
        digest.update(f"\0\0{listing.root}\0{listing.chosen}\0".encode(*ENCODING))
        for name in sorted(listing.files):
            size, modified = listing.files[name]
            digest.update(f"\0{name}\0{size}".encode(*ENCODING))
            if suffix_of(name) in ANNOTATION_SUFFIXES:
                digest.update(hashlib.blake2b(read_bytes(listing.path(name))).digest())
            else:
                digest.update(f"\0{modified}".encode())
    return digest.hexdigest()


# A file name may hold bytes of no encoding.
ENCODING = ("utf-8", "surrogateescape")


@contextmanager
def only_run(target: Path) -> Iterator[None]:
    """Let one run at a time make a copy; the others wait and find it made.

    A lock of a process that was killed is free. Where the file system knows no locks,
    or after half an hour, the run goes on: copies are moved into place whole.
    """
    lock = FileLock(f"{target}.lock", timeout=LONGEST_WAIT)
    try:
        lock.acquire()
    except (OSError, NotImplementedError, Timeout):
        yield
        return
    try:
        yield
    finally:
        lock.release()


def mark_used(copy: Path) -> None:
    """Note that a copy is in use."""
    try:
        os.utime(copy)
    except OSError:
        return


def forget_unused(folder: Path) -> None:
    """Delete copies that no run has used for two months, with their locks."""
    oldest = time.time() - UNUSED_DAYS * 24 * 3600
    for entry in folder.iterdir():
        try:
            if entry.stat().st_mtime >= oldest:
                continue
            if entry.is_dir():
                shutil.rmtree(entry, ignore_errors=True)
            elif entry.suffix == ".lock":
                entry.unlink()
        except OSError:
            continue
