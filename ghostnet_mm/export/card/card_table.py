"""Many deploy cards in two tables: how close the files are, and how fast."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from ...errors import DataError
from ...reporting.tables import NOT_MEASURED, Table
from .card_page import shown_scores
from .deploy_card import DeployCard, ExportedFormat, Latency


def read_cards(paths: Iterable[str | Path]) -> list[DeployCard]:
    """Read deploy cards.

    Args:
        paths: JSON files of ghostnet export, or folders with one anywhere below.

    Raises:
        DataError: A file or folder is missing or has no card.
    """
    cards: list[DeployCard] = []
    for path in map(Path, paths):
        files = sorted(path.rglob("deploy_card.json")) if path.is_dir() else [path]
        if not files:
            raise DataError(
                f"{path} has no deploy_card.json; run ghostnet export first."
            )
        cards += map(DeployCard.read, files)
    return cards


def accuracy_table(cards: Sequence[DeployCard]) -> Table:
    """Return a table of scores and largest box differences.

    A cell is mAP and, in brackets, the largest difference of a detected box in pixels
    from mmdet's. Formats that broke a tolerance are bold, ``-`` was not exported.
    """
    names = _format_names(cards)
    rows = [
        (
            card.model.name,
            card.model.input,
            f"{card.model.parameters / 1e6:.2f}",
            shown_scores(card.pytorch),
            shown_scores(card.pytorch_padded),
            *map(_closeness, _formats(card, names)),
        )
        for card in cards
    ]
    columns = ("detector", "input", "params (M)", "PyTorch", "padded", *names)
    return Table.of(columns, rows, text_columns=2)


def latency_table(cards: Sequence[DeployCard]) -> Table:
    """Return a table of milliseconds from picture to boxes.

    A cell is the median and, in brackets, how many times as fast as mmdet's eager
    inference it is.
    """
    names = _format_names(cards)
    rows = []
    for card in cards:
        eager = card.pytorch_end_to_end
        speeds = [_speed(exported, eager) for exported in _formats(card, names)]
        median = None if eager is None else f"{eager.median:.2f}"
        rows.append((card.model.name, card.model.input, median, *speeds))
    return Table.of(("detector", "input", "PyTorch", *names), rows, text_columns=2)


def _format_names(cards: Sequence[DeployCard]) -> list[str]:
    names = (exported.name for card in cards for exported in card.formats)
    return list(dict.fromkeys(names))


def _formats(card: DeployCard, names: Sequence[str]) -> list[ExportedFormat | None]:
    by_name = {exported.name: exported for exported in card.formats}
    return [by_name.get(name) for name in names]


def _closeness(exported: ExportedFormat | None) -> str | None:
    if exported is None:
        return None
    score = shown_scores(exported.metrics) or NOT_MEASURED
    text = f"{score} ({exported.detections.box.largest:.1g})"
    return f"**{text}**" if exported.failures else text


def _speed(exported: ExportedFormat | None, eager: Latency | None) -> str | None:
    if exported is None or exported.end_to_end is None:
        return None
    median = exported.end_to_end.median
    return f"{median:.2f}" + (f" ({eager.median / median:.1f}x)" if eager else "")
