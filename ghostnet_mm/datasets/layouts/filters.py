"""What mmdet leaves out of training without a word, by a config's ``filter_cfg``."""

from __future__ import annotations

from typing import Any

from ..annotations.findings import Findings
from ..clean_copy.summary import SplitSummary

# Fewer than this share of the pictures left over cannot be meant.
FEWEST_LEFT = 0.5


def tell_filters(
    dataset: dict[str, Any], summary: SplitSummary, findings: Findings
) -> None:
    """Count what a training dataset leaves out, and lift a limit that takes most.

    mmdet drops pictures below ``filter_cfg.min_size`` and, by ``filter_empty_gt``,
    those without objects.

    Args:
        dataset: The dataset's config; its ``min_size`` is set to 0 where it would leave
            out most of the pictures.
        summary: The split that it reads.
        findings: Where it is counted.
    """
    filters = dataset.get("filter_cfg") or {}
    least = filters.get("min_size", 0)
    small = sum(n for side, n in summary.short_sides.items() if side < least)
    place = "train"
    if small > (1 - FEWEST_LEFT) * summary.pictures:
        filters["min_size"] = 0
        findings.add_all("filter-small-lifted", place, [None] * small)
    else:
        findings.add_all("filter-small", place, [None] * small)
    kind = "filter-empty" if filters.get("filter_empty_gt") else "empty-used"
    findings.add_all(kind, place, [None] * summary.empty)
    findings.add_all("crowds", place, [None] * summary.crowds)
