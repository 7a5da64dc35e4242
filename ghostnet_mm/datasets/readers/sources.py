"""What readers are given and what they hand over."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from ..annotations.data_set import Part
from ..annotations.findings import Findings
from .listing import Listing
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


@dataclass(frozen=True)
class Source:
    """Annotations that were found, not read yet.

    Attributes:
        format: Such as ``COCO``.
        name: The file or folder, relative to the root.
        split: ``train``, ``val``, ``test``, or ``None`` where nothing tells.
        files: The annotation files it consists of, relative to the root.
        read: Reads it.
    """

    format: str
    name: str
    split: str | None
    files: tuple[str, ...]
    read: Callable[[Reading], Part]
