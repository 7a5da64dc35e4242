"""Resizing, padding and normalizing as nodes of an ONNX graph.

What mmdet's ``Resize``, ``Pad`` and ``DetDataPreprocessor`` do to a picture, so that
the picture itself is the input. Sizes are whole-number arithmetic, which every runtime
does alike; mmcv's float64 rounds an exact half down for about 1 in 50 000 sizes.
"""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from ghostnet_runtime.description import Description, InputForm, ResizeRule

from .nodes import (
    FLOAT,
    UINT8,
    NodeWriter,
    Numbers,
    insert_after,
    insert_before,
    rename_tensor,
    size_of,
)

if TYPE_CHECKING:
    import onnx

TENSOR = "preprocessing/tensor"


class _Placement(NamedTuple):
    """Where the picture lies in the network input, each one height and width."""

    picture: Numbers  # as given
    resized: Numbers
    corner: Numbers  # top and left edge in the input
    padded: Numbers  # what the pad value fills; normalized zeros follow
    whole: Numbers  # the input


class _Fraction(NamedTuple):
    """Two vectors of positive whole numbers."""

    numerator: Numbers
    denominator: Numbers


def prepend_preprocessing(
    model: onnx.ModelProto, description: Description
) -> tuple[onnx.ModelProto, Description]:
    """Let a detector take pictures in place of normalized tensors.

    Args:
        model: A graph with a normalized and padded input (N, 3, H, W), with candidates
            or, after `append_selection`, with detections.
        description: The description of that graph.

    Returns:
        A new model with the input uint8 (N, h, w, 3), BGR as cv2 reads, all pictures of
        a batch of one size. Detections come out in pixels of the pictures, candidates
        in pixels of the network input. There is no input ``image_sizes``: the graph
        knows them. With it the description, whose ``channel_order`` is now that of the
        pictures; height, width, mean and std still tell of the tensor inside.
    """
    model = copy.deepcopy(model)
    fed, rule = description.input, description.resize
    write = NodeWriter("preprocessing")
    rename_tensor(model.graph, fed.name, TENSOR)

    placement = _place(write, fed, rule)
    picture = _resize(write, fed.name, placement)
    picture = write("Transpose", picture, perm=[0, 3, 1, 2])
    if fed.channel_order == "rgb":
        picture = write("Gather", picture, [2, 1, 0], axis=1)
    mean, std = _by_channel(fed.mean), _by_channel(fed.std)
    tensor = write("Div", write("Sub", picture, mean), std)
    fill = (_by_channel(rule.pad_value) - mean) / std
    tensor = _pad(write, tensor, placement, fill)
    if fed.size is None:
        write("Identity", tensor, output=TENSOR)
    else:
        # Tells the runtime a size that it cannot see through the padding.
        write("Reshape", tensor, [fed.batch or -1, 3, *fed.size], output=TENSOR)
    if fed.image_sizes is not None:
        inside = placement.resized if rule.pad == "divisor" else placement.padded
        _write_image_sizes(write, fed.name, inside, fed.image_sizes)
    insert_before(model, write)
    if description.outputs.form == "detections":
        _to_picture(model, placement, rule.pad)
    _replace_inputs(model, fed)
    pixels = replace(fed, form="pixels", channel_order="bgr", image_sizes=None)
    return model, replace(description, input=pixels)


def _place(write: NodeWriter, fed: InputForm, rule: ResizeRule) -> _Placement:
    picture = write("Shape", fed.name, start=1, end=3)
    resized = _resized_size(write, picture, rule)
    corner: Numbers = [0, 0]
    if fed.size is not None:
        whole: Numbers = list(fed.size)
        if _may_exceed(rule, fed.size):
            resized = _fit(write, picture, resized, fed.size)
        padded = whole
    else:
        padded = _own_padding(write, resized, rule, fed.size_divisor)
        whole = _multiple(write, padded, fed.size_divisor)
        if rule.pad == "divisor":
            padded = whole
    if rule.pad == "around":
        corner = write("Sub", write("Div", whole, 2), write("Div", resized, 2))
    return _Placement(picture, resized, corner, padded, whole)


def _own_padding(
    write: NodeWriter, resized: Numbers, rule: ResizeRule, divisor: int
) -> Numbers:
    """Size after mmdet's ``Pad`` or CenterNet's, before that of the preprocessor."""
    if rule.pad == "fixed" and rule.scale is not None:
        return write("Max", resized, _height_and_width(rule.scale))
    if rule.pad == "around":
        # There is always a border, of a whole divisor where none is needed.
        return write("Mul", write("Add", write("Div", resized, divisor), 1), divisor)
    return resized


def _multiple(write: NodeWriter, size: Numbers, divisor: int) -> str:
    """The next multiples of a divisor."""
    cells = write("Div", write("Add", size, divisor - 1), divisor)
    return write("Mul", cells, divisor)


def _resized_size(write: NodeWriter, picture: str, rule: ResizeRule) -> Numbers:
    """Size after mmdet's ``Resize``."""
    if rule.scale is None:
        return picture
    if not rule.keep_ratio:
        return _height_and_width(rule.scale)
    longest = write("ReduceMax", picture, [0], keepdims=1)
    shortest = write("ReduceMin", picture, [0], keepdims=1)
    factor = _smaller_fraction(
        write,
        _Fraction([max(rule.scale)], longest),
        _Fraction([min(rule.scale)], shortest),
    )
    return _scaled(write, picture, factor)


def _height_and_width(scale: tuple[int, int]) -> list[int]:
    return [scale[1], scale[0]]


