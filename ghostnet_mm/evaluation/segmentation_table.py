"""Results of segmentation as a table to read."""

from collections.abc import Mapping

from ..reporting.tables import Table

# mmseg's names, in percent.
COLUMNS = ("mIoU", "mAcc", "aAcc", "mDice", "mFscore", "mPrecision", "mRecall")


def iou_table(metrics: Mapping[str, float]) -> str:
    """Return the scores of mmseg's ``IoUMetric`` in percent; empty if there are none.

    Args:
        metrics: Such as ``{"mIoU": 35.52, "mAcc": 46.1, "aAcc": 77.0}``.
    """
    if "mIoU" not in metrics and "mDice" not in metrics:
        return ""
    names = [name for name in COLUMNS if name in metrics]
    row = ["all classes", *(f"{metrics[name]:.2f}" for name in names)]
    return Table.of(["segmentation, %", *names], [row]).plain()
