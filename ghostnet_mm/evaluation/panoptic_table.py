"""Panoptic quality as a table to read."""

import math
from collections.abc import Mapping

from ..reporting.tables import Table

GROUPS = {"all": "", "things": "_th", "stuff": "_st"}
SCORES = ("PQ", "SQ", "RQ")


def panoptic_table(metrics: Mapping[str, float]) -> str:
    """Return the table of PQ, SQ and RQ; empty if there is none.

    Args:
        metrics: mmdet's metrics, such as ``{"coco_panoptic/PQ": 31.2}``, in percent;
            NaN, where there was nothing of a group, shows as "-".
    """
    found = {key.rpartition("/")[2]: value for key, value in metrics.items()}
    if "PQ" not in found:
        return ""
    rows = [
        [group, *(_number(found.get(f"{score}{suffix}")) for score in SCORES)]
        for group, suffix in GROUPS.items()
    ]
    return Table.of(["COCO panoptic", *SCORES], rows).plain()


def _number(value: float | None) -> str | None:
    return None if value is None or math.isnan(value) else f"{value:.1f}"
