"""Boxes against what a detector can see of them: its resize, its maps, its anchors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..annotations.data_set import DataSet
from .box_sizes import picture_sizes

# A class is told where more than this share of its boxes is too small.
MANY = 0.1


@dataclass(frozen=True)
class Rescale:
    """How a pipeline resizes pictures, random zooms left out.

    Attributes:
        width: In pixels; with ``keep_ratio`` the longer of both bounds the longer side.
        height: In pixels.
        keep_ratio: Whether the picture keeps its shape.
    """

    width: float
    height: float
    keep_ratio: bool

    def factors(self, sizes: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the factors of width and height, (N, 2).

        Args:
            sizes: (N, 2) width and height of pictures.
        """
        wanted = np.array([self.width, self.height])
        if not self.keep_ratio:
            return wanted / sizes
        longer, shorter = wanted.max(), wanted.min()
        factor = np.minimum(longer / sizes.max(axis=1), shorter / sizes.min(axis=1))
        return np.column_stack([factor, factor])

    def __str__(self) -> str:
        kept = ", shape kept" if self.keep_ratio else ""
        return f"{self.width:g} x {self.height:g}{kept}"


@dataclass(frozen=True)
class ClassFit:
    """How many boxes of a class are too small for a config.

    Attributes:
        name: The class.
        boxes: All of them, crowd regions left out.
        below_cell: Those whose area is less than a cell's of the finest map.
        below_two_cells: Those whose area is less than two by two cells'.
        without_anchor: Those that no anchor overlaps enough, even centred on them;
            ``None`` where the config matches in another way.
    """

    name: str
    boxes: int
    below_cell: int
    below_two_cells: int
    without_anchor: int | None


@dataclass(frozen=True)
class ConfigFit:
    """The data against a config.

    Attributes:
        config: Its name.
        scales: How pictures are resized, by ``train`` and ``test``.
        stride: Pixels of the input between two cells of the finest map.
        anchor_overlap: What an anchor must overlap a box by; ``None`` for no anchors.
        classes: By ``train`` and ``test``; the second alone where both resize alike.
    """

    config: str
    scales: Mapping[str, str]
    stride: int
    anchor_overlap: float | None
    classes: Mapping[str, tuple[ClassFit, ...]]


@dataclass(frozen=True)
class Anchors:
    """The anchors of a head.

    Attributes:
        sizes: (A, 2) width and height in pixels of the input.
        overlap: Intersection over union from which one is matched with a box.
    """

    sizes: NDArray[np.float64]
    overlap: float


def resized_boxes(data: DataSet, rescale: Rescale) -> dict[str, NDArray[np.float64]]:
    """Return width and height of every object after a resize, by split, each (N, 2)."""
    found = {}
    for name, split in data.splits.items():
        factors = rescale.factors(picture_sizes(split.pictures))
        found[name] = split.objects.boxes[:, 2:] * factors[split.objects.pictures]
    return found


def fit_of_classes(
    data: DataSet, rescale: Rescale, stride: int, anchors: Anchors | None
) -> tuple[ClassFit, ...]:
    """Count the boxes that are too small after a resize, class by class.

    Args:
        data: The data set.
        rescale: The resize.
        stride: Of the finest map, in pixels.
        anchors: The anchors, where boxes are matched by their overlap with them.
    """
    resized = resized_boxes(data, rescale)
    ordinary = {name: ~split.objects.crowds for name, split in data.splits.items()}
    sides = np.concatenate([resized[name][ordinary[name]] for name in data.splits])
    labels = np.concatenate(
        [s.objects.labels[ordinary[name]] for name, s in data.splits.items()]
    )
    areas = sides.prod(axis=1)
    columns = [areas < stride**2, areas < (2 * stride) ** 2]
    if anchors is not None:
        columns.append(best_overlaps(sides, anchors.sizes) < anchors.overlap)
    total = np.bincount(labels, minlength=len(data.classes)).tolist()
    counted = [
        np.bincount(labels[column], minlength=len(data.classes)).tolist()
        for column in columns
    ]
    return tuple(
        ClassFit(
            name,
            total[label],
            counted[0][label],
            counted[1][label],
            counted[2][label] if anchors is not None else None,
        )
        for label, name in enumerate(data.classes)
    )


def best_overlaps(
    sides: NDArray[np.float64], anchors: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the best intersection over union of boxes with anchors centred on them.

    Args:
        sides: (N, 2) width and height.
        anchors: (A, 2) as well.
    """
    best = np.zeros(len(sides))
    for anchor in anchors:
        shared = np.minimum(sides, anchor).prod(axis=1)
        total = sides.prod(axis=1) + anchor.prod() - shared
        best = np.maximum(best, shared / np.maximum(total, 1e-9))
    return best


def told_classes(fit: ConfigFit, column: str) -> Sequence[str]:
    """Return the classes of which many boxes are too small, with their share.

    Args:
        fit: The data against a config.
        column: An attribute of `ClassFit`.
    """
    worst: dict[str, float] = {}
    for classes in fit.classes.values():
        for entry in classes:
            count = getattr(entry, column)
            if count and count > MANY * entry.boxes:
                share = count / entry.boxes
                worst[entry.name] = max(share, worst.get(entry.name, 0))
    ranked = sorted(worst, key=lambda name: -worst[name])
    return [f"{name}: {worst[name]:.0%}" for name in ranked]
