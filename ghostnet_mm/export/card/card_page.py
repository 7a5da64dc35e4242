"""The deploy card as a page to read, and as a table for the terminal."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape

from ..concat_free_choice import ConcatFreeChoice
from .deploy_card import MAIN_METRICS, DeployCard, ExportedFormat, Latency

STYLE = """\
body{font:15px/1.5 system-ui,sans-serif;max-width:72rem;margin:2rem auto;padding:0 1rem}
table{border-collapse:collapse;margin:1rem 0}
th,td{border-bottom:1px solid #ccc;padding:.35rem .7rem;text-align:right}
th:first-child,td:first-child{text-align:left}
.bad{color:#b00020;font-weight:600}.good{color:#0a6b2d}dt{font-weight:600}
@media(prefers-color-scheme:dark){body{background:#16181c;color:#e6e6e6}
th,td{border-color:#444}.bad{color:#ff7b8a}.good{color:#6fd08c}}
"""
HEADERS = (
    "format",
    "MB",
    "mAP",
    "largest box difference (px)",
    "largest score difference",
    "unmatched",
    "network (ms, median / p90)",
    "picture to boxes (ms, median / p90)",
    "within tolerance",
)


def table_rows(card: DeployCard) -> Iterator[tuple[str, ...]]:
    """Yield the cells of the table, mmdet's own inference first."""
    yield (
        "PyTorch (mmdet)",
        "-",
        _points(card.pytorch),
        "-",
        "-",
        "-",
        _milliseconds(card.pytorch_network),
        _milliseconds(card.pytorch_end_to_end),
        "-",
    )
    if card.pytorch_padded:
        padded = f"PyTorch, padded to {card.model['input']}"
        yield (padded, "-", _points(card.pytorch_padded), *["-"] * 6)
    for one in card.formats:
        yield (
            one.name,
            f"{one.megabytes:.2f}",
            _points(one.metrics),
            f"{one.detections.box.largest:.2g}",
            f"{one.detections.score.largest:.2g}",
            str(one.detections.unmatched),
            _milliseconds(one.network),
            _milliseconds(one.end_to_end),
            "no" if one.failures else "yes",
        )


def markdown_table(card: DeployCard) -> str:
    """Return the table in Markdown."""
    lines = [HEADERS, ("---", *["---:"] * (len(HEADERS) - 1)), *table_rows(card)]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def card_page(card: DeployCard) -> str:
    """Return the card as one HTML page that needs no other file."""
    title = escape(f"Deploy card: {card.model['name']}")
    verdict = (
        '<p class="bad">Some formats are not within tolerance.</p>'
        if card.failures
        else '<p class="good">Every format is within tolerance.</p>'
    )
    sections = [
        f"<h1>{title}</h1>",
        verdict,
        _table(card),
        *(_details(one) for one in card.formats),
        _concat_free(card.concat_free),
        "<h2>How it was measured</h2>",
        _facts({**card.model, **card.machine}),
        f"<p>Differences: {card.pictures} real pictures; the raw outputs of a format "
        f"against PyTorch's, and its detections of score 0.05 and more against "
        f"mmdet's, which is fed as the file is. Scores: COCO's, "
        f"{card.scored_pictures} pictures, all with mmdet's CocoMetric. Tolerances: "
        f"{card.tolerances.box:g} px, "
        f"{card.tolerances.score:g} of a score, {card.tolerances.points:g} points of "
        f"mAP; gaps of raw boxes beyond the input's longer side count in proportion. "
        f"Latency: one picture at a time, formats in turns, after a warm-up.</p>",
    ]
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        f'<meta name="viewport" content="width=device-width"><title>{title}</title>'
        f"<style>{STYLE}</style></head><body>{''.join(sections)}</body></html>\n"
    )


def _table(card: DeployCard) -> str:
    head = "".join(f"<th>{escape(one)}</th>" for one in HEADERS)
    rows = []
    for cells in table_rows(card):
        columns = "".join(f"<td>{escape(one)}</td>" for one in cells[:-1])
        kind = {"yes": "good", "no": "bad"}.get(cells[-1], "")
        rows.append(f'<tr>{columns}<td class="{kind}">{cells[-1]}</td></tr>')
    return f"<table><tr>{head}</tr>{''.join(rows)}</table>"


def _details(one: ExportedFormat) -> str:
    facts = {"file": one.file}
    for name, gap in (one.outputs or {}).items():
        facts[f"raw {name}"] = f"largest {gap.largest:.3g}, mean {gap.mean:.3g}"
    agreement = one.detections
    facts["detections"] = (
        f"{agreement.pairs} pairs, {agreement.unmatched} unmatched; boxes "
        f"{agreement.box.largest:.3g} px (mean {agreement.box.mean:.3g}), scores "
        f"{agreement.score.largest:.3g} (mean {agreement.score.mean:.3g})"
    )
    if one.divergence is not None:
        facts["first layer that differs"] = (
            f"{one.divergence.layer}, by {one.divergence.largest:.3g} of its largest "
            f"value"
        )
    failures = "".join(f'<p class="bad">{escape(text)}.</p>' for text in one.failures)
    return f"<h2>{escape(one.name)}</h2>{failures}{_facts(facts)}"


def _concat_free(choice: ConcatFreeChoice | None) -> str:
    if choice is None:
        return ""
    items = "".join(
        f"<li>{escape(str(one))}</li>" for one in choice.blocks if one.rewritten
    )
    return (
        f"<h2>Blocks without concatenation</h2><p>{escape(choice.rule)} All files hold "
        f"{len(choice.rewritten)} of {len(choice.blocks)} so.</p><ul>{items}</ul>"
    )


def _facts(facts: dict) -> str:
    items = "".join(
        f"<dt>{escape(str(key))}</dt><dd>{escape(str(value))}</dd>"
        for key, value in facts.items()
    )
    return f"<dl>{items}</dl>"


def _points(metrics: dict[str, float]) -> str:
    values = [f"{metrics[name]:.3f}" for name in MAIN_METRICS if name in metrics]
    return " / ".join(values) or "-"


def _milliseconds(latency: Latency | None) -> str:
    return "-" if latency is None else f"{latency.median:.2f} / {latency.p90:.2f}"
