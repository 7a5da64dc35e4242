"""The configs on a terminal: what each costs, and what was published of it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..reporting.tables import Table
from ..shipped_configs import config_name
from .metafile import Metafile
from .tables import published, shown_costs

COLUMNS = (
    "config",
    "backbone",
    "input",
    "params (M)",
    "GMACs",
    "CPU (ms)",
    "published",
)


def has_words(name: str, words: Sequence[str]) -> bool:
    """Say whether a config's name has every word in it."""
    return all(word in name for word in words)


def list_configs(metafile: Metafile, words: Sequence[str] = ()) -> dict[str, Table]:
    """Return a table for each task.

    Args:
        metafile: The entries.
        words: Only configs whose name has them all in it.
    """
    tables = {}
    for task in dict.fromkeys(entry["In Collection"] for entry in metafile.models):
        rows = [
            _row(entry)
            for entry in metafile.models
            if entry["In Collection"] == task
            and has_words(config_name(Path(entry["Config"]).name), words)
        ]
        if rows:
            tables[task] = Table.of(COLUMNS, rows, text_columns=3)
    return tables


def _row(entry: dict[str, Any]) -> tuple[str | None, ...]:
    return (
        config_name(Path(entry["Config"]).name),
        entry["Metadata"]["Backbone"],
        *shown_costs(entry),
        "; ".join(score for score, _ in published(entry)) or None,
    )
