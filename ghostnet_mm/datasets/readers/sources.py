"""What readers are given and what they hand over."""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from ..annotations.data_set import Part
from ..annotations.findings import Findings
from .listing import Listing, suffix_of
from .picture_search import (
    BY_LAST_PART,
    OTHER_LETTERS,
    OTHER_SUFFIX,
    Found,
    PictureSearch,
)

TOLD = {
    BY_LAST_PART: "picture-by-last-part",
    OTHER_LETTERS: "picture-other-letters",
    OTHER_SUFFIX: "picture-other-suffix",
}


@dataclass
class Reading:
    """What a reader works with.

    Attributes:
        listing: The files of the data root.
        findings: Where what is odd is counted.
        search: Finds pictures among the files.
    """

    listing: Listing
    findings: Findings
    search: PictureSearch = field(init=False)

    def __post_init__(self) -> None:
        self.search = PictureSearch(self.listing)

    def find_beside(
        self,
        annotations: Sequence[str],
        stated: Sequence[str],
        split: str | None,
    ) -> list[tuple[str, str]]:
        """Find the pictures of formats with one annotation file per picture.

        They have their file's name; where none has, the file states one.

        Args:
            annotations: The files, relative to the root.
            stated: The names of the pictures in them; may be empty.
            split: The split they are of.

        Returns:
            Name and absolute path of each; the path is empty where there is none.
        """
        if not annotations:
            return []
        start = len(_common_folder(annotations))
        own = [
            annotation[start:].rpartition(".")[0] + (suffix_of(name) or ".jpg")
            for annotation, name in zip(annotations, stated, strict=True)
        ]
        found = self.search.find_all(own, annotations[0], split)
        lost = [index for index, place in enumerate(found) if place is None]
        names = [stated[index] or own[index] for index in lost]
        again = self.search.find_all(names, annotations[0], split)
        for index, place in zip(lost, again, strict=True):
            found[index] = place
        return [
            (stated[index] or own[index], "")
            if place is None
            else (place.name.rpartition("/")[2], self.listing.path(place.name))
            for index, place in enumerate(found)
        ]

    def picture_path(self, found: Found | None, name: str, place: str) -> str:
        """Return the path of a picture that was looked for, and count how it was found.

        Args:
            found: What the search says.
            name: The name in the annotations.
            place: The file of annotations.

        Returns:
            The absolute path; empty if there is none.
        """
        if found is None:
            return ""
        if found.how in TOLD:
            self.findings.add(TOLD[found.how], place, name)
        return self.listing.path(found.name)


def _common_folder(names: Sequence[str]) -> str:
    """Return the folder of all files, with its last ``/``; empty for the root."""
    common = posixpath.commonpath([name.rpartition("/")[0] for name in names])
    return f"{common}/" if common else ""


@dataclass(frozen=True)
class Source:
    """Annotations that were found, not read yet.

    Attributes:
        format: Such as ``COCO``.
        name: The file or folder, relative to the root.
        split: ``train``, ``val``, ``test``, or ``None`` where nothing tells.
        files: The annotation files it consists of, relative to the root.
        read: Reads it: one part, or one for each split that shows only in the file.
    """

    format: str
    name: str
    split: str | None
    files: tuple[str, ...]
    read: Callable[[Reading], list[Part]]
