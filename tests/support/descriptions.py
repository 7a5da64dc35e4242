"""Descriptions of small detectors that nothing was exported of."""

from dataclasses import replace
from typing import Any

from ghostnet_runtime.description import (
    Description,
    InputForm,
    OutputForm,
    ResizeRule,
    SelectionRule,
    Source,
)

MEAN, STD = (123.675, 116.28, 103.53), (58.395, 57.12, 57.375)

PLAIN = Description(
    task="detection",
    name="tiny",
    classes=("one",),
    input=InputForm(
        name="image",
        form="tensor",
        batch=1,
        height=64,
        width=64,
        size_divisor=32,
        channel_order="rgb",
        mean=MEAN,
        std=STD,
    ),
    resize=ResizeRule(scale=(64, 64), keep_ratio=False, pad_value=MEAN, pad="divisor"),
    outputs=OutputForm(
        form="candidates",
        names=("boxes", "scores"),
        class_boxes=False,
        score_factors=False,
    ),
    selection=SelectionRule(
        levels=None,
        strides=(),
        priors_per_cell=(),
        score_threshold=0.3,
        nms_pre=50,
        factor_threshold=None,
        best_class=False,
        iou_threshold=0.5,
        max_per_img=20,
        min_bbox_size=-1,
        clip=True,
        per_level=False,
    ),
    source=Source(config=None, ghostnet_mm="0", torch="0", mmdet="0"),
)


def described(base: Description = PLAIN, **changes: Any) -> Description:
    """Return a description with some fields changed.

    Args:
        base: The description.
        changes: By name; for a section a dict of its own changes.
    """
    return replace(
        base,
        **{
            name: replace(getattr(base, name), **value)
            if isinstance(value, dict)
            else value
            for name, value in changes.items()
        },
    )
