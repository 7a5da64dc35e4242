"""A diagnosis as Markdown, JSON and HTML."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ghostnet_runtime.atomic_writing import write_text

from ..measuring.latency import torch_threads
from ..measuring.machine import describe_machine
from ..reporting.pages import Section, markdown_page, render_page
from ..reporting.tables import Table
from .diagnosis import Diagnosis
from .profile_tables import Share, total_milliseconds
from .timed_proposals import TimedProposal

JSON_FORMAT = "ghostnet_mm.doctor/2"
SHARE_COLUMNS = (
    *("ms", "share", "MACs (M)", "moved (MB)", "GMAC/s", "GB/s", "of ceiling"),
)
TRIAL_COLUMNS = (
    *("change", "timed", "weights", "before (ms)", "after (ms)", "times as fast"),
    "faster",
)


def sections_of(diagnosis: Diagnosis) -> Iterator[Section]:
    """Yield what a reader is told, in order."""
    with torch_threads(diagnosis.threads):
        machine = describe_machine()
    height, width = diagnosis.size
    ceilings = diagnosis.ceilings
    yield Section(
        f"{diagnosis.name}, input of up to {height} x {width}",
        (
            f"{machine}. Medians of {diagnosis.rounds} rounds, one picture at a time.",
            f"What this machine can do with these threads: "
            f"{ceilings.gmacs_per_second:.1f} GMAC/s (float32 matrix product), "
            f"{ceilings.gbytes_per_second:.1f} GB/s (memory copy). Maps that fit in a "
            f"cache can be moved faster: more than 100 % is possible.",
        ),
    )
    for profile in diagnosis.profiles:
        title = f"{profile.runtime}: {profile.milliseconds:.2f} ms"
        for what, rows in (("part", profile.parts), ("operator", profile.kinds)):
            if rows:
                columns = (what, *SHARE_COLUMNS)
                table = Table.of(columns, _share_rows(rows, diagnosis))
                yield Section(f"{title}, by {what}", (profile.note,), table)
    if diagnosis.trials:
        yield _trials_section(diagnosis.trials)
        yield _advice_section(diagnosis.trials)
    if diagnosis.notes:
        yield Section("Not measured", items=diagnosis.notes)


def _share_rows(
    rows: Sequence[Share], diagnosis: Diagnosis
) -> Iterator[tuple[str | None, ...]]:
    total = total_milliseconds(rows)
    for row in rows:
        counted = bool(row.macs or row.bytes_moved) and row.milliseconds > 0
        yield (
            row.name,
            f"{row.milliseconds:.2f}",
            f"{row.milliseconds / total if total else 0:.1%}",
            f"{row.macs / 1e6:.1f}" if row.macs else None,
            f"{row.bytes_moved / 1e6:.1f}" if row.bytes_moved else None,
            f"{row.gmacs_per_second:.1f}" if counted and row.macs else None,
            f"{row.gbytes_per_second:.1f}" if counted else None,
            f"{row.of_ceiling(diagnosis.ceilings):.0%}" if counted else None,
        )


def _trials_section(trials: Sequence[TimedProposal]) -> Section:
    rows = [
        (
            trial.proposal.name,
            trial.proposal.scope,
            trial.proposal.weights,
            f"{trial.original:.2f}",
            f"{trial.milliseconds:.2f}",
            trial.gain,
            "yes" if trial.is_faster else "no",
        )
        for trial in trials
    ]
    return Section(
        "Changes, measured",
        (
            "Each was timed in turns with the detector as it is, every one in a "
            "process of its own. Times as fast: the median of the rounds, with "
            "quartiles; faster means by 2 % or more, and in three of four rounds.",
        ),
        Table.of(TRIAL_COLUMNS, rows, text_columns=3),
    )


def _advice_section(trials: Sequence[TimedProposal]) -> Section:
    faster = [trial for trial in trials if trial.is_faster]
    faster.sort(key=lambda trial: -trial.gain.median)
    return Section(
        "Recommended",
        () if faster else ("Nothing that was tried is measurably faster.",),
        items=tuple(
            f"{trial.proposal.name}: {trial.gain} times as fast "
            f"({trial.proposal.scope}). Weights: {trial.proposal.weights}. mAP: "
            f"{trial.proposal.accuracy}. `{trial.proposal.how}`"
            for trial in faster
        ),
    )


def markdown(diagnosis: Diagnosis) -> str:
    """Return the report in Markdown."""
    return markdown_page(list(sections_of(diagnosis)))


def as_dict(diagnosis: Diagnosis) -> dict[str, Any]:
    """Return everything that was measured, for JSON."""
    content = {"format": JSON_FORMAT, **asdict(diagnosis)}
    for entry, trial in zip(content["trials"], diagnosis.trials, strict=True):
        entry.update(is_faster=trial.is_faster, how=trial.proposal.how)
    return content


def write_json(diagnosis: Diagnosis, path: str | Path) -> None:
    """Write everything that was measured."""
    write_text(path, json.dumps(as_dict(diagnosis), indent=1) + "\n")


def write_page(diagnosis: Diagnosis, path: str | Path) -> None:
    """Write the report as a page of HTML that needs nothing else."""
    page = render_page(f"Doctor: {diagnosis.name}", list(sections_of(diagnosis)))
    write_text(path, page)
