"""How mmdet selects detections among candidates."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ...errors import OptionError


@dataclass(frozen=True)
class Selection:
    """The rules; docs/deploy.md says in which order they apply.

    Attributes:
        per_level: Whether ``nms_pre`` counts on each level by itself.
        score_threshold: Scores must be above it (with ``best_class``: at least it).
        nms_pre: The best so many pairs of candidate and class go on; None for all.
        factor_threshold: Candidates with a lower score factor go; None for none.
        best_class: Each candidate has its best class only, and the threshold holds for
            the product of score and factor.
        iou_threshold: A box goes when it overlaps a better one of its class by more;
            None without NMS.
        max_per_img: The best so many detections stay; None for all.
        min_bbox_size: Boxes must be wider and higher, in pixels; below 0 for any.
        clip: Whether boxes are clipped to the picture.
    """

    per_level: bool
    score_threshold: float
    nms_pre: int | None
    iou_threshold: float | None
    max_per_img: int | None
    min_bbox_size: float = -1.0
    clip: bool = True
    factor_threshold: float | None = None
    best_class: bool = False


def nms_threshold(nms: Mapping[str, Any] | None) -> float | None:
    """Return the IoU threshold of an ``nms`` entry of a ``test_cfg``.

    Raises:
        OptionError: For another suppression than mmcv's ``nms`` by class.
    """
    if nms is None:
        return None
    rest = {
        k: v for k, v in nms.items() if k not in ("type", "iou_threshold", "split_thr")
    }
    rest = {k: v for k, v in rest.items() if v is not False}
    if nms.get("type", "nms") != "nms" or rest or "iou_threshold" not in nms:
        raise OptionError(
            f"test_cfg.nms={dict(nms)} cannot be exported; set it to "
            f"dict(type='nms', iou_threshold=...)."
        )
    return float(nms["iou_threshold"])


def positive_or_none(count: int | None) -> int | None:
    """Return mmdet's count, or None where it means all."""
    return int(count) if count is not None and count > 0 else None
