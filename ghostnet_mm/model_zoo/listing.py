"""The configs on a terminal: what each costs, and what was published of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ..reporting.tables import Table
from ..shipped_configs import config_name
from .metafile import Metafile

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
    facts = entry["Metadata"]
    height, width = facts["Input Size"]
    published = [
        f"{value} {metric}"
        for result in entry.get("Results") or ()
        for metric, value in result["Metrics"].items()
    ]
    return (
        config_name(Path(entry["Config"]).name),
        facts["Backbone"],
        f"{height} x {width}",
        _in_units(facts.get("Parameters"), 1e6, 2),
        _in_units(facts.get("MACs"), 1e9, 3),
        _in_units(facts.get("CPU Latency (ms)"), 1, 1),
        "; ".join(published) or None,
    )


def _in_units(value: float | None, unit: float, digits: int) -> str | None:
    return None if value is None else f"{value / unit:.{digits}f}"
