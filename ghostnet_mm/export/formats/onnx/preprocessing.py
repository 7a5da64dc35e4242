"""Resizing, padding and normalizing as nodes of an ONNX graph.

What mmdet's ``Resize``, ``Pad`` and ``DetDataPreprocessor`` do to a picture, so that
the picture itself is the input. Sizes are whole-number arithmetic, which every runtime
does alike; mmcv's float64 rounds an exact half down for about 1 in 50 000 sizes.
"""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from ....errors import OptionError
from .nodes import (
    FLOAT,
    UINT8,
    NodeWriter,
    check_opset,
    insert_after,
    insert_before,
    rename_tensor,
    size_of,
)

if TYPE_CHECKING:
    import onnx

# A tensor's name, or its values: height and width, int64 (2,).
Size = "str | list[int]"


class _Placement(NamedTuple):
    """Where the picture lies in the network input, each one height and width."""

    picture: Size  # as given
    resized: Size
    corner: Size  # top and left edge in the input
    padded: Size  # what the pad value fills; normalized zeros follow
    whole: Size  # the input


def prepend_preprocessing(
    model: onnx.ModelProto, description: dict, channel_order: str = "bgr"
) -> tuple[onnx.ModelProto, dict]:
    """Let a detector take pictures in place of normalized tensors.

    Args:
        model: A graph with a normalized and padded input (N, 3, H, W), with candidates
            or, after `append_selection`, with detections.
        description: The description of that graph.
        channel_order: Of the pictures: "bgr" as cv2 reads them, or "rgb".

    Returns:
        A new model with the input uint8 (N, h, w, 3), all pictures of a batch of one
        size. Detections come out in pixels of the pictures, candidates in pixels of the
        network input. There is no input ``image_sizes``: the graph knows them. With it
        the description, whose ``channel_order`` is now that of the pictures; height,
        width, mean and std still tell of the tensor inside.

    Raises:
        OptionError: The graph takes pictures already, cannot hold a picture of the
            config's size, or is older than opset 18.
    """
    _check(model, description, channel_order)
    model = copy.deepcopy(model)
    description = copy.deepcopy(description)
    fed = description["input"]
    write = NodeWriter("preprocessing")
    rename_tensor(model.graph, fed["name"], "preprocessing/tensor")

    placement = _place(write, description)
    picture = _resize(write, fed["name"], placement)
    picture = write("Transpose", picture, perm=[0, 3, 1, 2])
    if channel_order != fed["channel_order"]:
        picture = write("Gather", picture, [2, 1, 0], axis=1)
    mean, std = _by_channel(fed["mean"]), _by_channel(fed["std"])
    tensor = write("Div", write("Sub", picture, mean), std)
    fill = (_by_channel(description["resize"]["pad_value"]) - mean) / std
    tensor = _pad(write, tensor, placement, fill)
    height, width = fed["height"] or -1, fed["width"] or -1
    if fed["height"] is None:
        write("Identity", tensor, output="preprocessing/tensor")
    else:
        # Tells the runtime a size that it cannot see through the padding.
        shape = [fed["batch"] or -1, 3, height, width]
        write("Reshape", tensor, shape, output="preprocessing/tensor")
    if fed.get("image_sizes") is not None:
        _write_image_sizes(write, description, placement)
    insert_before(model, write)
    if description["outputs"]["form"] == "detections":
        _to_picture(model, placement, description["resize"]["pad"])

    _replace_inputs(model, fed)
    fed.update(form="pixels", channel_order=channel_order, image_sizes=None)
    return model, description


def _check(model: onnx.ModelProto, description: dict, channel_order: str) -> None:
    check_opset(model)
    fed, resize = description["input"], description["resize"]
    if channel_order not in ("bgr", "rgb"):
        raise OptionError(
            f"channel_order is {channel_order!r}; choose 'bgr' (as cv2 reads) or 'rgb'."
        )
    if fed["form"] != "tensor":
        raise OptionError(
            "The ONNX model has its preprocessing already; "
            "give one that was exported without."
        )
    if resize["pad"] not in ("divisor", "fixed", "square", "around"):
        raise OptionError(
            f"The padding {resize['pad']!r} cannot be put into the graph; "
            "export without preprocessing."
        )
    if fed["height"] is None or resize["keep_ratio"] or resize["scale"] is None:
        return
    width, height = resize["scale"]
    if height > fed["height"] or width > fed["width"]:
        raise OptionError(
            f"Pictures become {width} x {height} pixels and the network takes "
            f"{fed['width']} x {fed['height']}; export it for the config's image size."
        )


