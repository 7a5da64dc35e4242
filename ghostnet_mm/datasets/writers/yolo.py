"""Writing a data set as YOLO, with Ultralytics' YAML file."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import yaml

from ..annotations.data_set import DataSet, Picture, Split
from ..annotations.masks import Mask, decoded
from .pictures import bring, names_of


def write_yolo(data: DataSet, folder: Path, how: str) -> list[str]:
    """Write ``images/``, ``labels/`` and ``data.yaml``.

    Lines are polygons where every object of the set has a mask, boxes otherwise: the
    format has no file of both. An object of several polygons becomes one with bridges
    of no width, as Ultralytics does it. The format has no crowd regions.

    Args:
        data: The data set, repaired.
        folder: Where to, an empty folder.
        how: Whether pictures are copied or linked to.

    Returns:
        What could not be written, in words.
    """
    splits = data.splits.values()
    kept = [split.objects.of_rows(~split.objects.crowds) for split in splits]
    masks = [mask for objects in kept for mask in objects.masks]
    with_masks = bool(masks) and all(mask is not None for mask in masks)
    for (name, split), objects in zip(data.splits.items(), kept, strict=True):
        (folder / "images" / name).mkdir(parents=True)
        (folder / "labels" / name).mkdir(parents=True)
        lines: list[list[str]] = [[] for _ in split.pictures]
        for index, label, box, mask in zip(
            objects.pictures.tolist(),
            objects.labels.tolist(),
            objects.boxes.tolist(),
            objects.masks,
            strict=True,
        ):
            picture = split.pictures[index]
            values = _outline(mask, picture) if with_masks and mask else _middle(box)
            lines[index].append(_line(label, values, picture))
        _write_split(name, split, lines, folder, how)
    settings = {
        "path": ".",
        **{name: f"images/{name}" for name in data.splits},
        "names": dict(enumerate(data.classes)),
    }
    text = yaml.safe_dump(settings, allow_unicode=True, sort_keys=False)
    (folder / "data.yaml").write_text(text, encoding="utf-8")
    return _losses(data, with_masks)


def _write_split(
    name: str, split: Split, lines: list[list[str]], folder: Path, how: str
) -> None:
    names = names_of(split, set(), name, flat=False)
    for picture, new, own in zip(split.pictures, names, lines, strict=True):
        bring(picture.path, folder / "images" / name / new, how)
        if own:
            target = folder / "labels" / name / f"{new.rpartition('.')[0] or new}.txt"
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text("\n".join(own) + "\n", encoding="utf-8")


def _line(label: int, values: list[float], picture: Picture) -> str:
    sides = (picture.width, picture.height)
    shares = [f"{value / sides[i % 2]:.10g}" for i, value in enumerate(values)]
    return " ".join([str(label), *shares])


def _middle(box: list[float]) -> list[float]:
    left, top, width, height = box
    return [left + width / 2, top + height / 2, width, height]


def _outline(mask: Mask, picture: Picture) -> list[float]:
    polygons = mask if isinstance(mask, list) else _contours(mask)
    if not polygons:
        return [0.0, 0.0, picture.width, 0.0, picture.width, picture.height]
    joined = list(polygons[0])
    for polygon in polygons[1:]:
        # There and back on one line: it has no area.
        joined += [*polygon, *polygon[:2], *polygons[0][:2]]
    return joined


def _contours(mask: Mask) -> list[list[float]]:
    assert isinstance(mask, dict)
    found, _ = cv2.findContours(
        decoded(mask).astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE
    )
    return [
        points.ravel().astype(float).tolist() for points in found if len(points) > 2
    ]


def _losses(data: DataSet, with_masks: bool) -> list[str]:
    splits = data.splits.values()
    crowds = sum(int(split.objects.crowds.sum()) for split in splits)
    masks = sum(m is not None for split in splits for m in split.objects.masks)
    lost = []
    if crowds:
        lost.append(f"{crowds} crowd regions, which YOLO does not have")
    if masks and not with_masks:
        lost.append(f"{masks} masks, for not every object has one")
    return lost
