"""The report of a run, section by section."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from mmengine.config import Config

from ...datasets.annotations.findings import printable
from ...evaluation.coco_engines import Judged
from ...evaluation.coco_errors import CocoErrors, errors_of, kinds_table
from ...evaluation.coco_table import scores_table, shown_score
from ...evaluation.score_thresholds import (
    ThresholdCurve,
    picture_outcomes,
    threshold_curve,
    verdicts_of,
)
from ...reporting.pages import Line, Section
from ...reporting.pictures import picture_address
from ...reporting.tables import Table
from . import charts
from .advice import NOTHING, next_steps
from .facts import data_facts, known_data, run_facts
from .samples import QUALITY, SIDE, outcome_pictures

SHOWN_PICTURES = 6
MOST_CLASSES = 400
SCORE = "bbox_mAP"


@dataclass(frozen=True)
class Recorded:
    """What a run has left behind for its report.

    Attributes:
        cfg: Its config.
        splits: Which it has read.
        seconds: How long it took.
        rows: Its curves, a row per epoch; none of a test.
        scores: The best epoch's, by mmdet's names.
        class_scores: AP by class of the last evaluation.
        judged: What was found beside the truth, by ``bbox`` and ``segm``.
        paths: The evaluated pictures' files by id.
        batch: Training pictures as the network saw them, (H, W, 3) uint8 BGR.
        checkpoint: The best one, or the one that was tested.
    """

    cfg: Config
    splits: tuple[str, ...]
    seconds: float
    rows: Sequence[Mapping[str, float]] = ()
    scores: Mapping[str, float] = field(default_factory=dict)
    class_scores: Mapping[str, float] = field(default_factory=dict)
    judged: Mapping[str, Judged] = field(default_factory=dict)
    paths: Mapping[int, str] = field(default_factory=dict)
    batch: Sequence[np.ndarray] = ()
    checkpoint: str = ""


def report_sections(run: Recorded) -> list[Section]:
    """Return the sections of the page, what matters most first."""
    data = known_data(run.cfg, run.splits)
    judged = next(iter(run.judged.values()), None)
    curve, errors = None, None
    outcomes: list[Any] = []
    if judged is not None:
        verdicts = verdicts_of(judged)
        curve = threshold_curve(verdicts)
        threshold = 0.3 if curve is None else float(curve.thresholds[curve.best])
        errors = errors_of(judged, threshold)
        outcomes = [
            item
            for item in picture_outcomes(verdicts, threshold)
            if item.right + item.wrong + item.missed
        ]
    return [
        *_summary(run, curve, errors, data),
        *_curve_charts(run),
        *_thresholds(curve),
        *_errors(errors),
        *_pictures(run, judged, outcomes, curve),
        *_batch(run),
        *_classes(run, data),
        *_data(data),
        *_making(run),
    ]


def _summary(
    run: Recorded,
    curve: ThresholdCurve | None,
    errors: CocoErrors | None,
    data: Mapping[str, Any],
) -> Iterator[Section]:
    counts = data.get("splits", {}).get("train", {}).get("by_class", {})
    names = [name for row in run.rows for name in row]
    score = next((name for name in names if name.endswith(SCORE)), None)
    steps = next_steps(run.rows, score, errors, run.class_scores, counts, run.scores)
    lines: list[str | Line] = [_verdict(run.scores)]
    if curve is not None:
        best = curve.best
        lines.append(
            f"Show detections from a score of {curve.thresholds[best]:.2f} on "
            f"(--score-threshold): there precision is {curve.precision[best]:.2f}, "
            f"recall {curve.recall[best]:.2f} and F1 highest, {curve.f1[best]:.2f}, on "
            f"these pictures."
        )
    if run.rows and run.rows[0]["epoch"] > 1:
        lines.append(
            f"The run was resumed: curves and pictures are from epoch "
            f"{run.rows[0]['epoch']:g} on."
        )
    if run.checkpoint:
        lines.append(f"Checkpoint: {run.checkpoint}")
    yield Section("", tuple(lines), scores_table(run.scores))
    if steps:
        yield Section("What to try next", items=tuple(steps))


def _verdict(scores: Mapping[str, float]) -> Line:
    found = {name: value for name, value in scores.items() if name.endswith("mAP_50")}
    if not scores:
        return Line("There are no scores: nothing was found on any picture.", "bad")
    if not found:
        text = ", ".join(f"{name} {value:.3f}" for name, value in scores.items())
        return Line(text)
    name, half = next(iter(found.items()))
    whole = scores.get(name.removesuffix("_50"), float("nan"))
    if half < NOTHING:
        return Line(f"It has learned next to nothing: AP50 is {half:.3f}.", "bad")
    return Line(f"AP {whole:.3f}, AP50 {half:.3f}.", "good")


def _curve_charts(run: Recorded) -> Iterator[Section]:
    if not run.rows:
        return
    drawn = [
        ("losses; dashed: validation pictures", charts.loss_chart(run.rows)),
        ("scores on the validation pictures", charts.score_chart(run.rows)),
        ("parts of the loss", charts.parts_chart(run.rows)),
        ("learning rate", charts.rate_chart(run.rows)),
    ]
    shown = tuple((text, address) for text, address in drawn if address is not None)
    yield Section("The run", pictures=shown)


def _thresholds(curve: ThresholdCurve | None) -> Iterator[Section]:
    if curve is None:
        return
    drawn = (
        ("all classes together, IoU 0.5", charts.f1_chart(curve)),
        ("all classes together, IoU 0.5", charts.precision_recall_chart(curve)),
    )
    yield Section("Which score to cut at", pictures=drawn)


def _errors(errors: CocoErrors | None) -> Iterator[Section]:
    if errors is None:
        return
    yield Section(
        "Errors by kind",
        ("TIDE's kinds at an IoU of 0.5, with the AP50 that each costs.",),
        kinds_table(errors),
    )
    calibration = (
        f"scores are off by {errors.calibration_error:.2f} on average (expected "
        f"calibration error)",
        charts.calibration_chart(errors),
    )
    matrix = charts.confusion_chart(errors)
    drawn = [calibration]
    lines: tuple[str, ...] = ()
    if matrix is not None:
        text = f"which class is found as which, scores from {errors.least_score:.2f}"
        drawn.insert(0, (text, matrix))
    else:
        lines = tuple(
            f"{printable(true, 40)} found as {printable(found, 40)}: {count:,} times"
            for true, found, count in errors.mistaken()
        )
    yield Section("Classes and scores", lines, pictures=tuple(drawn))


def _pictures(
    run: Recorded,
    judged: Judged | None,
    outcomes: Sequence[Any],
    curve: ThresholdCurve | None,
) -> Iterator[Section]:
    if judged is None or curve is None:
        return
    threshold = float(curve.thresholds[curve.best])
    worst = outcomes[:SHOWN_PICTURES]
    best = [item for item in outcomes[::-1] if item not in worst][:SHOWN_PICTURES]
    for title, chosen in (("Worst pictures", worst), ("Best pictures", best)):
        drawn = tuple(
            outcome_pictures(chosen, judged, run.paths, judged.class_names, threshold)
        )
        if drawn:
            text = f"Left: found with a score from {threshold:.2f}; right: the truth."
            yield Section(title, (text,), pictures=drawn)


def _batch(run: Recorded) -> Iterator[Section]:
    if len(run.batch):
        drawn = tuple(
            (f"training picture {number}", picture_address(pixels, SIDE, QUALITY))
            for number, pixels in enumerate(run.batch, 1)
        )
        text = "As the network sees them: augmented, with their boxes."
        yield Section("Training pictures", (text,), pictures=drawn, are_small=True)


def _classes(run: Recorded, data: Mapping[str, Any]) -> Iterator[Section]:
    names = data.get("classes") or list(run.class_scores)
    if not names:
        return
    splits = data.get("splits", {})
    counts = [split.get("by_class", {}) for split in splits.values()]
    rows = []
    for name in names[:MOST_CLASSES]:
        shown = shown_score(run.class_scores.get(name))
        rows.append([printable(name, 60), *(c.get(name) for c in counts), shown])
    head = ["class", *(f"objects in {split}" for split in splits), "AP"]
    yield Section("Classes", table=Table.of(head, rows))


def _data(data: Mapping[str, Any]) -> Iterator[Section]:
    told, splits = data_facts(data)
    if not splits:
        return
    if not told:
        told = ["Nothing was repaired or left out."]
    yield Section("The data", items=tuple(told), facts=splits)


def _making(run: Recorded) -> Iterator[Section]:
    facts = run_facts(run.cfg, run.seconds)
    config = ("the config, in full", run.cfg.pretty_text)
    yield Section("How it was made", facts=facts, folded=config)