def _place(write: NodeWriter, description: dict) -> _Placement:
    fed, rule = description["input"], description["resize"]
    fixed = None if fed["height"] is None else [fed["height"], fed["width"]]
    picture = write("Shape", fed["name"], start=1, end=3)
    resized = _resized_size(write, picture, rule)
    if fixed is not None and _may_exceed(rule, fixed):
        resized = _fit(write, picture, resized, fixed)

    divisor, pad = fed["size_divisor"], rule["pad"]
    whole, padded, corner = fixed, resized, [0, 0]
    if fixed is None:
        padded = _own_padding(write, resized, rule, divisor)
        cells = write("Div", write("Add", padded, divisor - 1), divisor)
        whole = write("Mul", cells, divisor)
    elif pad == "square":
        square = _own_padding(write, resized, rule, divisor)
        padded = write("Min", square, fixed)
    if pad == "divisor" or (fixed is not None and pad != "square"):
        padded = whole
    if pad == "around":
        corner = write("Sub", write("Div", whole, 2), write("Div", resized, 2))
    return _Placement(picture, resized, corner, padded, whole)


def _own_padding(write: NodeWriter, resized: Size, rule: dict, divisor: int) -> Size:
    """Size after mmdet's ``Pad`` or CenterNet's, before that of the preprocessor."""
    if rule["pad"] == "fixed" and rule["scale"] is not None:
        return write("Max", resized, rule["scale"][::-1])
    if rule["pad"] == "square":
        return write("Max", resized, write("ReduceMax", resized, [0], keepdims=1))
    if rule["pad"] == "around":
        # There is always a border, of a whole divisor where none is needed.
        return write("Mul", write("Add", write("Div", resized, divisor), 1), divisor)
    return resized


def _resized_size(write: NodeWriter, picture: str, rule: dict) -> Size:
    """Size after mmdet's ``Resize``."""
    if rule["scale"] is None:
        return picture
    if not rule["keep_ratio"]:
        return rule["scale"][::-1]
    longest = write("ReduceMax", picture, [0], keepdims=1)
    shortest = write("ReduceMin", picture, [0], keepdims=1)
    factor = _smaller_fraction(
        write, ([max(rule["scale"])], longest), ([min(rule["scale"])], shortest)
    )
    return _scaled(write, picture, *factor)


def _may_exceed(rule: dict, fixed: list[int]) -> bool:
    if rule["scale"] is None:
        return True
    return rule["keep_ratio"] and max(rule["scale"]) > min(fixed)


def _fit(write: NodeWriter, picture: str, resized: Size, fixed: list[int]) -> str:
    """Keep what fits; the rest, such as upright in a wide input, becomes what does."""
    height, width = write("Split", picture, axis=0, num_outputs=2, output_count=2)
    factor = _smaller_fraction(write, ([fixed[0]], height), ([fixed[1]], width))
    room = write("Sub", fixed, resized)
    fits = write("GreaterOrEqual", write("ReduceMin", room, [0], keepdims=1), 0)
    return write("Where", fits, resized, _scaled(write, picture, *factor))


def _smaller_fraction(write: NodeWriter, one: tuple, other: tuple) -> tuple[str, str]:
    """The smaller of two fractions of positive integers, without dividing."""
    crossed = write("Mul", one[0], other[1]), write("Mul", other[0], one[1])
    first = write("LessOrEqual", *crossed)
    return write("Where", first, one[0], other[0]), write(
        "Where", first, one[1], other[1]
    )


def _scaled(write: NodeWriter, size: str, numerator: str, denominator: str) -> str:
    """``size`` times a fraction, halves rounded up, at least one pixel."""
    doubled = write("Mul", write("Mul", size, numerator), 2)
    halves = write("Add", doubled, denominator)
    return write("Max", write("Div", halves, write("Mul", denominator, 2)), 1)


def _resize(write: NodeWriter, image: str, placement: _Placement) -> str:
    """Float grey levels (N, h, w, 3), whole numbers as cv2 gives them."""
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


def _border(write: NodeWriter, inner: Size, corner: Size, outer: Size) -> str:
    """The ``pads`` of a (N, C, h, w) tensor that lies at ``corner`` of ``outer``."""
    after = write("Sub", write("Sub", outer, inner), corner)
    return write("Concat", [0, 0], corner, [0, 0], after, axis=0)


def _write_image_sizes(
    write: NodeWriter, description: dict, placement: _Placement
) -> None:
    """Make the former second input, float32 (N, 2)."""
    inside = description["resize"]["pad"] == "divisor"
    size = placement.resized if inside else placement.padded
    size = write("Unsqueeze", write("Cast", size, to=FLOAT), [0])
    batch = size_of(write, description["input"]["name"], 0)
    shape = write("Concat", batch, [2], axis=0)
    write("Expand", size, shape, output=description["input"]["image_sizes"])


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


def _replace_inputs(model: onnx.ModelProto, fed: dict) -> None:
    from onnx import helper

    gone = (fed["name"], fed.get("image_sizes"))
    others = [value for value in model.graph.input if value.name not in gone]
    batch = "batch" if fed["batch"] is None else fed["batch"]
    shape = [batch, "height", "width", 3]
    image = helper.make_tensor_value_info(fed["name"], UINT8, shape)
    del model.graph.input[:]
    model.graph.input.extend([image, *others])


def _by_channel(values: list[float]) -> np.ndarray:
    return np.array(values, dtype=np.float32).reshape(1, 3, 1, 1)
