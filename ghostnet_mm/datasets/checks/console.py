"""A check on the console."""

from __future__ import annotations

from ghostnet_runtime.status_line import plain_duration, tell

from .data_check import DataCheck
from .page import fit_words, verdict
from .tables import classes_table, fit_table, splits_table

MOST_ROWS = 30


def tell_check(check: DataCheck) -> None:
    """Print the tables and a line per kind of finding, warnings first."""
    tell(
        f"\n{splits_table(check).plain()}\n\n{classes_table(check, MOST_ROWS).plain()}"
    )
    if check.fit is not None:
        words = " ".join(fit_words(check))
        table = fit_table(check, check.fit, MOST_ROWS).plain()
        tell(f"\nagainst {check.fit.config}: {words}\n\n{table}")
    tell("")
    for line in check.lines:
        tell(line)
    count = sum(split.pictures for split in check.splits.values())
    took = plain_duration(check.seconds)
    tell(f"{verdict(check).text} ({count:,} pictures in {took})")
