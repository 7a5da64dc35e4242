"""The page of a check: tables, and pictures to look at, grouped by what was found."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ...reporting.pages import Line, Section, render_page
from ..annotations.data_set import DataSet
from ..annotations.findings import printable
from ..annotations.kinds import KINDS
from .data_check import DataCheck, Found
from .kinds import CHECK_KINDS, WARNING
from .suspects import Suspect, Suspects
from .tables import classes_table, fit_table, splits_table
from .thumbnails import Thumbnails

MOST_ROWS = 400
SHOWN_PER_KIND = 12
SAMPLES = 12
# Of all pictures of a page together, as they stand in it.
MOST_BYTES = 4_000_000


def check_page(check: DataCheck, data: DataSet, suspects: Suspects) -> str:
    """Return the page as HTML that needs no other file.

    Args:
        check: What was found.
        data: The data set.
        suspects: What to show of it.
    """
    thumbnails = Thumbnails(data, suspects, MOST_BYTES)
    sections = [
        Section(
            "",
            (verdict(check),),
            items=tuple(printable(line) for line in check.lines),
            facts={"data": ", ".join(_roots(check))},
        ),
        Section("Splits", table=splits_table(check)),
        *_findings(check, suspects, thumbnails),
        Section(
            "Classes",
            (
                "Small and large are COCO's: under 32 x 32 and from 96 x 96 pixels of "
                "area. Side: the median of the square root of the area, in pixels and "
                "in percent of the picture's.",
            ),
            classes_table(check, MOST_ROWS),
        ),
        *_fit_sections(check),
        *_samples(data, thumbnails),
    ]
    if thumbnails.is_full:
        text = f"Pictures are left out beyond {MOST_BYTES / 1e6:g} MB of them."
        sections.insert(1, Section("", (text,)))
    return render_page("Data check", sections)


def verdict(check: DataCheck) -> Line:
    """Return the sentence on top."""
    if not check.warnings:
        return Line("Nothing here needs mending.", "good")
    kinds = f"{check.warnings} kind{'s' * (check.warnings > 1)} of finding"
    return Line(f"Look at {kinds} before training.", "bad")


def fit_words(check: DataCheck) -> tuple[str, ...]:
    """Return what a table of the fit to a config is about."""
    fit = check.fit
    if fit is None:
        return ()
    scales = "; ".join(f"{phase}: {scale}" for phase, scale in fit.scales.items())
    lines = [
        f"Pictures are resized to {scales} (random zooms aside); a cell of the finest "
        f"map is {fit.stride} x {fit.stride} pixels of that."
    ]
    if fit.anchor_overlap is not None:
        lines.append(
            f"No anchor: none overlaps the box by {fit.anchor_overlap:g} (intersection "
            f"over union), even centred on it."
        )
    return tuple(lines)


def _roots(check: DataCheck) -> list[str]:
    return [printable(root) for root in check.roots]


def _fit_sections(check: DataCheck) -> Iterator[Section]:
    if check.fit is not None:
        yield Section(
            f"Against {printable(check.fit.config)}",
            fit_words(check),
            fit_table(check, check.fit, MOST_ROWS),
        )


def _findings(
    check: DataCheck, suspects: Suspects, thumbnails: Thumbnails
) -> Iterator[Section]:
    by_kind: dict[str, list[Found]] = {}
    for found in check.findings:
        by_kind.setdefault(found.kind, []).append(found)
    for kind, places in by_kind.items():
        total = sum(found.count for found in places)
        words = {**KINDS, **CHECK_KINDS}[kind]
        text = words.one if total == 1 else words.many
        shown = suspects.shown.get(kind, [])[:SHOWN_PER_KIND]
        drawn = tuple(filter(None, map(thumbnails.draw, shown)))
        action = places[0].action
        yield Section(
            f"{total:,} {text}",
            (Line(action, "bad" if action == WARNING else ""),),
            items=tuple(_named(found) for found in places),
            pictures=drawn,
            are_small=True,
        )


def _named(found: Found) -> str:
    more = ", ..." if found.count > len(found.first) else ""
    names = f": {', '.join(found.first)}{more}" if found.first else ""
    return f"{found.place or 'data'}, {found.count:,}{names}"


def _samples(data: DataSet, thumbnails: Thumbnails) -> Iterator[Section]:
    for name, split in data.splits.items():
        count = min(SAMPLES, len(split.pictures))
        chosen = np.linspace(0, len(split.pictures) - 1, count).round().astype(int)
        drawn = [thumbnails.draw(Suspect(name, index)) for index in chosen.tolist()]
        if any(drawn):
            yield Section(
                f"Some pictures of {name}",
                pictures=tuple(filter(None, drawn)),
                are_small=True,
            )
