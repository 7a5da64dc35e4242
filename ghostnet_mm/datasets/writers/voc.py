"""Writing a data set as Pascal VOC."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

import numpy as np

from ..annotations.data_set import DataSet, Picture
from ..annotations.findings import printable
from .pictures import bring, names_of

CORNERS = ("xmin", "ymin", "xmax", "ymax")


def write_voc(data: DataSet, folder: Path, how: str) -> list[str]:
    """Write ``JPEGImages/``, ``Annotations/`` and ``ImageSets/Main/``.

    Boxes of whole pixels are counted from 1, as VOC does; others from 0 with fractions,
    as CVAT does. Crowd regions are ``difficult``. The format has no masks.

    Args:
        data: The data set, repaired.
        folder: Where to, an empty folder.
        how: Whether pictures are copied or linked to.

    Returns:
        What could not be written, in words.
    """
    for place in ("JPEGImages", "Annotations", "ImageSets/Main"):
        (folder / place).mkdir(parents=True)
    splits = data.splits.values()
    whole = all(np.all(split.objects.boxes % 1 == 0) for split in splits)
    taken: set[str] = set()
    for name, split in data.splits.items():
        names = names_of(split, taken, name, flat=True)
        stems = [new.rpartition(".")[0] or new for new in names]
        elements = [
            _picture_element(picture, new)
            for picture, new in zip(split.pictures, names, strict=True)
        ]
        objects = split.objects
        for index, label, box, crowd in zip(
            objects.pictures.tolist(),
            objects.labels.tolist(),
            objects.boxes.tolist(),
            objects.crowds.tolist(),
            strict=True,
        ):
            _add_object(elements[index], data.classes[label], box, crowd, whole)
        for picture, new, stem, element in zip(
            split.pictures, names, stems, elements, strict=True
        ):
            bring(picture.path, folder / "JPEGImages" / new, how)
            ElementTree.indent(element)
            ElementTree.ElementTree(element).write(
                folder / "Annotations" / f"{stem}.xml", encoding="utf-8"
            )
        (folder / "ImageSets" / "Main" / f"{name}.txt").write_text(
            "".join(f"{stem}\n" for stem in stems), encoding="utf-8"
        )
    masks = sum(m is not None for split in splits for m in split.objects.masks)
    return [f"{masks} masks, which the format does not have"] if masks else []


def _picture_element(picture: Picture, name: str) -> ElementTree.Element:
    root = ElementTree.Element("annotation")
    ElementTree.SubElement(root, "folder").text = "JPEGImages"
    ElementTree.SubElement(root, "filename").text = name
    size = ElementTree.SubElement(root, "size")
    for key, value in (
        ("width", picture.width),
        ("height", picture.height),
        ("depth", 3),
    ):
        ElementTree.SubElement(size, key).text = str(value)
    return root


def _add_object(
    root: ElementTree.Element, name: str, box: list[float], crowd: bool, whole: bool
) -> None:
    element = ElementTree.SubElement(root, "object")
    # XML has no letters for control characters.
    ElementTree.SubElement(element, "name").text = printable(name, len(name) * 6)
    ElementTree.SubElement(element, "difficult").text = str(int(crowd))
    corners = ElementTree.SubElement(element, "bndbox")
    left, top, width, height = box
    first = 1 if whole else 0
    values = (left + first, top + first, left + width, top + height)
    for key, value in zip(CORNERS, values, strict=True):
        ElementTree.SubElement(corners, key).text = f"{value:.10g}"
