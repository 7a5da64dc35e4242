"""A data set in memory, as every reader hands it over and every writer takes it.

Objects are columns rather than one Python object each: a million boxes take some tens
of megabytes, and every repair is a line of numpy.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from .masks import Mask

SourceId = int | str | None
SPLITS = ("train", "val", "test")
UNSPLIT = ""
NOT_STATED = -1  # The size of a picture in a format that never says it.


@dataclass(slots=True)
class Picture:
    """One picture of a split.

    Attributes:
        name: Its name as the user's file has it, the path's last parts otherwise.
        path: The file, absolute; empty where none was found.
        width: In pixels; 0 where the file should say it and does not, `NOT_STATED`
            where its format never does. After the repairs the width as it is read.
        height: As the width.
        source_id: Its id in the user's file, if that has ids.
        unit: What its boxes are measured in, in shares of the picture's sides: 0 for
            pixels, 1 for shares, 100 for percent.
    """

    name: str
    path: str = ""
    width: int = NOT_STATED
    height: int = NOT_STATED
    source_id: SourceId = None
    unit: int = 0


@dataclass(slots=True)
class ClassEntry:
    """One class as a file lists it.

    Attributes:
        name: The name.
        source_id: Its id in the user's file, if that has ids.
        parent: COCO's ``supercategory``.
    """

    name: str
    source_id: SourceId = None
    parent: str | None = None


@dataclass(slots=True)
class Objects:
    """The objects of a split, in columns of equal length N.

    Attributes:
        pictures: (N,) index of the picture.
        labels: (N,) index of the class.
        boxes: (N, 4) left, top, width, height in pixels.
        crowds: (N,) whether it is a region of many objects: neither learnt nor scored.
        areas: (N,) in square pixels; NaN where the file says nothing usable.
        masks: Polygons or run lengths; ``None`` for a box alone.
        names: What a message calls it: an annotation id, or a file and a line.
    """

    pictures: NDArray[np.int64]
    labels: NDArray[np.int64]
    boxes: NDArray[np.float64]
    crowds: NDArray[np.bool_]
    areas: NDArray[np.float64]
    masks: list[Mask | None]
    names: list[SourceId]

    def __len__(self) -> int:
        return len(self.labels)

    def of_rows(self, rows: NDArray) -> Objects:
        """Return the objects of these rows: indices, or one bool per object."""
        rows = np.flatnonzero(rows) if rows.dtype == bool else rows
        listed = rows.tolist()
        return Objects(
            self.pictures[rows],
            self.labels[rows],
            self.boxes[rows],
            self.crowds[rows],
            self.areas[rows],
            [self.masks[row] for row in listed],
            [self.names[row] for row in listed],
        )

    @staticmethod
    def joined(tables: Sequence[Objects]) -> Objects:
        """Return the objects of several tables, one after the other."""
        if not tables:
            return ObjectColumns().finished()
        return Objects(
            np.concatenate([table.pictures for table in tables]),
            np.concatenate([table.labels for table in tables]),
            np.concatenate([table.boxes for table in tables]),
            np.concatenate([table.crowds for table in tables]),
            np.concatenate([table.areas for table in tables]),
            [mask for table in tables for mask in table.masks],
            [name for table in tables for name in table.names],
        )


class ObjectColumns:
    """Collects objects one by one while a file is read."""

    def __init__(self) -> None:
        self.pictures: list[int] = []
        self.labels: list[int] = []
        self.boxes: list[Sequence[float]] = []
        self.crowds: list[bool] = []
        self.areas: list[float] = []
        self.masks: list[Mask | None] = []
        self.names: list[SourceId] = []

    def add(
        self,
        picture: int,
        label: int,
        box: Sequence[float],
        *,
        crowd: bool = False,
        area: float = np.nan,
        mask: Mask | None = None,
        name: SourceId = None,
    ) -> None:
        """Add an object; see `Objects` for what each value means."""
        self.pictures.append(picture)
        self.labels.append(label)
        self.boxes.append(box)
        self.crowds.append(crowd)
        self.areas.append(area)
        self.masks.append(mask)
        self.names.append(name)

    def finished(self) -> Objects:
        """Return the columns."""
        return Objects(
            np.array(self.pictures, dtype=np.int64),
            np.array(self.labels, dtype=np.int64),
            np.array(self.boxes, dtype=np.float64).reshape(-1, 4),
            np.array(self.crowds, dtype=bool),
            np.array(self.areas, dtype=np.float64),
            self.masks,
            self.names,
        )


@dataclass(slots=True)
class Split:
    """The pictures of one split and the objects in them.

    Attributes:
        pictures: The pictures.
        objects: The objects; ``objects.pictures`` counts in ``pictures``.
        sources: The files that say so, relative to the data root.
        is_labelled: Whether any of them has objects at all, or could have.
        class_ids: The ids of the classes in the user's file, by name.
    """

    pictures: list[Picture] = field(default_factory=list)
    objects: Objects = field(default_factory=lambda: ObjectColumns().finished())
    sources: tuple[str, ...] = ()
    is_labelled: bool = True
    class_ids: dict[str, SourceId] = field(default_factory=dict)

    def of_pictures(self, indices: Iterable[int]) -> Split:
        """Return the split of some of its pictures, in the order given.

        The objects of a picture stay in their order, and follow the pictures' order.
        """
        chosen = list(indices)
        place = np.full(len(self.pictures), -1, dtype=np.int64)
        place[chosen] = np.arange(len(chosen))
        moved = place[self.objects.pictures]
        order = np.argsort(moved, kind="stable")
        objects = self.objects.of_rows(order[moved[order] >= 0])
        objects.pictures = place[objects.pictures]
        return replace(
            self,
            pictures=[self.pictures[index] for index in chosen],
            objects=objects,
        )

    def counts(self) -> NDArray[np.int64]:
        """Return how many objects each picture has, crowds included."""
        return np.bincount(self.objects.pictures, minlength=len(self.pictures))


@dataclass(slots=True)
class Part:
    """What one annotation file, or one folder of them, says.

    Attributes:
        split: ``train``, ``val``, ``test``, or ``None`` where nothing tells.
        source: The file or folder, relative to the data root.
        classes: The classes it lists; ``objects.labels`` counts in them.
        pictures: The pictures it lists.
        objects: The objects.
        is_labelled: Whether it could have objects: a list of pictures alone cannot.
        lists_classes: Whether the order of ``classes`` was chosen by the user rather
            than being the alphabet's.
    """

    split: str | None
    source: str
    classes: list[ClassEntry]
    pictures: list[Picture]
    objects: Objects
    is_labelled: bool = True
    lists_classes: bool = True


@dataclass(slots=True)
class DataSet:
    """All splits under one list of classes.

    Attributes:
        classes: Names by label.
        splits: By ``train``, ``val``, ``test``, or `UNSPLIT`.
    """

    classes: tuple[str, ...]
    splits: dict[str, Split]
