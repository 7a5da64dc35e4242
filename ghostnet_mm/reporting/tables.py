"""One table for the console, for Markdown and for pages."""

from __future__ import annotations

import csv
import io
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from tabulate import tabulate

NOT_MEASURED = "-"


@dataclass(frozen=True)
class Table:
    """Columns and rows of text.

    Attributes:
        columns: The heads.
        rows: The cells, as they are shown.
        text_columns: How many of the first columns hold text and are aligned left, or
            which columns do, counted from 0; the others are aligned right, as numbers.
        meanings: Of cells outside the columns of text, ``good`` or ``bad`` by what
            stands there; a page colors them.
    """

    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    text_columns: int | Collection[int] = 1
    meanings: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        columns: Sequence[str],
        rows: Iterable[Sequence[object]],
        text_columns: int | Collection[int] = 1,
        meanings: Mapping[str, str] | None = None,
    ) -> Table:
        """Make a table of any values; ``None`` was not measured and shows ``-``.

        Raises:
            ValueError: A row has more or fewer cells than there are columns.
        """
        cells = tuple(tuple(_shown(value) for value in row) for row in rows)
        for row in cells:
            if len(row) != len(columns):
                raise ValueError(f"{len(row)} cells for {len(columns)} columns: {row}")
        return cls(tuple(columns), cells, text_columns, meanings or {})

    def markdown(self) -> str:
        r"""Return the table in Markdown, without a line break at its end.

        >>> print(Table.of(("model", "mAP"), [("a|b", 0.5), ("c", None)]).markdown())
        | model   |   mAP |
        |:--------|------:|
        | a\|b    |   0.5 |
        | c       |     - |
        """
        return self._drawn("pipe", escape=True)

    def plain(self) -> str:
        """Return the table for a terminal: aligned columns under a line."""
        return self._drawn("simple", escape=False)

    def csv(self) -> str:
        """Return the table as CSV, heads first."""
        text = io.StringIO()
        csv.writer(text, lineterminator="\n").writerows([self.columns, *self.rows])
        return text.getvalue()

    def is_text(self, column: int) -> bool:
        """Say whether a column holds text, counted from 0."""
        which = self.text_columns
        return column < which if isinstance(which, int) else column in which

    def meaning(self, column: int, cell: str) -> str:
        """Return what a cell means: ``text``, ``good``, ``bad`` or nothing."""
        return "text" if self.is_text(column) else self.meanings.get(cell, "")

    def _drawn(self, style: str, *, escape: bool) -> str:
        def line(cells: Sequence[str]) -> list[str]:
            return [cell.replace("|", "\\|") if escape else cell for cell in cells]

        sides = [
            "left" if self.is_text(i) else "right" for i in range(len(self.columns))
        ]
        drawn: str = tabulate(
            [line(row) for row in self.rows],
            headers=line(self.columns),
            tablefmt=style,
            colalign=sides if self.rows else None,
            disable_numparse=True,
        )
        return drawn


def _shown(value: object) -> str:
    return NOT_MEASURED if value is None else str(value).replace("\n", " ")
