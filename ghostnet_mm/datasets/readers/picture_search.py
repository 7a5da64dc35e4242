"""Finding the file of a picture that an annotation file names.

The name may be relative to anything, have another system's separators, an address in
front, other capitals or another suffix: what counts is how many of its last parts agree
with a file that is there, and that one file agrees best.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import takewhile
from urllib.parse import parse_qs, unquote, urlsplit

from .listing import TEXT_SUFFIXES, Listing, suffix_of
from .split_names import split_of

PROBED = 200
EXACT, BY_LAST_PART, OTHER_LETTERS, OTHER_SUFFIX = range(4)
# What Label Studio puts before the name of a file that was uploaded.
UPLOADED = re.compile(r"^[0-9a-f]{8}-(?=.)")
# Where a split's pictures lie, {name} being its name in the folder.
FOLDERS = ("{name}", "images/{name}", "{name}/images", "images", "JPEGImages", "")


@dataclass(frozen=True, slots=True)
class Found:
    """Where a picture is.

    Attributes:
        name: The file, relative to the root.
        how: ``EXACT``, ``BY_LAST_PART``, ``OTHER_LETTERS`` or ``OTHER_SUFFIX``.
    """

    name: str
    how: int


class PictureSearch:
    """Looks for pictures among the files of a data root.

    Args:
        listing: The files.
    """

    def __init__(self, listing: Listing):
        self._listing = listing
        self._folders = {""} | {
            folder for name in listing.files for folder in _folders_above(name)
        }
        self._by_base: dict[str, list[str]] = {}
        self._by_stem: dict[str, list[str]] = {}
        for name in listing.files:
            if suffix_of(name) not in TEXT_SUFFIXES:
                base = _folded(name.rpartition("/")[2])
                self._by_base.setdefault(base, []).append(name)
                self._by_stem.setdefault(_stem(base), []).append(name)

    def find_all(
        self, names: Sequence[str], source: str, split: str | None
    ) -> list[Found | None]:
        """Look for the pictures of one annotation file.

        Args:
            names: The names in the file.
            source: The file itself, relative to the root.
            split: The split it describes.

        Returns:
            ``None`` where there is no file, or several fit equally well.
        """
        plain = [_plain(name) for name in names]
        folder = self._best_folder(plain, source, split)
        found = self._found_from(folder, plain, names, split)
        places = Counter(place.name.rpartition("/")[0] for place in found if place)
        usual = places.most_common(1)[0][0] if places else folder
        if None not in found or usual == folder:
            return found
        # Where most are decides between files of one name.
        again = self._found_from(usual, plain, names, split)
        return [first or second for first, second in zip(found, again, strict=True)]

    @staticmethod
    def without_doubtful(
        names: Sequence[str], found: Sequence[Found | None]
    ) -> list[Found | None]:
        """Give up files that several pictures of different folders would be.

        ``left/1.jpg`` and ``right/1.jpg`` cannot both be ``photos/1.jpg``; the one
        whose whole name is there keeps it.

        Args:
            names: As they are written.
            found: Where they were found.
        """
        claims: dict[str, set[str]] = {}
        for name, place in zip(names, found, strict=True):
            if place is not None:
                claims.setdefault(place.name, set()).add(_folded(_plain(name)))
        return [
            None
            if place is not None
            and place.how == BY_LAST_PART
            and not _are_one(claims[place.name])
            else place
            for place in found
        ]

    def _found_from(
        self, folder: str, plain: Sequence[str], names: Sequence[str], split: str | None
    ) -> list[Found | None]:
        found: list[Found | None] = []
        for name, written in zip(plain, names, strict=True):
            direct = _joined(folder, name)
            if direct in self._listing.files:
                found.append(Found(direct, EXACT))
                continue
            place = self._elsewhere(name, folder, split)
            if place is None and UPLOADED.match(name.rpartition("/")[2]):
                base = UPLOADED.sub("", name.rpartition("/")[2])
                place = self._elsewhere(base, folder, split)
            elif place and place.how == BY_LAST_PART and _is_address(written):
                # An address says nothing of this machine's folders.
                place = Found(place.name, EXACT)
            found.append(place)
        return found

    def _best_folder(self, names: Sequence[str], source: str, split: str | None) -> str:
        """Return the folder in which most of the names are."""
        probed = names[:: max(len(names) // PROBED, 1)]
        candidates = [
            folder for folder in _candidates(source, split) if folder in self._folders
        ]
        # Where no whole name is anywhere, their last parts choose, so that equal names
        # in the folder of another split are not taken.
        for tried in (probed, [name.rpartition("/")[2] for name in probed]):
            counts = {
                folder: sum(
                    _joined(folder, name) in self._listing.files for name in tried
                )
                for folder in candidates
            }
            best = max(candidates, key=lambda folder: counts[folder], default="")
            if counts.get(best):
                return best
        return ""

    def _elsewhere(self, name: str, folder: str, split: str | None) -> Found | None:
        base = name.rpartition("/")[2]
        same = self._best(self._by_base.get(_folded(base), ()), name, folder, split)
        if same is not None:
            if same.rpartition("/")[2] != base:
                return Found(same, OTHER_LETTERS)
            is_whole = f"/{same}".endswith(f"/{name}")
            return Found(same, EXACT if is_whole else BY_LAST_PART)
        stem = self._by_stem.get(_stem(_folded(base)), ())
        similar = self._best(stem, name, folder, split)
        return None if similar is None else Found(similar, OTHER_SUFFIX)

    @staticmethod
    def _best(
        candidates: Sequence[str], name: str, folder: str, split: str | None
    ) -> str | None:
        parts = _folded(name).split("/")

        def merit(candidate: str) -> tuple[int, bool, bool]:
            place = candidate.rpartition("/")[0]
            own = _folded(candidate).split("/")
            pairs = zip(reversed(own), reversed(parts), strict=False)
            equal = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))
            return equal, place == folder, split_of(place) == split

        # Another split may well have a picture of the same name.
        merits = {
            candidate: merit(candidate)
            for candidate in candidates
            if candidate.rpartition("/")[0] == folder
            or split is None
            or split_of(candidate.rpartition("/")[0]) in (split, None)
        }
        ranked = sorted(merits, key=lambda candidate: merits[candidate], reverse=True)
        if len(ranked) > 1 and merits[ranked[0]] == merits[ranked[1]]:
            return None
        return ranked[0] if ranked else None


def _are_one(names: set[str]) -> bool:
    """Say whether names are one path, written from different folders on."""
    longest = max(names, key=len)
    return all(f"/{longest}".endswith(f"/{name}") for name in names)


def _candidates(source: str, split: str | None) -> list[str]:
    """Return the folders in which a file's pictures may lie, the likeliest first."""
    folder, _, base = source.rpartition("/")
    above = folder.rpartition("/")[0]
    stem = base.rpartition(".")[0] or base
    words = [stem, stem.removeprefix("instances_"), stem.rpartition("_")[2]]
    words += [folder.rpartition("/")[2]]
    for word in tuple(words):
        words += [word.removesuffix("2017"), f"{word.removesuffix('2017')}2017"]
    if split is not None:
        words += SPELLINGS[split]
    candidates = [
        _joined(start, pattern.format(name=word))
        for pattern in FOLDERS
        for word in words
        if word
        for start in dict.fromkeys((folder, above, ""))
    ]
    return list(dict.fromkeys(candidates))


