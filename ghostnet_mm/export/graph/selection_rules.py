"""Reading how a ``test_cfg`` selects detections among candidates."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...errors import OptionError


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