def _may_exceed(rule: ResizeRule, size: tuple[int, int]) -> bool:
    if rule.scale is None:
        return True
    return rule.keep_ratio and max(rule.scale) > min(size)


def _fit(
    write: NodeWriter, picture: str, resized: Numbers, size: tuple[int, int]
) -> str:
    """Keep what fits; the rest, such as upright in a wide input, becomes what does."""
    height, width = write.pair("Split", picture, axis=0, num_outputs=2)
    factor = _smaller_fraction(
        write, _Fraction([size[0]], height), _Fraction([size[1]], width)
    )
    room = write("Sub", list(size), resized)
    fits = write("GreaterOrEqual", write("ReduceMin", room, [0], keepdims=1), 0)
    return write("Where", fits, resized, _scaled(write, picture, factor))


def _smaller_fraction(
    write: NodeWriter, first: _Fraction, second: _Fraction
) -> _Fraction:
    """The smaller of two fractions, without dividing."""
    crossed = (
        write("Mul", first.numerator, second.denominator),
        write("Mul", second.numerator, first.denominator),
    )
    is_first = write("LessOrEqual", *crossed)
    return _Fraction(
        write("Where", is_first, first.numerator, second.numerator),
        write("Where", is_first, first.denominator, second.denominator),
    )


def _scaled(write: NodeWriter, size: str, factor: _Fraction) -> str:
    """``size`` times a fraction, halves rounded up, at least one pixel."""
    doubled = write("Mul", write("Mul", size, factor.numerator), 2)
    halves = write("Add", doubled, factor.denominator)
    return write("Max", write("Div", halves, write("Mul", factor.denominator, 2)), 1)


def _resize(write: NodeWriter, image: str, placement: _Placement) -> str:
    """Float gray levels (N, h, w, 3), whole numbers as cv2 gives them."""
    pixels = write("Cast", image, to=FLOAT)
    if placement.resized is placement.picture:
        return pixels
    pixels = write(
        "Resize",
        pixels,
        "",
        "",
        placement.resized,
        axes=[1, 2],
        mode="linear",
        coordinate_transformation_mode="half_pixel",
        antialias=0,
    )
    return write("Floor", write("Add", pixels, 0.5))


def _pad(
    write: NodeWriter, tensor: str, placement: _Placement, fill: np.ndarray
) -> str:
    """Bring the normalized picture to the size of the input.

    Args:
        write: Where the nodes go.
        tensor: Float32 (N, 3, h, w).
        placement: Of the picture.
        fill: The normalized pad value, float32 (1, 3, 1, 1).
    """
    if placement.resized == placement.whole:
        return tensor
    border = _border(write, placement.resized, placement.corner, placement.whole)
    tensor = write("Pad", tensor, border, 0.0)
    if not fill.any():
        return tensor
    # Ones where the fill goes.
    shape = write("Concat", [1, 1], placement.resized, axis=0)
    filled = write("Expand", 0.0, shape)
    border = _border(write, placement.resized, placement.corner, placement.padded)
    filled = write("Pad", filled, border, 1.0)
    border = _border(write, placement.padded, [0, 0], placement.whole)
    filled = write("Pad", filled, border, 0.0)
    return write("Add", tensor, write("Mul", filled, fill))


def _border(write: NodeWriter, inner: Numbers, corner: Numbers, outer: Numbers) -> str:
    """The ``pads`` of a (N, C, h, w) tensor that lies at ``corner`` of ``outer``."""
    after = write("Sub", write("Sub", outer, inner), corner)
    return write("Concat", [0, 0], corner, [0, 0], after, axis=0)


def _write_image_sizes(
    write: NodeWriter, image: str, size: Numbers, output: str
) -> None:
    """Make the former second input, float32 (N, 2)."""
    size = write("Unsqueeze", write("Cast", size, to=FLOAT), [0])
    shape = write("Concat", size_of(write, image, 0), [2], axis=0)
    write("Expand", size, shape, output=output)


def _to_picture(model: onnx.ModelProto, placement: _Placement, pad: str) -> None:
    """Bring the detections from pixels of the network input to those of the picture."""
    rename_tensor(model.graph, "detections", "preprocessing/detections")
    write = NodeWriter("to_picture")
    detections = "preprocessing/detections"
    if pad == "around":
        corner = write("Cast", placement.corner, to=FLOAT)
        shift = write("Gather", corner, [1, 0, 1, 0], axis=0)
        shift = write("Pad", shift, [0, 1], 0.0)
        found = write("Unsqueeze", write("GreaterOrEqual", "labels", 0), [2])
        moved = write("Sub", detections, shift)
        detections = write("Where", found, moved, detections)
    picture = write("Cast", placement.picture, to=FLOAT)
    factor = write("Div", picture, write("Cast", placement.resized, to=FLOAT))
    factor = write("Gather", factor, [1, 0, 1, 0], axis=0)
    factor = write("Pad", factor, [0, 1], 1.0)
    write("Mul", detections, factor, output="detections")
    insert_after(model, write)


def _replace_inputs(model: onnx.ModelProto, fed: InputForm) -> None:
    from onnx import helper

    gone = (fed.name, fed.image_sizes)
    others = [value for value in model.graph.input if value.name not in gone]
    shape = [fed.batch or "batch", "height", "width", 3]
    image = helper.make_tensor_value_info(fed.name, UINT8, shape)
    del model.graph.input[:]
    model.graph.input.extend([image, *others])


def _by_channel(values: tuple[float, ...]) -> np.ndarray:
    return np.array(values, dtype=np.float32).reshape(1, 3, 1, 1)
