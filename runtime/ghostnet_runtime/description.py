"""What an exported detector says about itself.

A JSON text, written by the export, inside the model file or beside it. It is checked in
full when a model is opened: a rule that this package does not know must not be passed
over, since the boxes would be wrong in silence.
"""

from __future__ import annotations

import os
from dataclasses import dataclass

from .description_text import parse_description
from .json_section import JsonSection


@dataclass(frozen=True)
class InputForm:
    """What the network is fed.

    Attributes:
        name: Of the model's input.
        form: ``tensor``, (N, 3, H, W) float32, normalized and padded; or ``pixels``,
            (N, h, w, 3) uint8 of any size, everything else being part of the model.
        height: Of the tensor, or ``None`` where any is accepted; so ``width``.
        size_divisor: Height and width of the tensor are multiples of this.
        channel_order: ``rgb`` or ``bgr``: of the tensor, or of the pixels.
        mean: Grey levels per channel, in ``channel_order`` of the tensor; so ``std``.
    """

    name: str
    form: str
    height: int | None
    width: int | None
    size_divisor: int
    channel_order: str
    mean: tuple[float, ...]
    std: tuple[float, ...]


@dataclass(frozen=True)
class ResizeRule:
    """How a picture comes to its size.

    Attributes:
        scale: (width, height) in pixels, or ``None`` to keep the picture's size.
        keep_ratio: Whether ``scale`` is the most it may measure, the longer side of
            the picture being held against the longer one of ``scale``.
        pad_value: Grey levels per channel, in the order of `InputForm.mean`.
        pad: What the right and lower border are padded to: ``divisor``, the next
            multiple of the divisor; ``fixed``, ``scale``; ``square``; or ``around``,
            on all sides to the multiple above.
    """

    scale: tuple[int, int] | None
    keep_ratio: bool
    pad_value: tuple[float, ...]
    pad: str


@dataclass(frozen=True)
class OutputForm:
    """What comes out.

    Attributes:
        form: ``candidates``, every box with the scores of all classes; or
            ``detections``, what remains after non-maximum suppression.
        names: Of the model's outputs, in order.
        class_boxes: Whether each class has boxes of its own.
        score_factors: Whether boxes have a centerness or an objectness.
    """

    form: str
    names: tuple[str, ...]
    class_boxes: bool
    score_factors: bool


@dataclass(frozen=True)
class SelectionRule:
    """How detections are chosen among the candidates; see `selection`.

    Attributes:
        levels: Candidates per level, or ``None`` to count them from ``strides``.
        strides: Of the levels, in pixels of the network's input.
        priors_per_cell: Candidates per cell, one number per level.
        score_threshold: Scores must be above it.
        nms_pre: The most candidates of a level, or ``None``.
        factor_threshold: The least score factor, or ``None``.
        best_class: Whether a box has only its best class.
        iou_threshold: Of the suppression, or ``None`` for no suppression.
        max_per_img: The most detections, or ``None``.
        per_level: Whether levels are selected from one by one; else all as one.
        min_bbox_size: Sides must be longer, in pixels of the picture; negative: any.
        clip: Whether boxes end at the border.
    """

    levels: tuple[int, ...] | None
    strides: tuple[int, ...]
    priors_per_cell: tuple[int, ...]
    score_threshold: float
    nms_pre: int | None
    factor_threshold: float | None
    best_class: bool
    iou_threshold: float | None
    max_per_img: int | None
    min_bbox_size: float
    clip: bool
    per_level: bool


@dataclass(frozen=True)
class MaskRule:
    """How masks are computed; see `instance_masks`.

    Attributes:
        strides: Of the levels of the priors, in pixels of the network's input.
        prior_offset: Where in its cell a prior lies, 0 for the corner.
        coordinate_scale: Strides per unit of the coordinates fed to the convolutions.
        feature_stride: Of the mask features, in pixels of the network's input.
        num_prototypes: Channels of the mask features.
        dynamic_channels: Channels between the dynamic convolutions.
        num_layers: Number of the dynamic convolutions.
        threshold: Probabilities above it are the object.
    """

    strides: tuple[int, ...]
    prior_offset: float
    coordinate_scale: float
    feature_stride: int
    num_prototypes: int
    dynamic_channels: int
    num_layers: int
    threshold: float


@dataclass(frozen=True)
class Description:
    """All that is said about a detector.

    Attributes:
        classes: Names by label.
        masks: ``None`` for a model of boxes only.
    """

    name: str
    task: str
    classes: tuple[str, ...]
    input: InputForm
    resize: ResizeRule
    outputs: OutputForm
    selection: SelectionRule
    masks: MaskRule | None


