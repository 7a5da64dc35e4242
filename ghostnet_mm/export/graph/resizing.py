"""How a config resizes and pads pictures before they reach the detector."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

from ghostnet_runtime.description import Description, Triple
from mmengine.config import Config

from ...datasets.wrappers import steps_of_testing
from ...errors import OptionError

# Steps that leave the pixels as they are.
NEUTRAL = re.compile(r"Load\w*|PackDetInputs|ToTensor|ImageToTensor")


@dataclass(frozen=True)
class Resizing:
    """How a picture becomes an input, before normalization.

    Attributes:
        scale: Width and height to fit into; as in mmdet, the longer of both is for the
            longer side of a picture when the ratio is kept. None leaves it.
        keep_ratio: Whether the picture keeps its ratio.
        pad: ``divisor``: at the right and the bottom, to multiples of the input's
            divisor; ``fixed``: there, to one size; ``around``: on all sides.
        pad_value: Three values from 0 to 255, in the picture's channel order.
        fixed: Width and height to pad to, with ``fixed``.
    """

    scale: tuple[int, int] | None = None
    keep_ratio: bool = True
    pad: Literal["divisor", "fixed", "around"] = "divisor"
    pad_value: Triple = (0.0, 0.0, 0.0)
    fixed: tuple[int, int] | None = None

    def padded_size(self, divisor: int) -> tuple[int, int] | None:
        """Return height and width of the input; None where pictures keep theirs.

        Raises:
            OptionError: The padded picture would be padded once more.
        """
        size = self.fixed or self.scale
        if size is None:
            return None
        width, height = (math.ceil(side / divisor) * divisor for side in size)
        if self.pad == "fixed" and (width, height) != size:
            raise OptionError(
                f"Pictures are padded to {size[0]}x{size[1]}, which is not a multiple "
                f"of data_preprocessor.pad_size_divisor={divisor}; give --size HEIGHT "
                f"WIDTH in such multiples."
            )
        return height, width


def read_resizing(cfg: Config, size: tuple[int, int] | None = None) -> Resizing:
    """Read the pipeline of the config's ``test_dataloader``.

    Args:
        cfg: The config.
        size: Height and width in place of those that it names.

    Raises:
        OptionError: The config has no such pipeline, or one with other steps.
    """
    resizing = Resizing()
    for step in steps_of_testing(cfg):
        resizing = _after(resizing, step)
    if size is not None:
        scale = (size[1], size[0])
        resizing = replace(resizing, scale=scale)
        if resizing.pad == "fixed":
            resizing = replace(resizing, fixed=scale)
    return resizing


def fitting_scales(
    scale: tuple[int, int], size: tuple[int, int]
) -> tuple[tuple[int, int], tuple[int, int]]:
    """Return the scales with which mmdet's ``Resize`` stays inside of an input.

    Args:
        scale: As configured, for a ``Resize`` that keeps the ratio.
        size: Height and width of the input in pixels.

    Returns:
        The scales for pictures that are not higher than wide, and for those that are:
        the longest side and the shortest one.
    """
    longest, shortest, (height, width) = max(scale), min(scale), size
    # The room for the shorter side never decides where it exceeds that for the longer.
    shortest = min(shortest, height, width)
    return (min(longest, width), shortest), (min(longest, height), shortest)


def shrunk_pictures(description: Description) -> tuple[str, ...]:
    """Return which pictures a fixed size makes smaller than mmdet: lying, upright.

    Args:
        description: Of the export.
    """
    size, rule = description.input.size, description.resize
    if size is None or not rule.keep_ratio or rule.scale is None:
        return ()
    fitting = fitting_scales(rule.scale, size)
    own = max(rule.scale), min(rule.scale)
    kinds = zip(("lying", "upright"), fitting, strict=True)
    return tuple(kind for kind, scale in kinds if scale != own)


def mmdet_feeds_otherwise(description: Description) -> bool:
    """Whether mmdet gives a file's network other inputs than its fixed size does.

    Args:
        description: Of the export.
    """
    rule = description.resize
    if description.input.size is None or not rule.keep_ratio:
        return False
    return rule.pad == "divisor" or bool(shrunk_pictures(description))


def _after(resizing: Resizing, step: Mapping[str, Any]) -> Resizing:
    kind = str(step["type"]).rsplit(".", 1)[-1]
    if NEUTRAL.fullmatch(kind):
        return resizing
    if kind == "Resize" and step.get("scale") is not None:
        scale = step["scale"]
        if isinstance(scale, int):
            scale = (scale, scale)
        return replace(
            resizing,
            scale=(int(scale[0]), int(scale[1])),
            keep_ratio=bool(step.get("keep_ratio", False)),
        )
    if kind == "Pad" and (step.get("size") or step.get("pad_to_square")):
        side = max(resizing.scale or (0,))
        size = step.get("size") or (side, side)
        return replace(
            resizing,
            pad="fixed",
            fixed=(int(size[0]), int(size[1])),
            pad_value=_triple(step.get("pad_val", 0)),
        )
    if kind == "RandomCenterCropPad" and _pads_around(step):
        mean = step.get("mean") or (0.0, 0.0, 0.0)
        values = _triple(dict(img=mean))
        return replace(resizing, pad="around", pad_value=values)
    raise OptionError(
        f"The test pipeline's step {kind} cannot be exported: with Resize(scale=...), "
        f"Pad(size=...) and Pad(pad_to_square=True) it can."
    )


def _pads_around(step: Mapping[str, Any]) -> bool:
    """Whether sides grow to the next multiple of 32, as in CenterNet's configs."""
    return (
        bool(step.get("test_mode"))
        and list(step.get("test_pad_mode", ())) == ["logical_or", 31]
        and step.get("test_pad_add_pix", 0) == 1
    )


def _triple(value: Any) -> Triple:
    value = value.get("img", 0) if isinstance(value, Mapping) else value
    first, second, third = (value,) * 3 if isinstance(value, (int, float)) else value
    return float(first), float(second), float(third)
