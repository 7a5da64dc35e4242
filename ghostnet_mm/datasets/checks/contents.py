"""What is in a data set: pictures, objects, classes and their sizes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..annotations.data_set import DataSet, Objects, Split
from .box_sizes import picture_sizes, size_counts


@dataclass(frozen=True)
class SplitContents:
    """One split.

    Attributes:
        pictures: How many.
        empty: How many of them have no object, not even a crowd region.
        objects: How many, without crowd regions.
        crowds: How many regions of many objects.
        small: Objects under 32 x 32 pixels by their area.
        medium: Objects between.
        large: Objects of 96 x 96 pixels and more.
        width: Median of the pictures, in pixels.
        height: Median of the pictures, in pixels.
    """

    pictures: int
    empty: int
    objects: int
    crowds: int
    small: int
    medium: int
    large: int
    width: int
    height: int


@dataclass(frozen=True)
class ClassContents:
    """One class over all splits; crowd regions are not counted.

    Attributes:
        name: Its name.
        objects: How many, by split.
        pictures: How many have it.
        small: Objects under 32 x 32 pixels by their area.
        medium: Objects between.
        large: Objects of 96 x 96 pixels and more.
        side: Median of the square root of the area, in pixels; 0 without objects.
        relative_side: Median of the square root of the share of the picture's area.
    """

    name: str
    objects: Mapping[str, int]
    pictures: int
    small: int
    medium: int
    large: int
    side: float
    relative_side: float

    @property
    def total(self) -> int:
        """Objects in all splits."""
        return sum(self.objects.values())


def split_contents(split: Split) -> SplitContents:
    """Measure a split."""
    sizes = picture_sizes(split.pictures)
    width, height = np.median(sizes, axis=0).tolist() if len(sizes) else (0, 0)
    crowds = split.objects.crowds
    return SplitContents(
        len(split.pictures),
        int((split.counts() == 0).sum()),
        int((~crowds).sum()),
        int(crowds.sum()),
        *size_counts(split.objects.areas[~crowds]),
        round(width),
        round(height),
    )


def class_contents(data: DataSet) -> tuple[ClassContents, ...]:
    """Measure the classes, in the order of their labels."""
    tables = [_Columns.of(split) for split in data.splits.values()]
    labels = np.concatenate([table.labels for table in tables])
    areas = np.concatenate([table.areas for table in tables])
    shares = np.concatenate([table.shares for table in tables])
    counts = {
        name: np.bincount(table.labels, minlength=len(data.classes))
        for name, table in zip(data.splits, tables, strict=True)
    }
    pictures = sum(
        np.bincount(table.labels_in_pictures, minlength=len(data.classes))
        for table in tables
    )
    # Rows of one class lie side by side: thousands of classes cost one sorting.
    order = np.argsort(labels, kind="stable")
    bounds = np.searchsorted(labels[order], np.arange(len(data.classes) + 1))
    found = []
    for label, name in enumerate(data.classes):
        rows = order[bounds[label] : bounds[label + 1]]
        found.append(
            ClassContents(
                name,
                {split: int(count[label]) for split, count in counts.items()},
                int(np.asarray(pictures)[label]),
                *size_counts(areas[rows]),
                _median_root(areas[rows]),
                _median_root(shares[rows]),
            )
        )
    return tuple(found)


@dataclass(frozen=True)
class _Columns:
    labels: NDArray[np.int64]
    areas: NDArray[np.float64]
    shares: NDArray[np.float64]
    labels_in_pictures: NDArray[np.int64]

    @classmethod
    def of(cls, split: Split) -> _Columns:
        objects: Objects = split.objects.of_rows(~split.objects.crowds)
        frames = picture_sizes(split.pictures).prod(axis=1)[objects.pictures]
        keys = np.column_stack([objects.pictures, objects.labels])
        once = np.unique(keys, axis=0)[:, 1]
        return cls(objects.labels, objects.areas, objects.areas / frames, once)


def _median_root(values: NDArray[np.float64]) -> float:
    return round(float(np.sqrt(np.median(values))), 4) if len(values) else 0.0