def read_description(text: str, origin: str | os.PathLike) -> Description:
    """Read and check a description.

    Args:
        text: JSON.
        origin: The file, for messages.

    Raises:
        ModelError: The text is no description, or one that this version cannot follow.
    """
    raw = parse_description(text, origin)
    top = JsonSection(raw, "", str(origin))
    result = Description(
        name=top.text("name"),
        task=top.text("task", "detection", "instance_segmentation"),
        classes=top.texts("classes"),
        input=_input(top.section("input")),
        resize=_resize(top.section("resize")),
        outputs=_outputs(top.section("outputs")),
        selection=_selection(top.section("selection")),
        masks=_masks(top.section("masks")) if raw.get("masks") else None,
    )
    _check_together(result, top)
    return result


def _input(section: JsonSection) -> InputForm:
    batch = section.integer("batch", optional=True)
    if batch not in (None, 1):
        section.refuse("batch", f"is {batch}; export the model with a batch of 1")
    return InputForm(
        name=section.text("name"),
        form=section.text("form", "tensor", "pixels"),
        height=section.integer("height", optional=True),
        width=section.integer("width", optional=True),
        size_divisor=section.integer("size_divisor"),
        channel_order=section.text("channel_order", "rgb", "bgr"),
        mean=section.numbers("mean", length=3),
        std=section.numbers("std", length=3),
    )


def _resize(section: JsonSection) -> ResizeRule:
    section.allow_only("scale", "keep_ratio", "pad_value", "pad")
    return ResizeRule(
        scale=section.integers("scale", length=2, optional=True),
        keep_ratio=section.flag("keep_ratio"),
        pad_value=section.numbers("pad_value", length=3),
        pad=section.text("pad", "divisor", "fixed", "square", "around"),
    )


def _outputs(section: JsonSection) -> OutputForm:
    return OutputForm(
        form=section.text("form", "candidates", "detections"),
        names=section.texts("names"),
        class_boxes=section.flag("class_boxes"),
        score_factors=section.flag("score_factors"),
    )


def _selection(section: JsonSection) -> SelectionRule:
    section.allow_only(*SelectionRule.__dataclass_fields__)
    return SelectionRule(
        levels=section.integers("levels", optional=True),
        strides=section.integers("strides"),
        priors_per_cell=section.integers("priors_per_cell"),
        score_threshold=section.number("score_threshold"),
        nms_pre=section.integer("nms_pre", optional=True),
        factor_threshold=section.number("factor_threshold", optional=True),
        best_class=section.flag("best_class"),
        iou_threshold=section.number("iou_threshold", optional=True),
        max_per_img=section.integer("max_per_img", optional=True),
        min_bbox_size=section.number("min_bbox_size"),
        clip=section.flag("clip"),
        per_level=section.flag("per_level"),
    )


def _masks(section: JsonSection) -> MaskRule:
    section.allow_only(*MaskRule.__dataclass_fields__)
    return MaskRule(
        strides=section.integers("strides"),
        prior_offset=section.number("prior_offset"),
        coordinate_scale=section.number("coordinate_scale"),
        feature_stride=section.integer("feature_stride"),
        num_prototypes=section.integer("num_prototypes"),
        dynamic_channels=section.integer("dynamic_channels"),
        num_layers=section.integer("num_layers"),
        threshold=section.number("threshold"),
    )


def _check_together(result: Description, top: JsonSection) -> None:
    fed, rule = result.input, result.resize
    if (fed.height is None) != (fed.width is None):
        top.refuse("input", "has only one of height and width")
    if rule.scale is None and not rule.keep_ratio:
        top.refuse("resize", "has no scale and does not keep the ratio")
    if rule.scale is None and rule.pad == "fixed" and fed.height is None:
        top.refuse("resize", "pads to a fixed size and names none")
    if not rule.keep_ratio and fed.height is not None:
        if rule.scale[0] > fed.width or rule.scale[1] > fed.height:
            top.refuse("resize.scale", "is larger than the input")
    chosen = result.selection
    if len(chosen.strides) != len(chosen.priors_per_cell):
        top.refuse("selection", "has not one number of priors per stride")
    expected = ["boxes", "scores"]
    if result.outputs.score_factors:
        expected.append("score_factors")
    if result.masks:
        expected += ["kernels", "mask_features"]
    if result.outputs.form == "detections":
        expected = ["detections", "labels"]
    missing = [name for name in expected if name not in result.outputs.names]
    if missing:
        top.refuse("outputs.names", f"lacks {', '.join(missing)}")
