"""Categories of a COCO file, and which of them an annotation means."""

from __future__ import annotations

from collections.abc import Iterable

from ....errors import DataError
from ...annotations.data_set import ClassEntry, SourceId
from ...annotations.findings import Findings, printable
from ..numbers import without_fraction


class Categories:
    """The classes of one file.

    An annotation names a class by its id, by the id in another type of value, or by its
    name.

    Args:
        listed: The file's ``categories``; anything else than a list is none.
        used: What the annotations call their classes.
        place: The file, for messages.
        findings: Where what is odd is counted.

    Raises:
        DataError: Two classes of different names have the same id.
    """

    def __init__(
        self, listed: object, used: Iterable[object], place: str, findings: Findings
    ):
        self.entries: list[ClassEntry] = []
        self._by_id: dict[object, int] = {}
        self._by_text: dict[str, int] = {}
        for entry in listed if isinstance(listed, list) else ():
            self._add(entry, place, findings)
        if not self.entries:
            ids = {str(without_fraction(value)) for value in used if _is_id(value)}
            for text in sorted(ids):
                self._add({"id": text}, place, findings)
        for index, entry in enumerate(self.entries):
            self._by_text.setdefault(entry.name, index)

    def _add(self, entry: object, place: str, findings: Findings) -> None:
        if isinstance(entry, str):
            entry = {"name": entry}
        if not isinstance(entry, dict):
            return
        listed_id = without_fraction(entry.get("id"))
        source_id: SourceId = None
        if isinstance(listed_id, int | str) and _is_id(listed_id):
            source_id = listed_id
        name = entry.get("name")
        if isinstance(name, int | float) and not isinstance(name, bool):
            name = str(name)
        if not isinstance(name, str) or not name.strip():
            if source_id is None:
                return
            name = str(source_id)
            findings.add("class-unnamed", place, name)
        name = name.strip()
        known = self._by_id.get(source_id) if source_id is not None else None
        if known is not None:
            if self.entries[known].name != name:
                raise DataError(
                    f"{place} gives the category id {printable(source_id)} to two "
                    f"names, {printable(self.entries[known].name)} and "
                    f"{printable(name)}; give each its own id."
                )
            return
        parent = entry.get("supercategory")
        parent = parent if isinstance(parent, str) else None
        self.entries.append(ClassEntry(name, source_id, parent))
        if source_id is not None:
            self._by_id[source_id] = len(self.entries) - 1
            self._by_text.setdefault(str(source_id), len(self.entries) - 1)

    def label_of(self, value: object) -> tuple[int | None, bool]:
        """Return the index of a class, and whether only its text agreed."""
        if not _is_id(value):
            return None, False
        label = self._by_id.get(value)
        if label is not None:
            return label, False
        text = str(int(value)) if isinstance(value, float) else str(value).strip()
        return self._by_text.get(text), True


def _is_id(value: object) -> bool:
    if isinstance(value, float):
        return value.is_integer()
    return isinstance(value, int | str) and not isinstance(value, bool)
