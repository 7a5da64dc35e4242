"""Finding out by looking what format a data root is in."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ...errors import DataError
from ..annotations.findings import Findings, printable
from .coco.finding import find_coco
from .json_files import read_bytes
from .listing import Listing
from .sources import Source
from .split_names import split_in

EXPECTED = (
    "COCO (annotations/instances_train2017.json, train/_annotations.coco.json), YOLO "
    "(data.yaml), Pascal VOC, LabelMe, CVAT, VIA or Label Studio"
)
Finder = Callable[[Sequence[str]], tuple[list[Source], list[str]]]


def find_sources(listing: Listing, findings: Findings) -> list[Source]:
    """Return what there is to read in a data root, all of one format.

    Args:
        listing: The files of the root.
        findings: Where files that are not used are counted.

    Raises:
        DataError: Nothing is recognized.
    """
    names = listing.with_suffix(".json")
    if listing.chosen is not None:
        names = [name for name in names if name == listing.chosen]
    kinds = {name: _json_kind(read_bytes(listing.path(name))) for name in names}
    sources, unused = find_coco([name for name in names if kinds[name] == "COCO"])
    findings.add_all("file-unused", "", unused)
    if not sources:
        raise DataError(_nothing_found(listing, kinds))
    _refuse_strangers(listing, kinds, sources)
    return sources


def _refuse_strangers(
    listing: Listing, kinds: dict[str, str | None], sources: Sequence[Source]
) -> None:
    """Refuse a file that is named after a split that nothing else describes."""
    described = {source.split for source in sources}
    for name, kind in kinds.items():
        split = split_in(name.rpartition("/")[2])
        if kind is None and split in ("train", "val") and split not in described:
            raise DataError(
                f"The annotation file {listing.path(name)} is none of {EXPECTED}, or "
                f"cut off; export it again, or take it away if it is none."
            )


def _json_kind(content: bytes) -> str | None:
    """Say what a JSON file is by words that only its format has."""
    if content[:2] in (b"\xff\xfe", b"\xfe\xff") or b"\0" in content[:4]:
        content = content.replace(b"\0", b"")
    if b'"images"' in content or (
        b'"annotations"' in content and b'"categories"' in content
    ):
        return "COCO"
    return None


def _nothing_found(listing: Listing, kinds: dict[str, str | None]) -> str:
    unknown = [printable(name) for name, kind in kinds.items() if kind is None]
    pictures = len(listing.pictures())
    if unknown:
        more = ", ..." if len(unknown) > 3 else ""
        what = f"no annotations that can be read ({', '.join(unknown[:3])}{more})"
    elif pictures:
        what = f"{pictures} pictures and no annotations"
    else:
        what = "neither pictures nor annotations"
    return (
        f"The data root {printable(listing.root)} has {what}; export the annotations "
        f"as {EXPECTED}."
    )
