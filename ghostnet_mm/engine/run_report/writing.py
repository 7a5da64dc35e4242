"""Writes the report of a run."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path

from ghostnet_runtime.atomic_writing import write_text

from ...reporting.pages import render_page
from .sections import Recorded, report_sections

FOLDER = "report"
PAGE = "report.html"
RESULTS = "results.csv"


def write_report(run: Recorded, title: str) -> Path:
    """Write ``report/report.html``, and ``results.csv`` where there are curves.

    Args:
        run: What was recorded.
        title: Of the page.

    Returns:
        The page.

    Raises:
        OSError: The folder takes no files.
    """
    folder = Path(run.cfg.work_dir) / FOLDER
    if run.rows:
        write_text(folder / RESULTS, rows_as_csv(run.rows))
    page = folder / PAGE
    write_text(page, render_page(title, report_sections(run)))
    return page


def rows_as_csv(rows: Sequence[Mapping[str, float]]) -> str:
    """Return curves as CSV; what a row lacks stays empty."""
    columns = list(dict.fromkeys(name for row in rows for name in row))
    text = io.StringIO()
    table = csv.DictWriter(text, columns, lineterminator="\n")
    table.writeheader()
    table.writerows(rows)
    return text.getvalue()
