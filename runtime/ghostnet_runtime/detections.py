"""What was found in a picture: one shape for every model, library and tool."""

from __future__ import annotations

import csv
import io
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, overload

import numpy as np
from numpy.typing import ArrayLike

from .atomic_writing import write_text
from .conversions import coco_entries, supervision_detections
from .detected_object import DetectedObject
from .drawing import draw_objects
from .errors import DataError, OptionError
from .libraries import import_library
from .picture_writing import WRITTEN_SUFFIXES, write_picture
from .run_lengths import encode_mask
from .seen_pictures import picture_of

Rows = slice | np.ndarray | Sequence[int] | Sequence[bool]


@dataclass(frozen=True, eq=False, repr=False)
class Detections:
    """The objects of one picture; a model gives them best first.

    An integer index, or going through, gives a `DetectedObject`; a slice, a boolean
    mask or an array of indices gives `Detections` again.

    Attributes:
        boxes: (N, 4) float, corners x1, y1, x2, y2 in pixels of the picture.
        scores: (N,) float from 0 to 1; 1 for what a person has annotated.
        labels: (N,) int, indices into ``names``.
        names: Of all classes, by label.
        masks: (N, H, W) bool, or ``None`` from a model without masks.
        data: Further arrays of N rows, by name.
        source: The picture they are in: its path, or the number of a film's frame.
        pixels: That picture, (H, W, 3) uint8 BGR, where it is not in a file: one from
            memory, or a film's frame.

    Raises:
        DataError: Lengths or shapes do not fit, a number is not finite, or a label has
            no name.

    >>> found = Detections([[1, 2, 9, 5], [0, 0, 1, 7]], [0.9, 0.4], [1, 0], ("a", "b"))
    >>> len(found), found[0].name, len(found.above(0.5)), found.of_class("a").scores
    (2, 'b', 1, array([0.4]))
    """

    boxes: np.ndarray
    scores: np.ndarray
    labels: np.ndarray
    names: tuple[str, ...]
    masks: np.ndarray | None = None
    data: Mapping[str, np.ndarray] = field(default_factory=dict)
    source: str | int | None = None
    pixels: np.ndarray | None = None

    def __post_init__(self) -> None:
        values = {
            "boxes": _boxes(self.boxes),
            "scores": _floats(self.scores),
            "labels": _integers(self.labels),
            "names": tuple(self.names),
            "masks": None if self.masks is None else np.asarray(self.masks),
            "data": {name: np.asarray(rows) for name, rows in self.data.items()},
        }
        for name, value in values.items():
            object.__setattr__(self, name, value)
        self._check_shapes()
        self._check_numbers()

    def _check_shapes(self) -> None:
        count = len(self.scores) if self.scores.ndim else 0
        fitting = {"scores": (count,), "boxes": (count, 4), "labels": (count,)}
        for name, shape in fitting.items():
            found = getattr(self, name).shape
            if found != shape:
                raise DataError(
                    f"The {name} of detections have the shape {found}, where {shape} "
                    f"would fit {count} scores."
                )
        if self.masks is not None and (
            self.masks.ndim != 3 or self.masks.dtype != np.bool_
        ):
            raise DataError(
                f"The masks of detections are (N, H, W) bool, and these are "
                f"{self.masks.shape} {self.masks.dtype}."
            )
        further = {f"data[{name!r}]": rows for name, rows in self.data.items()}
        if self.masks is not None:
            further["masks"] = self.masks
        for name, rows in further.items():
            if rows.ndim == 0 or len(rows) != count:
                raise DataError(
                    f"The {name} of detections have the shape {rows.shape}, where "
                    f"{count} scores need {count} rows."
                )

    def _check_numbers(self) -> None:
        broken = ~np.isfinite(self.boxes).all(axis=1) | ~np.isfinite(self.scores)
        if broken.any():
            raise DataError(
                f"Of {len(self)} detections {int(broken.sum())} have a box or a score "
                f"that is no number: the model's weights are damaged, or its training "
                f"diverged."
            )
        unnamed = (self.labels < 0) | (self.labels >= len(self.names))
        if unnamed.any():
            raise DataError(
                f"A detection has the label {self.labels[unnamed][0]}, and there are "
                f"{len(self.names)} class names; give the names of all classes."
            )

    @classmethod
    def none(cls, names: Sequence[str]) -> Detections:
        """Return the detections of a picture without objects."""
        floats, integers = np.float32, np.int64
        boxes, scores = np.zeros((0, 4), floats), np.zeros(0, floats)
        return cls(boxes, scores, np.zeros(0, integers), tuple(names))

    def __len__(self) -> int:
        return len(self.scores)

    def __iter__(self) -> Iterator[DetectedObject]:
        return (self[index] for index in range(len(self)))

    @overload
    def __getitem__(self, index: int) -> DetectedObject: ...

    @overload
    def __getitem__(self, index: Rows) -> Detections: ...

    def __getitem__(self, index: int | Rows) -> DetectedObject | Detections:
        if isinstance(index, int | np.integer):
            label = int(self.labels[index])
            return DetectedObject(
                self.boxes[index],
                float(self.scores[index]),
                label,
                self.names[label],
                None if self.masks is None else self.masks[index],
                {name: rows[index] for name, rows in self.data.items()},
            )
        if not isinstance(index, slice):
            # An empty list would be an array of floats.
            index = np.asarray(index) if len(index) else np.zeros(0, np.int64)
        return Detections(
            self.boxes[index],
            self.scores[index],
            self.labels[index],
            self.names,
            None if self.masks is None else self.masks[index],
            {name: rows[index] for name, rows in self.data.items()},
            self.source,
            self.pixels,
        )

    def __repr__(self) -> str:
        counts = np.bincount(self.labels, minlength=len(self.names))
        objects = [
            f"{count} {name}"
            for count, name in zip(counts, self.names, strict=True)
            if count
        ]
        place = "" if self.source is None else f" in {self.source}"
        return f"<Detections{place}: {', '.join(objects) or 'nothing'}>"

    def seen_in(
        self, source: str | int | None, pixels: np.ndarray | None
    ) -> Detections:
        """Return the same detections with the picture they are in; see Attributes."""
        return replace(self, source=source, pixels=pixels)

    def above(self, score: float) -> Detections:
        """Return the objects with this score or a higher one."""
        return self[self.scores >= score]

    def of_class(self, *names: str) -> Detections:
        """Return the objects of these classes.

        Raises:
            OptionError: There is no class of that name.
        """
        for name in names:
            if name not in self.names:
                known = ", ".join(self.names[:10])
                more = ", ..." if len(self.names) > 10 else ""
                raise OptionError(
                    f"There is no class {name!r}; there are {known}{more}."
                )
        labels = [label for label, name in enumerate(self.names) if name in names]
        return self[np.isin(self.labels, labels)]

    def plot(
        self, picture: np.ndarray | None = None, with_scores: bool = True
    ) -> np.ndarray:
        """Draw the objects on a copy of their picture, (H, W, 3) uint8 BGR.

        Args:
            picture: By default the one they were found in.
            with_scores: Whether scores are written.

        Raises:
            OptionError: It is not known which picture that is.
            DataError: Its file can no longer be read.
        """
        if picture is None:
            picture = picture_of(self.source, self.pixels)
        return draw_objects(picture, self, with_scores)

    def to_json(self) -> dict[str, list[dict[str, object]]]:
        """Return the objects as in ``detections.json``.

        Returns:
            ``detections``, each with ``class``, ``label``, ``score``, ``bbox`` (corners
            in pixels), in a film that is tracked ``track``, and, from a model with
            masks, ``segmentation`` (COCO's compressed RLE).
        """
        entries = []
        for found in self:
            entry: dict[str, object] = {
                "class": found.name,
                "label": found.label,
                "score": round(found.score, 4),
                "bbox": [round(float(edge), 2) for edge in found.box],
            }
            if found.track is not None:
                entry["track"] = found.track
            if found.mask is not None:
                entry["segmentation"] = encode_mask(found.mask)
            entries.append(entry)
        return {"detections": entries}

    def to_coco(
        self, image_id: int, category_ids: Sequence[int] | None = None
    ) -> list[dict[str, object]]:
        """Return the objects as COCO's result files have them.

        Args:
            image_id: Of the picture.
            category_ids: By label; the default is the labels themselves.

        Returns:
            One entry per object: ``image_id``, ``category_id``, ``bbox`` (x, y, width,
            height in pixels), ``score`` and, with masks, ``segmentation``.
        """
        return coco_entries(self, image_id, category_ids)

    def to_columns(self) -> dict[str, list[object]]:
        """Return columns of a table: class, label, score, x1, y1, x2, y2, and data.

        Of the further arrays only those with one value per object are in it.
        """
        columns = {
            "class": [self.names[label] for label in self.labels],
            "label": self.labels.tolist(),
            "score": self.scores.tolist(),
        }
        for name, edges in zip(("x1", "y1", "x2", "y2"), self.boxes.T, strict=True):
            columns[name] = edges.tolist()
        single = {name: rows for name, rows in self.data.items() if rows.ndim == 1}
        return {**columns, **{name: rows.tolist() for name, rows in single.items()}}

    def to_dataframe(self) -> Any:
        """Return the table of `to_columns` as a ``pandas.DataFrame``.

        Raises:
            OptionError: pandas is not installed.
        """
        return import_library("pandas", "pandas").DataFrame(self.to_columns())

    def to_supervision(self) -> Any:
        """Return ``supervision.Detections``, with ``class_name`` among their data.

        Raises:
            OptionError: supervision is not installed.
        """
        return supervision_detections(self)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the objects: ``.json`` as `to_json`, ``.csv`` as `to_columns`.

        The suffix of a picture, such as ``.jpg``, writes the `plot`.

        Raises:
            OptionError: The suffix is none of these, or there is no picture to draw on.
            DataError: The picture's file can no longer be read.
            OSError: The file cannot be written.
        """
        suffix = Path(path).suffix.lower()
        if suffix == ".json":
            write_text(path, json.dumps(self.to_json(), indent=1))
        elif suffix == ".csv":
            columns, text = self.to_columns(), io.StringIO()
            table = csv.writer(text, lineterminator="\n")
            table.writerows([columns, *zip(*columns.values(), strict=True)])
            write_text(path, text.getvalue())
        elif suffix in WRITTEN_SUFFIXES:
            write_picture(Path(path), self.plot())
        else:
            raise OptionError(
                f"{path} is neither .json nor .csv nor a picture such as .jpg; name "
                f"one of these."
            )


def _boxes(values: ArrayLike) -> np.ndarray:
    boxes = _floats(values)
    # An empty list has no second dimension.
    return boxes if boxes.size else boxes.reshape(-1, 4)


def _floats(values: ArrayLike) -> np.ndarray:
    array = np.asarray(values)
    return array if array.dtype.kind == "f" else array.astype(np.float32)


def _integers(values: ArrayLike) -> np.ndarray:
    array = np.asarray(values)
    if array.size and array.dtype.kind not in "iu":
        raise DataError(
            f"The labels of detections are whole numbers, and these are {array.dtype}."
        )
    return array if array.size else array.astype(np.int64)
