"""The pictures that YOLO's settings mean, and the label file of each."""

from __future__ import annotations

import fnmatch
import posixpath
from collections.abc import Iterable, Iterator

from ..json_files import read_bytes
from ..listing import Listing, is_picture_name
from ..picture_search import PictureSearch
from .settings import YoloSettings


def pictures_at(
    place: str, settings: YoloSettings, listing: Listing, search: PictureSearch
) -> tuple[list[str], bool]:
    """Return the pictures of a folder, list or pattern, and whether it was elsewhere.

    A place is relative to the YAML file's ``path``, to the file, or to the root. What
    was absolute on another machine is found by its last parts.

    Args:
        place: As the settings have it.
        settings: The settings.
        listing: The files of the root.
        search: Finds pictures of lists.

    Returns:
        Names relative to the root, and whether the place as written is not here.
    """
    for candidate, is_elsewhere in _candidates(place, settings, listing):
        if candidate in listing.files:
            return _listed(candidate, listing, search), is_elsewhere
        below = [name for name in listing.pictures() if _is_below(name, candidate)]
        if below:
            return below, is_elsewhere
        if any(letter in candidate for letter in "*?["):
            matching = fnmatch.filter(listing.files, candidate)
            if matching:
                return sorted(filter(is_picture_name, matching)), is_elsewhere
    return [], True


def _candidates(
    place: str, settings: YoloSettings, listing: Listing
) -> Iterator[tuple[str, bool]]:
    folder = settings.file.rpartition("/")[0]
    plain = place.replace("\\", "/").strip()
    base = settings.base.replace("\\", "/").strip()
    root = str(listing.root).replace("\\", "/")
    for start in (posixpath.join(folder, base), folder, ""):
        whole = posixpath.normpath(posixpath.join(root, start, plain))
        relative = posixpath.relpath(whole, root)
        if not relative.startswith(".."):
            yield ("" if relative == "." else relative), False
    # Roboflow writes ../train/images where train/images is meant.
    parts = [part for part in plain.split("/") if part not in ("", ".", "..")]
    for first in range(len(parts)):
        for start in dict.fromkeys((folder, "")):
            yield posixpath.join(start, *parts[first:]), first > 0 or ".." not in plain


def _is_below(name: str, folder: str) -> bool:
    return not folder or name.startswith(f"{folder}/")


def _listed(name: str, listing: Listing, search: PictureSearch) -> list[str]:
    """Return the pictures that a text file lists."""
    text = read_bytes(listing.path(name)).decode("utf-8-sig", "replace")
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    found = search.find_all([line for line in lines if "\0" not in line], name, None)
    return list(dict.fromkeys(place.name for place in found if place is not None))


def label_files(pictures: Iterable[str], listing: Listing) -> dict[str, str]:
    """Return the label file of each picture that has one, by the picture's name."""
    found = {}
    for picture in pictures:
        for candidate in _label_candidates(picture):
            if candidate in listing.files:
                found[picture] = candidate
                break
    return found


def _label_candidates(picture: str) -> Iterator[str]:
    folder, _, base = picture.rpartition("/")
    name = f"{base.rpartition('.')[0]}.txt"
    parts = folder.split("/") if folder else []
    for index in range(len(parts) - 1, -1, -1):
        if parts[index].lower() in ("images", "image", "imgs", "img", "jpegimages"):
            for labels in ("labels", "label", "Labels"):
                yield "/".join([*parts[:index], labels, *parts[index + 1 :], name])
    yield posixpath.join(folder, name)
    yield posixpath.join(folder, "labels", name)
    if parts:
        yield "/".join([*parts[:-1], "labels", parts[-1], name])
        yield "/".join([*parts[:-1], "labels", name])
