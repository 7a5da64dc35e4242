"""Where the mAP of a candidate comes from: typed, a deploy card, or a comparison."""

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path

from ..errors import DataError, OptionError
from ..export.card.deploy_card import MAIN_METRICS, DeployCard
from .candidates import BenchmarkCandidate


def collect_scores(
    sources: Sequence[str], candidates: Sequence[BenchmarkCandidate]
) -> dict[str, list[float]]:
    """Find the scores of candidates.

    Args:
        sources: ``LABEL=0.29``, the JSON of a deploy card (found by file name), or
            the runs.csv of ghostnet compare (found by label; one score per seed).
        candidates: What was timed.

    Returns:
        The scores by label, 0 to 1; candidates without one are not in it.

    Raises:
        OptionError: A source is none of these, or names no candidate.
        DataError: A file cannot be read as what it should be.
    """
    scores: dict[str, list[float]] = {}
    for source in sources:
        found = _scores_in(source, candidates)
        if not found:
            raise OptionError(
                f"--map {source} has no score of a candidate; their labels are "
                f"{', '.join(candidate.label for candidate in candidates)}."
            )
        scores.update(found)
    return scores


def _scores_in(
    source: str, candidates: Sequence[BenchmarkCandidate]
) -> dict[str, list[float]]:
    labels = {candidate.label for candidate in candidates}
    path = Path(source)
    if path.suffix == ".csv" or path.suffix == ".json":
        if not path.is_file():
            raise DataError(f"The file {source} of --map does not exist.")
        read = _scores_of_runs if path.suffix == ".csv" else _scores_of_card
        return read(path, candidates)
    label, equals, number = source.rpartition("=")
    try:
        score = float(number)
    except ValueError:
        score = None
    if not equals or score is None or not 0 <= score <= 1:
        raise OptionError(
            f"--map {source} is not LABEL=SCORE with a score from 0 to 1, and no JSON "
            f"or CSV file either."
        )
    return {label: [score]} if label in labels else {}


def _scores_of_runs(
    path: Path, candidates: Sequence[BenchmarkCandidate]
) -> dict[str, list[float]]:
    labels = {candidate.label for candidate in candidates}
    scores: dict[str, list[float]] = {}
    try:
        reader = csv.DictReader(path.read_text(encoding="utf-8").splitlines())
        columns = reader.fieldnames or []
        rows = list(reader)
    except (UnicodeDecodeError, csv.Error) as error:
        raise DataError(
            f"{path} is not the runs.csv of ghostnet compare: it is no CSV in UTF-8."
        ) from error
    named = [
        column for name in MAIN_METRICS for column in columns if column.endswith(name)
    ]
    if "model" not in columns or not named:
        raise DataError(
            f"{path} is not the runs.csv of ghostnet compare: it needs the columns "
            f"model and coco/bbox_mAP."
        )
    measure = named[0]
    for row in rows:
        if row["model"] in labels:
            scores.setdefault(row["model"], []).append(_number(row[measure], path))
    return scores


def _number(cell: str | None, path: Path) -> float:
    # mmdet reports nothing for a detector that finds nothing.
    try:
        return float(cell or 0)
    except ValueError as error:
        raise DataError(
            f"{path} has the score {cell!r}, which is not a number; correct it, or "
            f"give LABEL=SCORE."
        ) from error


def _scores_of_card(
    path: Path, candidates: Sequence[BenchmarkCandidate]
) -> dict[str, list[float]]:
    card = DeployCard.read(path)
    by_file = {exported.file: _score(exported.metrics) for exported in card.formats}
    found = {each.label: by_file.get(Path(each.path).name) for each in candidates}
    return {label: [score] for label, score in found.items() if score is not None}


def _score(metrics: Mapping[str, float]) -> float | None:
    return next((metrics[name] for name in MAIN_METRICS if name in metrics), None)