SPELLINGS: dict[str, Sequence[str]] = {
    "train": ("train", "Train", "training", "train2017"),
    "val": ("val", "valid", "validation", "Val", "Valid", "Validation", "val2017"),
    "test": ("test", "Test", "testing", "test2017"),
}


def _plain(name: str) -> str:
    """Return a name with the separators and without the address of its origin."""
    name = name.replace("\\", "/").strip()
    if _is_address(name):
        address = urlsplit(name)
        # Label Studio's local files: /data/local-files/?d=folder/photo.jpg
        query = parse_qs(address.query).get("d")
        name = unquote(query[0] if query else address.path)
    parts = [part for part in name.split("/") if part not in ("", ".")]
    while parts and (parts[0] == ".." or parts[0].endswith(":")):
        del parts[0]
    return "/".join(parts)


def _is_address(name: str) -> bool:
    """Say whether a name is an address, or a path of Label Studio's server."""
    return "://" in name or name.startswith(("/data/local-files/", "/data/upload/"))


def _joined(*parts: str) -> str:
    return "/".join(part for part in parts if part)


def _folded(name: str) -> str:
    """Return a name by which two spellings of the same letters agree."""
    return unicodedata.normalize("NFC", name).casefold()


def _stem(base: str) -> str:
    return base.rpartition(".")[0] or base


def _folders_above(name: str) -> Iterator[str]:
    while "/" in name:
        name = name.rpartition("/")[0]
        yield name
