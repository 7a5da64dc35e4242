"""Results of segmentation and classification as tables to read."""

from collections.abc import Mapping

# mmseg's names, in percent.
IOU_COLUMNS = ("mIoU", "mAcc", "aAcc", "mDice", "mFscore", "mPrecision", "mRecall")
# The end of mmpretrain's names, in percent.
ACCURACY_COLUMNS = {"accuracy/top1": "top-1", "accuracy/top5": "top-5"}


def iou_table(metrics: Mapping[str, float]) -> str:
    """Return the scores of mmseg's ``IoUMetric`` in percent; empty if there are none.

    Args:
        metrics: Such as ``{"mIoU": 35.52, "mAcc": 46.1, "aAcc": 77.0}``.
    """
    if "mIoU" not in metrics and "mDice" not in metrics:
        return ""
    found = {name: metrics[name] for name in IOU_COLUMNS if name in metrics}
    return _one_row("segmentation, %", found)


def accuracy_table(metrics: Mapping[str, float]) -> str:
    """Return the accuracies of mmpretrain in percent; empty if there are none.

    Args:
        metrics: Such as ``{"accuracy/top1": 73.96, "accuracy/top5": 91.54}``.
    """
    found = {
        title: value
        for ending, title in ACCURACY_COLUMNS.items()
        for name, value in metrics.items()
        if name == ending or name.endswith(f"/{ending}")
    }
    return _one_row("classification, %", found) if found else ""


def _one_row(title: str, scores: Mapping[str, float]) -> str:
    header, row = [title], ["all classes"]
    for name, value in scores.items():
        text = f"{value:.2f}"
        width = max(len(name), len(text))
        header.append(name.rjust(width))
        row.append(text.rjust(width))
    row[0] = row[0].ljust(len(title))
    lines = ["  ".join(header), "  ".join(row)]
    lines.insert(1, "-" * len(lines[0]))
    return "\n".join(lines)
