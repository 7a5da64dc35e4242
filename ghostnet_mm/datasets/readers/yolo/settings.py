"""What says the names of YOLO's classes and where its splits are."""

from __future__ import annotations

from dataclasses import dataclass, field

from ..json_files import read_bytes
from ..listing import Listing
from ..numbers import number
from ..yaml_files import parse_yaml

SPLIT_KEYS = {"train": "train", "val": "val", "valid": "val", "validation": "val"}
SPLIT_KEYS["test"] = "test"
NAME_FILES = ("classes.txt", "obj.names", "_darknet.labels", "labels.txt", "names.txt")


@dataclass(frozen=True)
class YoloSettings:
    """What a ``data.yaml``, an ``obj.data`` or a list of names says.

    Attributes:
        file: The file itself, relative to the root; empty where there is none.
        names: Of the classes by number; empty where nothing says them.
        splits: Folders, lists or patterns of pictures, by split, as they are written.
        base: What they are relative to, as it is written.
        keypoint_values: How many values the keypoints of a line take.
    """

    file: str = ""
    names: dict[int, str] = field(default_factory=dict)
    splits: dict[str, list[str]] = field(default_factory=dict)
    base: str = ""
    keypoint_values: int | None = None


def find_settings(listing: Listing) -> YoloSettings | None:
    """Return the settings of a YOLO folder, if there are any.

    Of several YAML files the one that names splits and lies highest is taken.

    Raises:
        DataError: A file cannot be read.
    """
    candidates = listing.with_suffix(".yaml", ".yml")
    if listing.chosen is not None:
        candidates = [name for name in candidates if name == listing.chosen]
    found = []
    for name in candidates:
        settings = _from_yaml(name, parse_yaml(listing, name))
        if settings is not None:
            found.append(settings)
    if found:
        return max(found, key=lambda s: (bool(s.splits), -s.file.count("/")))
    for name in listing.with_suffix(".data"):
        settings = _from_darknet(listing, name)
        if settings is not None:
            return settings
    for name in sorted(listing.files, key=lambda name: name.count("/")):
        if name.rpartition("/")[2] in NAME_FILES or name.endswith(".names"):
            names = _name_lines(listing, name)
            if names:
                return YoloSettings(name, names)
    return None


def _from_yaml(file: str, content: dict[str, object]) -> YoloSettings | None:
    names = _names(content.get("names"))
    splits: dict[str, list[str]] = {}
    for key, split in SPLIT_KEYS.items():
        value = content.get(key)
        places = value if isinstance(value, list) else [value]
        texts = [place for place in places if isinstance(place, str) and place.strip()]
        if texts and split not in splits:
            splits[split] = texts
    if not names and not splits:
        return None
    if not names:
        count = number(content.get("nc"))
        names = {i: str(i) for i in range(int(count) if count and count < 1e5 else 0)}
    base = content.get("path")
    shape = content.get("kpt_shape")
    values = [number(value) for value in shape] if isinstance(shape, list) else []
    sides = [int(value) for value in values if value is not None and value < 1e4]
    return YoloSettings(
        file,
        names,
        splits,
        base if isinstance(base, str) else "",
        sides[0] * sides[1] if len(sides) == 2 else None,
    )


def _names(value: object) -> dict[int, str]:
    if isinstance(value, list):
        pairs: list[tuple[object, object]] = list(enumerate(value))
    elif isinstance(value, dict):
        pairs = list(value.items())
    else:
        return {}
    names = {}
    for key, name in pairs:
        index = number(key)
        if index is not None and index.is_integer() and 0 <= index < 2**31:
            text = str(name).strip() if isinstance(name, str | int | float) else ""
            names[int(index)] = text or str(int(index))
    return names


def _from_darknet(listing: Listing, file: str) -> YoloSettings | None:
    text = read_bytes(listing.path(file)).decode("utf-8", "replace")
    settings = {}
    for line in text.splitlines():
        key, equals, value = line.partition("=")
        if equals:
            settings[key.strip().lower()] = value.strip()
    if "names" not in settings and "train" not in settings:
        return None
    names: dict[int, str] = {}
    wanted = settings.get("names", "").replace("\\", "/").rpartition("/")[2]
    for name in listing.files:
        if wanted and name.rpartition("/")[2] == wanted:
            names = _name_lines(listing, name)
    splits = {
        split: [settings[key]] for key, split in SPLIT_KEYS.items() if key in settings
    }
    return YoloSettings(file, names, splits)


def _name_lines(listing: Listing, name: str) -> dict[int, str]:
    if listing.files[name][0] > 2**22:
        return {}
    text = read_bytes(listing.path(name)).decode("utf-8-sig", "replace")
    lines = [line.strip() for line in text.splitlines()]
    while lines and not lines[-1]:
        lines.pop()
    return {index: line or str(index) for index, line in enumerate(lines)}
