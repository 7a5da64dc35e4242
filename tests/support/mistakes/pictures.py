"""Pictures and films that cannot be read."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from support.mistakes.cases import (
    BadInput,
    Prepare,
    weights_of,
)
from support.running_tools import TINY


def _detect_on(make: Callable[[Path], str]) -> Prepare:
    def prepare(folder: Path) -> list[str]:
        weights = weights_of(0.5, folder / "weights.pth")
        return [make(folder), "--config", TINY, "--checkpoint", str(weights)]

    return prepare


def _damaged_file(name: str) -> Callable[[Path], str]:
    def make(folder: Path) -> str:
        (folder / name).write_bytes(b"neither a picture nor a film")
        return name

    return make


def _empty_folder(folder: Path) -> str:
    (folder / "photos").mkdir()
    return "photos"


PICTURES = (
    BadInput(
        "image that is damaged",
        "detect",
        _detect_on(_damaged_file("photo.jpg")),
        ("photo.jpg", "cannot be read"),
    ),
    BadInput(
        "folder without images", "detect", _detect_on(_empty_folder), ("no image",)
    ),
    BadInput(
        "video that is damaged",
        "detect",
        _detect_on(_damaged_file("film.mp4")),
        ("film.mp4", "cannot be read"),
    ),
    BadInput(
        "input that does not exist",
        "detect",
        _detect_on(lambda folder: "nothing.jpg"),
        ("nothing.jpg", "does not exist"),
    ),
    BadInput(
        "input that is neither image nor video",
        "detect",
        _detect_on(_damaged_file("notes.txt")),
        ("notes.txt", "neither"),
    ),
)
