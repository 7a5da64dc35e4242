"""Which pictures belong together: on one side of a split or on the other.

Copies of one picture, the versions of it that a tool has made, and frames of one film
would let a detector be scored on what it has learnt by heart.
"""

from __future__ import annotations

import re
from collections.abc import Hashable, Iterable, Sequence
from itertools import pairwise

# Roboflow's name for a version of photo.jpg: photo_jpg.rf.0123456789abcdef.jpg
VERSION = re.compile(r"[._]rf[._][0-9a-f]{8,}$", re.IGNORECASE)
# film_frame_0012, film_mp4-12, film.mov_000012
FRAME = re.compile(
    r"^(?P<film>.*?)[ _.-]*(?:frame|frm)[ _.-]*(?P<number>\d+)(?:_(?:jpe?g|png))?$"
    r"|^(?P<film2>.+[._](?:mp4|avi|mov|mkv|webm|m4v))[ _.-]*(?P<number2>\d+)"
    r"(?:_(?:jpe?g|png))?$",
    re.IGNORECASE,
)
# No group is larger than this share of the pictures: what is left must be split too.
LARGEST = 0.5
PIECES_OF_A_FILM = 10


def groups_of(
    names: Sequence[str], pairs: Iterable[tuple[int, int]] = ()
) -> tuple[list[list[int]], bool]:
    """Return groups of pictures that belong together, and whether one was cut.

    A group of more than half the pictures is cut: first similar looks are forgotten,
    then a film is cut into pieces of frames that follow each other.

    Args:
        names: The pictures' names, with the folders they are in.
        pairs: Pictures that look the same, by their indices.

    Returns:
        The indices of each group, in the order of their names.
    """
    keys = [_keys(name) for name in names]
    groups = _joined(keys, pairs)
    if _largest(groups) <= LARGEST * len(names) or len(names) < 2:
        return groups, False
    groups = _joined(keys, ())
    if _largest(groups) > LARGEST * len(names):
        versions = _joined([own[:1] for own in keys], ())
        of_film = {index: n for n, group in enumerate(groups) for index in group}
        films: dict[int, list[list[int]]] = {}
        for version in versions:
            films.setdefault(of_film[version[0]], []).append(version)
        groups = [piece for film in films.values() for piece in _pieces(film, names)]
    return groups, True


def _keys(name: str) -> list[Hashable]:
    """Return what a picture shares with others: its source first, then its film."""
    folder, _, base = name.rpartition("/")
    stem = base.rpartition(".")[0] or base
    source = VERSION.sub("", stem)
    keys: list[Hashable] = [("version", source) if source != stem else ("name", name)]
    frame = FRAME.match(source)
    if frame:
        film = frame["film"] or frame["film2"] or ""
        keys.append(("film", film.casefold() or folder))
    return keys


def _joined(
    keys: Sequence[Sequence[Hashable]], pairs: Iterable[tuple[int, int]]
) -> list[list[int]]:
    parent = list(range(len(keys)))

    def root(index: int) -> int:
        while parent[index] != index:
            parent[index] = parent[parent[index]]
            index = parent[index]
        return index

    first: dict[Hashable, int] = {}
    for index, own in enumerate(keys):
        for key in own:
            parent[root(index)] = root(first.setdefault(key, index))
    for this, other in pairs:
        parent[root(this)] = root(other)
    members: dict[int, list[int]] = {}
    for index in range(len(keys)):
        members.setdefault(root(index), []).append(index)
    return list(members.values())


def _largest(groups: Sequence[Sequence[int]]) -> int:
    return max(map(len, groups), default=0)


def _pieces(film: Sequence[list[int]], names: Sequence[str]) -> list[list[int]]:
    """Return a film in pieces of frames in a row; versions of a frame stay together."""
    ordered = sorted(film, key=lambda frames: _in_number_order(names[frames[0]]))
    count = min(PIECES_OF_A_FILM, len(ordered))
    bounds = [len(ordered) * i // count for i in range(count + 1)]
    return [
        [index for frames in ordered[first:end] for index in frames]
        for first, end in pairwise(bounds)
    ]


def _in_number_order(name: str) -> list[tuple[int, str]]:
    words = re.split(r"(\d+)", name)
    return [(int(word), "") if word.isdigit() else (-1, word) for word in words]
