"""The configs on a terminal: what each costs, and what was published of it."""

from __future__ import annotations

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


def list_configs(metafile: Metafile, words: str = "") -> dict[str, Table]:
    """Return a table for each task.

    Args:
        metafile: The entries.
        words: Only configs whose name has this in it.
    """
    tables = {}
    for task in dict.fromkeys(entry["In Collection"] for entry in metafile.models):
        rows = [
            _row(entry)
            for entry in metafile.models
            if entry["In Collection"] == task and words in entry["Config"]
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
