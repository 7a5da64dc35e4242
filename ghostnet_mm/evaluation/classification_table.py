"""Results of classification as a table to read."""

from collections.abc import Mapping

from ..reporting.tables import Table

# The end of mmpretrain's names, in percent.
COLUMNS = {"accuracy/top1": "top-1", "accuracy/top5": "top-5"}


def accuracy_table(metrics: Mapping[str, float]) -> str:
    """Return the accuracies of mmpretrain in percent; empty if there are none.

    Args:
        metrics: Such as ``{"accuracy/top1": 73.96, "accuracy/top5": 91.54}``.
    """
    found = {
        title: value
        for ending, title in COLUMNS.items()
        for name, value in metrics.items()
        if name == ending or name.endswith(f"/{ending}")
    }
    if not found:
        return ""
    row = ["all classes", *(f"{value:.2f}" for value in found.values())]
    return Table.of(["classification, %", *found], [row]).plain()
