"""All files below a data root, listed once."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from ...errors import DataError

# What only annotations are written in; every other file may be a picture.
TEXT_SUFFIXES = frozenset(
    {".cfg", ".csv", ".data", ".html", ".json", ".jsonl", ".log", ".md", ".names"}
    | {".py", ".pdf", ".pth", ".txt", ".xml", ".yaml", ".yml", ".zip"}
)
PICTURE_SUFFIXES = frozenset(
    {".avif", ".bmp", ".dib", ".gif", ".heic", ".heif", ".hdr", ".jfif", ".jp2"}
    | {".jpe", ".jpeg", ".jpg", ".pbm", ".pgm", ".png", ".pnm", ".ppm", ".tif"}
    | {".tiff", ".webp"}
)
# Leavings of systems and runs; a name with a dot in front is one as well.
NOT_DATA = frozenset(
    {"$RECYCLE.BIN", "@eaDir", "System Volume Information", "__MACOSX"}
    | {"__pycache__", "lost+found", "vis_data", "wandb", "work_dirs"}
)


@dataclass
class Listing:
    """The files below a folder, by their path relative to it, always with ``/``.

    Attributes:
        root: The folder, absolute.
        chosen: The one annotation file to read, where the user has named one.
        files: Size in bytes and time of the last change in ns.
        unreadable: Folders that could not be listed.
    """

    root: Path
    chosen: str | None = None
    files: dict[str, tuple[int, int]] = field(default_factory=dict)
    unreadable: list[str] = field(default_factory=list)

    def with_suffix(self, *suffixes: str) -> list[str]:
        """Return the files that end so, in any case of letters, sorted."""
        return sorted(name for name in self.files if name.lower().endswith(suffixes))

    def pictures(self) -> list[str]:
        """Return the files that are pictures by their suffix, sorted."""
        return sorted(filter(is_picture_name, self.files))

    def path(self, name: str) -> str:
        """Return the absolute path of a file; one that is absolute stays as it is."""
        return os.path.join(self.root, *name.split("/")) if name[:1] != "/" else name


def suffix_of(name: str) -> str:
    """Return a file name's suffix in small letters."""
    return os.path.splitext(name)[1].lower()


def is_picture_name(name: str) -> bool:
    """Say whether a file is a picture by its suffix."""
    return suffix_of(name) in PICTURE_SUFFIXES


def list_files(root: str | os.PathLike) -> Listing:
    """List a data root: a folder, or one annotation file in it.

    Links are followed, a folder that is its own ancestor once. Hidden files, and what
    systems and earlier runs leave behind, are passed over.

    Args:
        root: The folder, or a ``.json``, ``.xml`` or ``.yaml`` file.

    Raises:
        DataError: There is neither a folder nor such a file.
    """
    path = Path(os.path.abspath(os.path.expanduser(os.fspath(root))))
    if path.is_file() and path.suffix.lower() in (".json", ".xml", ".yaml", ".yml"):
        listing = list_files(path.parent)
        listing.chosen = path.name
        if not listing.pictures() and path.parent != path.parent.parent:
            # As in annotations/instances_train2017.json, the pictures lie beside.
            listing = list_files(path.parent.parent)
            listing.chosen = f"{path.parent.name}/{path.name}"
        return listing
    if path.is_file() and path.suffix.lower() in (".zip", ".tar", ".gz", ".tgz", ".7z"):
        raise DataError(f"The data root {root} is an archive; unpack it first.")
    if not path.is_dir():
        raise DataError(f"The data root {root} is not a folder; check --data-root.")
    listing = Listing(path)
    for name, entry in _walk(path, "", listing.unreadable, frozenset()):
        try:
            status = entry.stat()
        except OSError:
            continue  # A broken link, or a file that has just gone.
        listing.files[name] = (status.st_size, status.st_mtime_ns)
    return listing


def _walk(
    folder: Path, prefix: str, unreadable: list[str], above: frozenset[tuple[int, int]]
) -> Iterator[tuple[str, os.DirEntry]]:
    try:
        status = os.stat(folder)
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except OSError:
        unreadable.append(prefix.rstrip("/") or ".")
        return
    here = (status.st_dev, status.st_ino)
    if here in above and status.st_ino:
        return  # A link to a folder that this one lies in.
    for entry in entries:
        if entry.name.startswith(".") or entry.name in NOT_DATA:
            continue
        name = prefix + entry.name
        try:
            is_folder = entry.is_dir()
        except OSError:
            continue
        if is_folder:
            yield from _walk(Path(entry.path), f"{name}/", unreadable, above | {here})
        else:
            yield name, entry
