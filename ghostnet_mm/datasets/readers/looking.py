"""Finding out by looking what format a data root is in."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ...errors import DataError
from ..annotations.findings import Findings, printable
from . import cvat, label_studio, labelme, via, voc
from .coco import finding as coco
from .json_files import read_bytes
from .listing import Listing, suffix_of
from .sources import Source
from .split_names import split_in
from .xml_files import root_tag
from .yolo import finding as yolo

EXPECTED = (
    "COCO (annotations/instances_train2017.json, train/_annotations.coco.json), YOLO "
    "(data.yaml), Pascal VOC, LabelMe, CVAT, VIA or Label Studio"
)
FORMATS = (
    coco.FORMAT,
    cvat.FORMAT,
    voc.FORMAT,
    labelme.FORMAT,
    via.FORMAT,
    label_studio.FORMAT,
)
FINDERS: dict[str, Callable[[Sequence[str]], list[Source]]] = {
    cvat.FORMAT: cvat.find_cvat,
    labelme.FORMAT: labelme.find_labelme,
    via.FORMAT: via.find_via,
    label_studio.FORMAT: label_studio.find_label_studio,
}
XML_ROOTS = {"annotation": voc.FORMAT, "annotations": cvat.FORMAT}
JSON_WORDS = (
    (labelme.FORMAT, (b'"shapes"', b'"imagePath"')),
    (via.FORMAT, (b'"regions"', b'"filename"')),
    (label_studio.FORMAT, (b'"rectanglelabels"',)),
    (label_studio.FORMAT, (b'"polygonlabels"',)),
    (label_studio.FORMAT, (b'"ellipselabels"',)),
    (coco.FORMAT, (b'"images"',)),
    (coco.FORMAT, (b'"annotations"', b'"categories"')),
)


def find_sources(listing: Listing, findings: Findings) -> list[Source]:
    """Return what there is to read in a data root, all of one format.

    Where files of several formats lie side by side, as many tools leave them, the first
    of COCO, CVAT, Pascal VOC, LabelMe, VIA, Label Studio and YOLO is read.

    Args:
        listing: The files of the root.
        findings: Where files that are not used are counted.

    Raises:
        DataError: Nothing is recognized.
    """
    kinds = {
        name: _kind_of(read_bytes(listing.path(name)), name)
        for name in listing.with_suffix(".json", ".xml")
        if listing.chosen in (None, name)
    }
    by_format: dict[str, list[str]] = {}
    for name, kind in kinds.items():
        if kind is not None:
            by_format.setdefault(kind, []).append(name)
    sources: list[Source] = []
    for known in FORMATS:
        names = by_format.get(known, [])
        if sources:
            findings.add_all("file-unused", "", names)
        elif known == coco.FORMAT and names:
            sources, unused = coco.find_coco(names)
            findings.add_all("file-unused", "", unused)
        elif known == voc.FORMAT and names:
            sources = voc.find_voc(listing, names)
        elif names:
            sources = FINDERS[known](names)
    if not sources:
        sources = yolo.find_yolo(listing)
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


def _kind_of(content: bytes, name: str) -> str | None:
    """Say what a file is by words that only its format has."""
    if suffix_of(name) == ".xml":
        return XML_ROOTS.get(root_tag(content) or "")
    if content[:2] in (b"\xff\xfe", b"\xfe\xff") or b"\0" in content[:4]:
        content = content.replace(b"\0", b"")
    for known, words in JSON_WORDS:
        if all(word in content for word in words):
            return known
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
