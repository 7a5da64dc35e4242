"""The deploy card as a page to read, and as a table for the terminal."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict

from ...reporting.pages import Line, Section, render_page
from ...reporting.pictures import Bar, bar_chart
from ...reporting.tables import Table
from .deploy_card import MAIN_METRICS, DeployCard, ExportedFormat, Latency

COLUMNS = (
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


def formats_table(card: DeployCard) -> Table:
    """Return a row per format, mmdet's own inference first."""
    return Table.of(COLUMNS, _rows(card), meanings={"yes": "good", "no": "bad"})


def _rows(card: DeployCard) -> Iterator[tuple[str | None, ...]]:
    eager = card.pytorch_network, card.pytorch_end_to_end
    unknown = (None, None, None)
    yield (
        *("PyTorch (mmdet)", None, shown_scores(card.pytorch), *unknown),
        *(*map(_milliseconds, eager), None),
    )
    if card.pytorch_padded:
        label, scores = f"PyTorch, padded to {card.model.input}", card.pytorch_padded
        yield (label, None, shown_scores(scores), *unknown, *unknown)
    for exported in card.formats:
        yield (
            exported.name,
            f"{exported.megabytes:.2f}",
            shown_scores(exported.metrics),
            f"{exported.detections.box.largest:.2g}",
            f"{exported.detections.score.largest:.2g}",
            str(exported.detections.unmatched),
            _milliseconds(exported.network),
            _milliseconds(exported.end_to_end),
            "no" if exported.failures else "yes",
        )


def card_page(card: DeployCard, photos: Sequence[Section] = ()) -> str:
    """Return the card as one HTML page that needs no other file.

    Args:
        card: The card.
        photos: What to show of what the formats found.
    """
    verdict = (
        Line("Some formats are not within tolerance.", "bad")
        if card.failures
        else Line("Every format is within tolerance.", "good")
    )
    sections = [
        Section("", (verdict,), items=tuple(card.failures)),
        Section(
            "Side by side", table=formats_table(card), pictures=tuple(_charts(card))
        ),
        *photos,
        # What differs comes first.
        *map(_details, sorted(card.formats, key=lambda each: not each.failures)),
        *_concat_free(card),
        Section(
            "How it was measured",
            (
                f"Differences: {card.pictures} real pictures; the raw outputs of a "
                f"format against PyTorch's, and its detections of score 0.05 and more "
                f"against mmdet's, which is fed as the file is. Scores: COCO's, "
                f"{card.scored_pictures} pictures, all with mmdet's CocoMetric. "
                f"Tolerances: {card.tolerances.box:g} px, {card.tolerances.score:g} of "
                f"a score, {card.tolerances.points:g} points of mAP; gaps of raw boxes "
                f"beyond the input's longer side count in proportion. Latency: one "
                f"picture at a time, formats in turns, after a warm-up.",
            ),
            facts={**asdict(card.model), **card.machine},
        ),
    ]
    return render_page(f"Deploy card: {card.model.name}", sections)


def shown_scores(metrics: Mapping[str, float]) -> str | None:
    """Return the main scores of a table's cell; ``None`` where there are none."""
    shown = [f"{metrics[name]:.3f}" for name in MAIN_METRICS if name in metrics]
    return " / ".join(shown) or None


def _charts(card: DeployCard) -> Iterator[tuple[str, str]]:
    """Yield captions and pictures of what was measured."""
    kinds = {each.name: "bad" if each.failures else "" for each in card.formats}
    whole = {"PyTorch": card.pytorch_end_to_end}
    whole |= {each.name: each.end_to_end for each in card.formats}
    network = {"PyTorch": card.pytorch_network}
    network |= {each.name: each.network for each in card.formats}
    bars = [
        Bar(name, latency.median, _median(network[name]), kinds.get(name, ""))
        for name, latency in whole.items()
        if latency is not None
    ]
    if bars:
        caption = "Milliseconds from picture to boxes; dark: the network alone."
        yield caption, bar_chart(bars, "ms", digits=1)
    metrics = {"PyTorch": card.pytorch, "PyTorch, padded": card.pytorch_padded}
    metrics |= {each.name: each.metrics for each in card.formats}
    for metric in MAIN_METRICS:
        bars = [
            Bar(name, scores[metric], kind=kinds.get(name, ""))
            for name, scores in metrics.items()
            if metric in scores
        ]
        if bars:
            caption = f"{metric} on {card.scored_pictures} pictures."
            yield caption, bar_chart(bars, metric, digits=3)


def _median(latency: Latency | None) -> float | None:
    return None if latency is None else latency.median


def _details(exported: ExportedFormat) -> Section:
    facts = {"file": exported.file}
    for name, gap in (exported.outputs or {}).items():
        facts[f"raw {name}"] = f"largest {gap.largest:.3g}, mean {gap.mean:.3g}"
    found = exported.detections
    facts["detections"] = (
        f"{found.pairs} pairs, {found.unmatched} unmatched; boxes "
        f"{found.box.largest:.3g} px (mean {found.box.mean:.3g}), scores "
        f"{found.score.largest:.3g} (mean {found.score.mean:.3g})"
    )
    if exported.divergence is not None:
        facts["first layer that differs"] = (
            f"{exported.divergence.layer}, by {exported.divergence.largest:.3g} of its "
            f"largest value"
        )
    failures = tuple(Line(f"{failure}.", "bad") for failure in exported.failures)
    return Section(exported.name, failures, facts=facts)


def _concat_free(card: DeployCard) -> Iterator[Section]:
    choice = card.concat_free
    if choice is not None:
        counts = f"{len(choice.rewritten)} of {len(choice.blocks)}"
        yield Section(
            "Blocks without concatenation",
            (f"{choice.rule} All files hold {counts} so.",),
            items=tuple(str(block) for block in choice.blocks if block.rewritten),
        )


def _milliseconds(latency: Latency | None) -> str | None:
    return None if latency is None else f"{latency.median:.2f} / {latency.p90:.2f}"
