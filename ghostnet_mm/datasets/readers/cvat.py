"""CVAT's own XML, for pictures and for videos."""

from __future__ import annotations

import functools
import re
from collections.abc import Sequence
from xml.etree.ElementTree import Element

import numpy as np

from ..annotations.data_set import ClassEntry, ObjectColumns, Part, Picture
from ..annotations.masks import MOST_MASK_PIXELS, Mask, mask_in_picture
from .numbers import number, side
from .shapes import Point, box_of_corners, ellipse, outline, pairs, rotated_rectangle
from .sources import Reading, Source
from .split_names import split_in, split_of
from .xml_files import elements_of

FORMAT = "CVAT"
SHAPES = ("box", "polygon", "ellipse", "mask", "cuboid")
WITHOUT_AREA = ("polyline", "points", "skeleton", "tag")
LAST_NUMBER = re.compile(r"(\d+)$")
MOST_FRAMES = 10_000_000
NO_BOX = (float("nan"),) * 4


def find_cvat(names: Sequence[str]) -> list[Source]:
    """Return a source for each of CVAT's files."""
    return [
        Source(FORMAT, name, split_of(name), (name,), functools.partial(_read, name))
        for name in names
    ]


def _read(name: str, reading: Reading) -> list[Part]:
    file = _CvatFile(name, reading)
    path = reading.listing.path(name)
    for element in elements_of(path, "meta", "image", "track"):
        file.take(element)
    return file.parts()


class _CvatFile:
    """Takes the elements of one file."""

    def __init__(self, name: str, reading: Reading):
        self._name = name
        self._reading = reading
        self._labels: dict[str, int] = {}
        self._is_listed = False
        self._video_size = (0, 0)
        self._frame_count = 0
        # By split: names, sizes and ids of the pictures, and the objects.
        self._pictures: dict[str | None, list[Picture]] = {}
        self._columns: dict[str | None, ObjectColumns] = {}
        self._frames: dict[int, list[tuple[Element, str]]] = {}

    def take(self, element: Element) -> None:
        """Take what one element says."""
        if element.tag == "meta":
            self._take_meta(element)
        elif element.tag == "image":
            self._take_image(element)
        else:
            self._take_track(element)

    def parts(self) -> list[Part]:
        """Return what the whole file says, one part per split."""
        self._place_frames()
        parts = []
        for split, pictures in self._pictures.items():
            found = self._reading.search.find_all(
                [picture.name for picture in pictures], self._name, split
            )
            for picture, place in zip(pictures, found, strict=True):
                picture.path = self._reading.picture_path(
                    place, picture.name, self._name
                )
            parts.append(
                Part(
                    split,
                    self._name if len(self._pictures) == 1 else f"{self._name}:{split}",
                    [ClassEntry(label) for label in self._labels],
                    pictures,
                    self._columns[split].finished(),
                    lists_classes=self._is_listed,
                )
            )
        return parts

    def _take_meta(self, meta: Element) -> None:
        for label in meta.iter("label"):
            name = (label.findtext("name") or "").strip()
            # A part of a skeleton has a parent and is no class of its own.
            if name and label.find("parent") is None:
                self._labels.setdefault(name, len(self._labels))
                self._is_listed = True
        for size in meta.iter("original_size"):
            self._video_size = (
                side(size.findtext("width")),
                side(size.findtext("height")),
            )
        for task in meta.iter("task"):
            count = number(task.findtext("size")) or 0
            self._frame_count = max(self._frame_count, int(min(count, MOST_FRAMES)))

    def _take_image(self, image: Element) -> None:
        name = image.get("name")
        if not name or "\0" in name:
            self._reading.findings.add("picture-entry", self._name, image.get("id"))
            return
        split = split_in(image.get("subset") or "") or split_of(self._name)
        size = side(image.get("width")), side(image.get("height"))
        source_id = image.get("id")
        number_of = int(source_id) if source_id and source_id.isdecimal() else None
        picture = Picture(name, "", *size, number_of)
        self._start(split, picture)
        for shape in image:
            label = (shape.get("label") or "").strip()
            self._add(split, shape, label, size, f"{name}: {label}")

    def _take_track(self, track: Element) -> None:
        label = (track.get("label") or "").strip()
        for shape in track:
            frame = number(shape.get("frame"))
            if frame is None or not 0 <= frame < MOST_FRAMES:
                self._reading.findings.add("object-of-no-picture", self._name, label)
            elif shape.get("outside") != "1":
                kept = Element(shape.tag, dict(shape.attrib))
                self._frames.setdefault(int(frame), []).append((kept, label))

    def _place_frames(self) -> None:
        """Give the frames of a video the pictures that are there of them."""
        if not self._frames:
            return
        numbered: dict[int, str] = {}
        for name in self._reading.listing.pictures():
            digits = LAST_NUMBER.search(name.rpartition(".")[0])
            if digits and len(digits[1]) < 10:
                numbered.setdefault(int(digits[1]), name)
        split = split_of(self._name)
        frames = set(self._frames)
        # Frames without an object are background, if they were exported.
        frames |= {frame for frame in range(self._frame_count) if frame in numbered}
        for frame in sorted(frames):
            name = numbered.get(frame, f"frame_{frame:06d}.PNG")
            self._start(split, Picture(name, "", *self._video_size, frame))
            for shape, label in self._frames.get(frame, ()):
                self._add(split, shape, label, self._video_size, f"{frame}: {label}")

    def _start(self, split: str | None, picture: Picture) -> None:
        self._pictures.setdefault(split, []).append(picture)
        self._columns.setdefault(split, ObjectColumns())

    def _add(
        self,
        split: str | None,
        shape: Element,
        label: str,
        size: tuple[int, int],
        name: str,
    ) -> None:
        findings = self._reading.findings
        if shape.tag in WITHOUT_AREA:
            findings.add("shape-without-area", self._name, name)
        if shape.tag not in SHAPES:
            return
        if not label:
            findings.add("object-of-no-class", self._name, name)
            return
        box, mask = _box_and_mask(shape, size)
        if shape.tag == "mask" and mask is None:
            findings.add("mask-unusable", self._name, name)
        self._columns[split].add(
            len(self._pictures[split]) - 1,
            self._labels.setdefault(label, len(self._labels)),
            NO_BOX if box is None else box,
            mask=mask,
            name=name,
        )


