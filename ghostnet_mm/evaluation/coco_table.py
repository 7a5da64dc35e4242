"""COCO results as tables to read, overall and per class."""

from __future__ import annotations

import math
from collections.abc import Mapping, MutableMapping, Sequence
from typing import Any

from ..datasets.layouts.folder import evaluators_in, is_coco_metric, is_of_type
from ..reporting.tables import NOT_MEASURED, Table

METRIC_ITEMS = ("mAP", "mAP_50", "mAP_75", "mAP_s", "mAP_m", "mAP_l")
RECALL_ITEM = "AR@100"
COLUMNS = {
    "mAP": "AP",
    "mAP_50": "AP50",
    "mAP_75": "AP75",
    "mAP_s": "AP small",
    "mAP_m": "AP medium",
    "mAP_l": "AP large",
    RECALL_ITEM: "AR",
}
TASKS = {"bbox": "boxes", "segm": "masks"}
CLASS_SUFFIX = "_precision"
NOTHING_FOUND = "AP 0.000, for the detector found nothing on any image"


def ask_for_full_table(evaluator: Any) -> None:
    """Make the ``CocoMetric`` configs in ``evaluator`` compute what the table shows.

    Average recall and the AP of each class are off by default. An evaluator that
    chose its own ``metric_items`` keeps them.

    Args:
        evaluator: An evaluator config or a list of them; changed in place.
    """
    for metric in evaluators_in(evaluator):
        if not is_coco_metric(metric):
            continue
        tasks = metric.get("metric", "bbox")
        tasks = [tasks] if isinstance(tasks, str) else tasks
        if not set(tasks) <= set(TASKS):
            continue
        metric["classwise"] = True
        # The item's name is fixed in mmdet, the number of detections is not.
        counts_100 = metric.get("proposal_nums", [100])[0] == 100
        if metric.get("metric_items") is None and counts_100:
            metric["metric_items"] = [*METRIC_ITEMS, RECALL_ITEM]


def use_fast_metric(evaluator: Any, keep: bool = False) -> None:
    """Put our fast metric in the place of mmdet's ``CocoMetric``, see `FastCocoMetric`.

    Args:
        evaluator: An evaluator config or a list of them; changed in place.
        keep: Whether it shall keep what was found, for a look at the errors.
    """
    for metric in evaluators_in(evaluator):
        if is_of_type(metric, "CocoMetric"):
            metric["type"] = "mmdet.FastCocoMetric"
        if keep and is_of_type(metric, "FastCocoMetric"):
            metric["keep"] = True


def take_class_scores(
    metrics: MutableMapping[str, float], classes: Sequence[str]
) -> dict[str, float]:
    """Move the per-class AP out of mmdet's metrics.

    Eighty more scalars would drown the overall ones in logs and curves, and
    ``save_best='auto'`` takes whichever comes first.

    Args:
        metrics: What the evaluator returned; changed in place.
        classes: The class names.

    Returns:
        AP of each class that was evaluated, NaN where there was nothing to find.
    """
    scores = {}
    for name in classes:
        for key in [k for k in metrics if k.endswith(f"/{name}{CLASS_SUFFIX}")]:
            scores[name] = float(metrics.pop(key))
    return scores


def overall_table(metrics: Mapping[str, float]) -> str:
    """Return `scores_table` for the console; empty if there is none."""
    table = scores_table(metrics)
    return "" if table is None else table.plain()


def scores_table(metrics: Mapping[str, float]) -> Table | None:
    """Return the table of AP and AR, one row per task; ``None`` if there is none.

    Args:
        metrics: mmdet's metrics, such as ``{"coco/bbox_mAP": 0.31}``.
    """
    rows = []
    for task, title in TASKS.items():
        found = {}
        for key, value in metrics.items():
            item = key.rpartition("/")[2]
            if item.startswith(f"{task}_"):
                found[item.removeprefix(f"{task}_")] = value
        if found:
            rows.append([title, *(shown_score(found.get(item)) for item in COLUMNS)])
    return Table.of(["COCO", *COLUMNS.values()], rows) if rows else None


def class_table(scores: Mapping[str, float]) -> str:
    """Return the AP of each class, best first, classes without objects last."""
    if not scores:
        return ""
    ordered = sorted(
        scores.items(), key=lambda named: (math.isnan(named[1]), -named[1])
    )
    cells = [[name, shown_score(score)] for name, score in ordered]
    # Three columns of classes, read downwards, keep 80 classes on one screen.
    columns = 3 if len(cells) > 12 else 1
    height = math.ceil(len(cells) / columns)
    rows = []
    for index in range(height):
        picked = cells[index::height]
        rows.append([text for cell in picked for text in cell])
    width = 2 * columns
    rows = [row + [""] * (width - len(row)) for row in rows]
    names = range(0, width, 2)
    return Table.of(["class", "AP"] * columns, rows, text_columns=names).plain()


def summary(metrics: Mapping[str, float]) -> str:
    """Return the results on one line, for the console after each validation.

    mmdet gives no metrics at all where a detector found nothing.
    """
    if not metrics:
        return NOTHING_FOUND
    parts = []
    for task, title in TASKS.items():
        for item in ("mAP", "mAP_50"):
            for key, value in metrics.items():
                if key.rpartition("/")[2] == f"{task}_{item}":
                    parts.append(f"{title} {COLUMNS[item]} {shown_score(value)}")
    return "  ".join(parts) or "  ".join(
        f"{key} {value:.3f}"
        for key, value in metrics.items()
        if isinstance(value, float)
    )


def shown_score(value: float | None) -> str:
    """Return a score with three decimals; ``-`` where there was nothing to find."""
    # pycocotools gives -1 where there is no object to find.
    is_number = value is not None and not math.isnan(value) and value >= 0
    return f"{value:.3f}" if is_number else NOT_MEASURED
