"""What an exported detector says about itself.

The export makes a `Description` and writes it as JSON, inside the model file or beside
it. It is checked in full when a model is opened: a rule that this package does not know
must not be passed over, since the boxes would be wrong in silence.
"""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from typing import Final, Literal

from .description_text import not_json
from .errors import ModelError
from .json_records import FieldError, read_record

FORMAT: Final = "ghostnet_mm.detector/1"

Triple = tuple[float, float, float]


@dataclass(frozen=True)
class InputForm:
    """What the network is fed.

    Attributes:
        name: Of the model's input.
        form: ``tensor``, (N, 3, H, W) float32, normalized and padded; or ``pixels``,
            (N, h, w, 3) uint8 of any size, everything else being part of the model.
        batch: Pictures at once, 1 or, for any number, ``None``.
        height: Of the tensor, or ``None`` where any is accepted; so ``width``.
        size_divisor: Height and width of the tensor are multiples of this.
        channel_order: ``rgb`` or ``bgr``: of the tensor, or of the pixels.
        mean: Gray levels per channel, in ``channel_order`` of the tensor; so ``std``.
        image_sizes: Name of a second input, (N, 2) float32, height and width of each
            picture inside its tensor; ``None`` where there is none.
    """

    name: str
    form: Literal["tensor", "pixels"]
    batch: Literal[1] | None
    height: int | None
    width: int | None
    size_divisor: int
    channel_order: Literal["rgb", "bgr"]
    mean: Triple
    std: Triple
    image_sizes: str | None = None

    @property
    def size(self) -> tuple[int, int] | None:
        """Height and width of the tensor; ``None`` where any is accepted."""
        if self.height is None or self.width is None:
            return None
        return self.height, self.width


@dataclass(frozen=True)
class ResizeRule:
    """How a picture comes to its size.

    Attributes:
        scale: (width, height) in pixels, or ``None`` to keep the picture's size.
        keep_ratio: Whether ``scale`` is the most it may measure, the longer side of
            the picture being held against the longer one of ``scale``.
        pad_value: Gray levels per channel, in the order of `InputForm.mean`.
        pad: What the right and lower border are padded to: ``divisor``, the next
            multiple of the divisor; ``fixed``, ``scale``; or ``around``, on all sides
            to the multiple above.
    """

    scale: tuple[int, int] | None
    keep_ratio: bool
    pad_value: Triple
    pad: Literal["divisor", "fixed", "around"]


@dataclass(frozen=True, kw_only=True)
class OutputForm:
    """What comes out.

    Attributes:
        form: ``candidates``, every box with the scores of all classes; or
            ``detections``, what remains after non-maximum suppression.
        names: Of the model's outputs, in order.
        class_boxes: Whether each class has boxes of its own.
        score_factors: Whether boxes have a centerness or an objectness.
    """

    form: Literal["candidates", "detections"]
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
class Source:
    """Where an export comes from.

    Attributes:
        config: Name of the config's file; ``None`` for one without a file.
        ghostnet_mm: Its version; so ``torch`` and ``mmdet``.
    """

    config: str | None
    ghostnet_mm: str
    torch: str
    mmdet: str


@dataclass(frozen=True, kw_only=True)
class Description:
    """All that is said about a detector.

    Attributes:
        format: Of the JSON.
        task: What is found: boxes, or boxes with masks.
        name: Of the detector.
        classes: Names by label.
        input: What the network is fed.
        resize: How pictures come to their size.
        outputs: What comes out.
        selection: How detections are chosen.
        source: Where it comes from.
        masks: How masks are made; ``None`` for a model of boxes only.

    Raises:
        FieldError: Fields contradict each other.
    """

    format: Literal["ghostnet_mm.detector/1"] = FORMAT
    task: Literal["detection", "instance_segmentation"]
    name: str
    classes: tuple[str, ...]
    input: InputForm
    resize: ResizeRule
    outputs: OutputForm
    selection: SelectionRule
    source: Source
    masks: MaskRule | None = None

    def __post_init__(self) -> None:
        fed, rule = self.input, self.resize
        if (fed.height is None) != (fed.width is None):
            raise FieldError("input has only one of height and width")
        if min(fed.std) <= 0:
            raise FieldError("input.std has numbers that are not above 0")
        if rule.scale is None and not rule.keep_ratio:
            raise FieldError("resize has no scale and does not keep the ratio")
        if rule.scale is None and rule.pad == "fixed" and fed.size is None:
            raise FieldError("resize pads to a fixed size and names none")
        if rule.scale is not None and not rule.keep_ratio and fed.size is not None:
            if rule.scale[0] > fed.size[1] or rule.scale[1] > fed.size[0]:
                raise FieldError("resize.scale is larger than the input")
        if len(self.selection.strides) != len(self.selection.priors_per_cell):
            raise FieldError("selection has not one number of priors per stride")
        if self.masks is not None and not 0 < self.masks.threshold < 1:
            raise FieldError("masks.threshold is not between 0 and 1")
        missing = set(self._expected_outputs()).difference(self.outputs.names)
        if missing:
            raise FieldError(f"outputs.names lacks {', '.join(sorted(missing))}")

    def _expected_outputs(self) -> list[str]:
        if self.outputs.form == "detections":
            return ["detections", "labels"]
        factors = ["score_factors"] if self.outputs.score_factors else []
        masks = ["kernels", "mask_features"] if self.masks is not None else []
        return ["boxes", "scores", *factors, *masks]

    def to_json(self, indent: int | None = None) -> str:
        """Return the text that `read_description` reads."""
        return json.dumps(
            asdict(self), indent=indent, ensure_ascii=False, allow_nan=False
        )


def read_description(text: str, origin: str | os.PathLike[str]) -> Description:
    """Read and check a description.

    Args:
        text: JSON.
        origin: The file, for messages.

    Raises:
        ModelError: The text is no description, or one that this version cannot follow.
    """
    try:
        values = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise not_json(origin) from error
    found = values.get("format") if isinstance(values, dict) else None
    if found != FORMAT:
        raise ModelError(
            f"The description in {origin} has the format {found!r} and this version of "
            f"ghostnet-runtime reads {FORMAT!r}; install the version of the export."
        )
    try:
        return read_record(Description, values)
    except FieldError as error:
        raise ModelError(
            f"The description in {origin} cannot be followed: {error}; export the "
            f"model anew, or install the version of ghostnet-runtime that it is for."
        ) from error