def _box_and_mask(
    shape: Element, size: tuple[int, int]
) -> tuple[list[float] | None, Mask | None]:
    degrees = number(shape.get("rotation") or 0) or 0.0
    if shape.tag == "box":
        corners = _values(shape, "xtl", "ytl", "xbr", "ybr")
        if corners is None:
            return None, None
        left, top, right, bottom = corners
        if degrees % 360:
            return outline(
                rotated_rectangle(left, top, right - left, bottom - top, degrees)
            )
        return box_of_corners([(left, top), (right, bottom)]), None
    if shape.tag == "polygon":
        points = _points(shape.get("points"))
        return outline(points) if points else (None, None)
    if shape.tag == "ellipse":
        values = _values(shape, "cx", "cy", "rx", "ry")
        if values is None:
            return None, None
        x, y, x_radius, y_radius = values
        return outline(ellipse(x, y, x_radius, y_radius, degrees))
    if shape.tag == "mask":
        return _mask(shape, size)
    # The corners of a cuboid: its box is what can be detected.
    found = [number(value) for key, value in shape.attrib.items() if _is_corner(key)]
    numbers = [value for value in found if value is not None]
    points = pairs(numbers) if len(numbers) == len(found) else []
    return (box_of_corners(points) if points else None), None


def _mask(
    shape: Element, size: tuple[int, int]
) -> tuple[list[float] | None, Mask | None]:
    """Return a mask of runs, row by row, in a part of the picture."""
    values = _values(shape, "left", "top", "width", "height")
    if values is None:
        return None, None
    left, top, width, height = (int(value) for value in values)
    box = [float(value) for value in (left, top, width, height)]
    if not 0 < width * height <= MOST_MASK_PIXELS:
        return box, None
    runs = [number(word) for word in (shape.get("rle") or "").split(",")]
    lengths = [int(run) for run in runs if run is not None and run >= 0]
    if len(lengths) < len(runs) or sum(lengths) != width * height:
        return box, None
    ink = np.repeat(np.arange(len(lengths)) % 2 == 1, lengths).reshape(height, width)
    return box, mask_in_picture(ink, left, top, *size)


def _values(shape: Element, *keys: str) -> list[float] | None:
    found = [number(shape.get(key)) for key in keys]
    values = [value for value in found if value is not None]
    return values if len(values) == len(keys) else None


def _points(text: str | None) -> list[Point]:
    values = [number(word) for word in re.split(r"[;,]", text or "")]
    numbers = [value for value in values if value is not None]
    if len(numbers) < len(values) or len(numbers) % 2:
        return []
    return pairs(numbers)


def _is_corner(key: str) -> bool:
    return bool(re.fullmatch(r"[xy][tb][lr][12]", key))
