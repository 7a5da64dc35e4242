"""Models that cannot be built."""

from __future__ import annotations

from support.mistakes.cases import BadInput, with_options

MODELS = (
    BadInput(
        "unknown head",
        "train",
        with_options("model.bbox_head.type=RetinaHed"),
        ("model.bbox_head.type", "RetinaHed", "RetinaHead"),
    ),
    BadInput(
        "unknown backbone",
        "train",
        with_options("model.backbone.type=GhostNetV4"),
        ("model.backbone.type", "GhostNetV4", "GhostNetV3"),
    ),
    BadInput(
        "argument that the backbone does not have",
        "train",
        with_options("model.backbone.depth=50"),
        ("model.backbone (GhostNet)", "'depth'"),
    ),
    BadInput(
        "impossible out_indices",
        "train",
        with_options("model.backbone.out_indices=(1,2,7)"),
        ("out_indices",),
    ),
    BadInput(
        "impossible frozen_stages",
        "train",
        with_options("model.backbone.frozen_stages=9"),
        ("frozen_stages",),
    ),
    BadInput(
        "impossible widen_factor",
        "train",
        with_options("model.backbone.widen_factor=-1"),
        ("widen_factor",),
    ),
    BadInput(
        "impossible output_stride",
        "train",
        with_options("model.backbone.output_stride=12"),
        ("output_stride",),
    ),
    BadInput(
        "in_channels of the neck that the backbone does not return",
        "train",
        with_options("model.neck.in_channels=[40,112,160]"),
        ("[40, 112, 160]", "[20, 56, 80]", "None"),
    ),
    BadInput(
        "other maps from the backbone, but the old strides in the head",
        "train",
        with_options("model.backbone.out_indices=(0,1,2)"),
        ("[8, 16, 32, 64, 128]", "[4, 8, 16, 32, 64]", "strides"),
    ),
    BadInput(
        "fewer maps from the neck than it takes",
        "train",
        with_options("model.neck.num_outs=2"),
        ("model.neck cannot be built", "num_outs"),
    ),
)
