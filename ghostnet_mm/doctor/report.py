"""A diagnosis as Markdown, JSON and HTML."""

import html
import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ..measuring.latency import torch_threads
from ..measuring.machine import describe_machine
from .diagnosis import Diagnosis
from .profile_tables import Share, fractions
from .trials import Trial

JSON_FORMAT = "ghostnet_mm.doctor/1"
SHARE_COLUMNS = (
    "ms",
    "share",
    "MACs (M)",
    "moved (MB)",
    "GMAC/s",
    "GB/s",
    "of ceiling",
)
STYLE = (
    "body{font:15px/1.5 sans-serif;max-width:70em;margin:2em auto;padding:0 1em}"
    "table{border-collapse:collapse;margin:1em 0}"
    "th,td{padding:.2em .7em;border-bottom:1px solid #ccc;text-align:right}"
    "th:first-child,td:first-child{text-align:left}"
)


@dataclass(frozen=True)
class Section:
    """A heading with text and a table.

    Attributes:
        title: The heading.
        text: Sentences above the table.
        columns: Heads of the table; empty without one.
        rows: Its cells.
    """

    title: str
    text: tuple[str, ...] = ()
    columns: tuple[str, ...] = ()
    rows: tuple[tuple[str, ...], ...] = ()


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
                yield Section(
                    f"{title}, by {what}",
                    (profile.note,),
                    (what, *SHARE_COLUMNS),
                    tuple(_share_rows(rows, diagnosis)),
                )
    if diagnosis.trials:
        yield _trials_section(diagnosis.trials)
        yield _advice_section(diagnosis.trials)
        yield from _other_copies(diagnosis.trials)
    if diagnosis.notes:
        yield Section("Not measured", tuple(f"- {one}" for one in diagnosis.notes))


def _share_rows(
    rows: Sequence[Share], diagnosis: Diagnosis
) -> Iterator[tuple[str, ...]]:
    fraction = fractions(rows)
    for one in rows:
        counted = bool(one.macs or one.bytes_moved) and one.milliseconds > 0
        yield (
            one.name,
            f"{one.milliseconds:.2f}",
            f"{fraction[one.name]:.1%}",
            f"{one.macs / 1e6:.1f}" if one.macs else "-",
            f"{one.bytes_moved / 1e6:.1f}" if one.bytes_moved else "-",
            f"{one.gmacs_per_second:.1f}" if counted and one.macs else "-",
            f"{one.gbytes_per_second:.1f}" if counted else "-",
            f"{one.of_ceiling(diagnosis.ceilings):.0%}" if counted else "-",
        )


def _trials_section(trials: Sequence[Trial]) -> Section:
    rows = tuple(
        (
            one.proposal.name,
            one.proposal.scope,
            f"{one.original:.2f}",
            f"{one.milliseconds:.2f}",
            f"{one.ratio:.2f}x ({one.low:.2f} to {one.high:.2f})",
            one.proposal.weights,
            "yes" if one.is_faster else "no",
        )
        for one in trials
    )
    columns = ("change", "timed", "before (ms)", "after (ms)", "times as fast")
    return Section(
        "Changes, measured",
        (
            "Each was timed in turns with the detector as it is, in one process. "
            "Ratios are medians of the rounds, with quartiles; faster means by 2 % or "
            "more, and in three of four rounds.",
        ),
        (*columns, "weights", "faster"),
        rows,
    )


def _advice_section(trials: Sequence[Trial]) -> Section:
    faster = sorted(
        (one for one in trials if one.is_faster), key=lambda one: -one.ratio
    )
    advice = tuple(_in_words(one) for one in faster)
    return Section(
        "Recommended", advice or ("Nothing that was tried is measurably faster.",)
    )


def _other_copies(trials: Sequence[Trial]) -> Iterator[Section]:
    """Yield what changed files that were not faster do all the same."""
    slower = tuple(
        _in_words(one)
        for one in trials
        if one.proposal.instructions and not one.is_faster
    )
    if slower:
        yield Section("Changed copies that were not faster", slower)


def _in_words(trial: Trial) -> str:
    proposal = trial.proposal
    how = proposal.how if proposal.instructions else f"`{proposal.how}`"
    return (
        f"- {proposal.name}: {trial.ratio:.2f} times as fast ({trial.low:.2f} to "
        f"{trial.high:.2f}, {proposal.scope}). Weights: {proposal.weights}. mAP: "
        f"{proposal.accuracy}. {how}"
    )


def markdown(diagnosis: Diagnosis) -> str:
    """Return the report in Markdown."""
    lines = []
    for section in sections_of(diagnosis):
        lines += [f"## {section.title}", "", *section.text, ""]
        if section.columns:
            lines.append(f"| {' | '.join(section.columns)} |")
            lines.append(f"|---|{'---:|' * (len(section.columns) - 1)}")
            lines += [f"| {' | '.join(row)} |" for row in section.rows]
            lines.append("")
    return "\n".join(lines)


def page(diagnosis: Diagnosis) -> str:
    """Return the report as a page of HTML that needs nothing else."""
    title = html.escape(diagnosis.name)
    parts = [
        f"<!doctype html><meta charset='utf-8'><title>{title}</title>"
        f"<style>{STYLE}</style>"
    ]
    for section in sections_of(diagnosis):
        parts.append(f"<h2>{html.escape(section.title)}</h2>")
        parts += [f"<p>{html.escape(one)}</p>" for one in section.text]
        if section.columns:
            rows = [("th", section.columns), *(("td", row) for row in section.rows)]
            cells = (
                "".join(f"<{tag}>{html.escape(one)}</{tag}>" for one in row)
                for tag, row in rows
            )
            parts.append(
                f"<table>{''.join(f'<tr>{one}</tr>' for one in cells)}</table>"
            )
    return "\n".join(parts) + "\n"


def as_dict(diagnosis: Diagnosis) -> dict[str, Any]:
    """Return everything that was measured, for JSON."""
    content = {"format": JSON_FORMAT, **asdict(diagnosis)}
    for one, trial in zip(content["trials"], diagnosis.trials, strict=True):
        one.update(is_faster=trial.is_faster, how=trial.proposal.how)
    return content


def write_json(diagnosis: Diagnosis, path: str | Path) -> None:
    """Write everything that was measured."""
    text = json.dumps(as_dict(diagnosis), indent=1)
    Path(path).write_text(text + "\n", encoding="utf-8")


def write_page(diagnosis: Diagnosis, path: str | Path) -> None:
    """Write the page."""
    Path(path).write_text(page(diagnosis), encoding="utf-8")
