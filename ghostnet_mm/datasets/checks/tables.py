"""A check as tables, for the console and for the page."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from ...reporting.tables import Table
from ..annotations.findings import printable
from .config_fit import ClassFit, ConfigFit
from .contents import ClassContents
from .data_check import DataCheck

LONGEST_NAME = 40


def splits_table(check: DataCheck) -> Table:
    """Return a row per split."""
    columns = ("split", "pictures", "empty", "boxes", "crowds", "small", "medium")
    return Table.of(
        (*columns, "large", "median picture"),
        [
            (
                *(printable(name), split.pictures, split.empty, split.objects),
                *(split.crowds, split.small, split.medium, split.large),
                f"{split.width} x {split.height}",
            )
            for name, split in check.splits.items()
        ],
    )


def classes_table(check: DataCheck, most: int) -> Table:
    """Return a row per class, the most frequent first.

    Args:
        check: The check.
        most: Rows at most; of more classes those in the middle are left out.
    """
    ranked = sorted(check.classes, key=lambda entry: -entry.total)
    columns = ("class", *check.splits, "pictures", "small", "medium", "large")
    rows = [_class_row(entry, check.splits) for entry in ranked]
    return Table.of(
        (*columns, "side (px)", "side (%)"), _without_middle(rows, most), text_columns=1
    )


def fit_table(check: DataCheck, fit: ConfigFit, most: int) -> Table:
    """Return a row per class: which share of its boxes is too small for the config.

    Args:
        check: The check.
        fit: Its part on the config.
        most: Rows at most.
    """
    phases = list(fit.classes)
    columns = ["class", "boxes"]
    for phase in phases:
        columns += [f"{phase}: under a cell", "under 2 x 2 cells"]
        columns += ["no anchor"] if fit.anchor_overlap is not None else []
    order = sorted(range(len(check.classes)), key=lambda i: -check.classes[i].total)
    rows = []
    for label in order:
        entries = [fit.classes[phase][label] for phase in phases]
        row: list[object] = [_name(entries[0].name), entries[0].boxes]
        for entry in entries:
            row += _shares(entry)
        rows.append(row)
    return Table.of(columns, _without_middle(rows, most))


def _name(name: str) -> str:
    return printable(name, LONGEST_NAME)


def _class_row(entry: ClassContents, splits: Iterable[str]) -> Sequence[object]:
    return (
        _name(entry.name),
        *(entry.objects[split] for split in splits),
        *(entry.pictures, entry.small, entry.medium, entry.large),
        f"{entry.side:.0f}" if entry.total else None,
        f"{100 * entry.relative_side:.1f}" if entry.total else None,
    )


def _shares(entry: ClassFit) -> Iterator[str | None]:
    counts = [entry.below_cell, entry.below_two_cells]
    counts += [] if entry.without_anchor is None else [entry.without_anchor]
    for count in counts:
        yield f"{count / entry.boxes:.0%}" if entry.boxes else None


def _without_middle(
    rows: Sequence[Sequence[object]], most: int
) -> Sequence[Sequence[object]]:
    if len(rows) <= most:
        return rows
    first = most * 2 // 3
    last = most - first - 1
    gap = (f"... {len(rows) - first - last:,} more", *[""] * (len(rows[0]) - 1))
    return [*rows[:first], gap, *rows[len(rows) - last :]]
