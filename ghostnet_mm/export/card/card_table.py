"""Many deploy cards in two tables: how close the files are, and how fast."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from ...errors import DataError
from .deploy_card import CARD_FORMAT, MAIN_METRICS

Card = Mapping[str, Any]
ABSENT = "-"


def read_cards(paths: Iterable[str | Path]) -> list[Card]:
    """Read deploy cards.

    Args:
        paths: JSON files of tools/export.py, or folders with one anywhere below.

    Raises:
        DataError: A file or folder is missing or has no card.
    """
    cards = []
    for path in map(Path, paths):
        files = sorted(path.rglob("deploy_card.json")) if path.is_dir() else [path]
        if not files:
            raise DataError(
                f"{path} has no deploy_card.json; run tools/export.py first."
            )
        cards += [_read(file) for file in files]
    return cards


def _read(path: Path) -> Card:
    try:
        card = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise DataError(f"{path} does not exist; check the path.") from error
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}.") from error
    except ValueError as error:
        raise DataError(
            f"{path} is not valid JSON; export the detector anew."
        ) from error
    if not isinstance(card, dict) or card.get("format") != CARD_FORMAT:
        raise DataError(
            f"{path} is no deploy card; pass one that tools/export.py wrote."
        )
    return card


def accuracy_table(cards: Sequence[Card]) -> Iterator[str]:
    """Yield a Markdown table of scores and largest box differences.

    A cell is mAP and, in brackets, the largest difference of a detected box in pixels
    from mmdet's. Formats that broke a tolerance are bold, ``-`` was not exported.
    """
    names = _formats(cards)
    yield from _head(
        ("detector", "input", "params (M)", "PyTorch", "padded", *names), 2
    )
    for card in cards:
        by_name = {one["name"]: one for one in card["formats"]}
        yield _row(
            card["model"]["name"],
            card["model"]["input"],
            f"{card['model']['parameters'] / 1e6:.2f}",
            _score(card["pytorch"]),
            _score(card["pytorch_padded"]),
            *(_closeness(by_name.get(name)) for name in names),
        )


def latency_table(cards: Sequence[Card]) -> Iterator[str]:
    """Yield a Markdown table of milliseconds from picture to boxes.

    A cell is the median and, in brackets, how many times as fast as mmdet's eager
    inference it is.
    """
    names = _formats(cards)
    yield from _head(("detector", "input", "PyTorch", *names), 2)
    for card in cards:
        by_name = {one["name"]: one for one in card["formats"]}
        eager = card["pytorch_end_to_end"]
        yield _row(
            card["model"]["name"],
            card["model"]["input"],
            f"{eager['median']:.2f}" if eager else ABSENT,
            *(_speed(by_name.get(name), eager) for name in names),
        )


def _formats(cards: Sequence[Card]) -> list[str]:
    names = (one["name"] for card in cards for one in card["formats"])
    return list(dict.fromkeys(names))


def _head(columns: Sequence[str], words: int) -> Iterator[str]:
    yield _row(*columns)
    yield "|" + "---|" * words + "---:|" * (len(columns) - words)


def _row(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"


def _score(metrics: Mapping[str, float]) -> str:
    found = [f"{metrics[name]:.3f}" for name in MAIN_METRICS if name in metrics]
    return " / ".join(found) or ABSENT


def _closeness(one: Mapping[str, Any] | None) -> str:
    if one is None:
        return ABSENT
    text = f"{_score(one['metrics'])} ({one['detections']['box']['largest']:.1g})"
    return f"**{text}**" if one["failures"] else text


def _speed(one: Mapping[str, Any] | None, eager: Mapping[str, Any] | None) -> str:
    latency = (one or {}).get("end_to_end")
    if latency is None:
        return ABSENT
    text = f"{latency['median']:.2f}"
    if eager is not None:
        text += f" ({eager['median'] / latency['median']:.1f}x)"
    return text
