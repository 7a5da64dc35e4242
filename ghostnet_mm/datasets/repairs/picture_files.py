"""The files of the pictures: are they there, can they be read, how large are they?"""

from __future__ import annotations

from ...errors import DataError
from ..annotations.data_set import Split
from ..annotations.findings import Findings, printable
from ..readers.picture_headers import PictureHeader, read_headers

NAMES_TOLD = 3


def without_lost_pictures(
    split: Split, place: str, findings: Findings
) -> tuple[Split, list[PictureHeader]]:
    """Leave out pictures that are not there or cannot be read.

    Args:
        split: The split.
        place: What messages call it.
        findings: Where they are counted.

    Returns:
        The split of the pictures that are left, and their headers.

    Raises:
        DataError: Most pictures are lost.
    """
    headers = read_headers([picture.path for picture in split.pictures])
    kept: list[int] = []
    missing: list[str] = []
    unreadable: list[str] = []
    for index, (picture, header) in enumerate(
        zip(split.pictures, headers, strict=True)
    ):
        if isinstance(header, PictureHeader):
            kept.append(index)
        elif header == "not there" or not picture.path:
            missing.append(picture.name)
        else:
            unreadable.append(f"{picture.name} ({header})")
    _refuse_loss(split, place, missing, "not there: check the folder or the names")
    _refuse_loss(split, place, unreadable, "unreadable: fetch or export them again")
    findings.add_all("picture-missing", place, missing)
    findings.add_all("picture-unreadable", place, unreadable)
    left = [header for header in headers if isinstance(header, PictureHeader)]
    deep = [
        split.pictures[index].name
        for index, header in zip(kept, left, strict=True)
        if header.is_deep
    ]
    findings.add_all("picture-deep", place, deep)
    return (split if len(kept) == len(headers) else split.of_pictures(kept)), left


def _refuse_loss(split: Split, place: str, lost: list[str], reason: str) -> None:
    total = len(split.pictures)
    if 2 * len(lost) <= total or not lost:
        return
    names = ", ".join(printable(name) for name in lost[:NAMES_TOLD])
    more = ", ..." if len(lost) > NAMES_TOLD else ""
    raise DataError(
        f"{len(lost)} of the {total} pictures of {printable(place)} ({names}{more}) "
        f"are {reason}."
    )
