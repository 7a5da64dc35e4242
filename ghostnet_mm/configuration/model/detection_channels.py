"""The rest of a detector follows the backbone that the options ended up with.

A detector config states the backbone's channels twice: implicitly in the backbone's
arguments, and as ``in_channels`` of the neck (or of the head where there is no neck).
The rule applied when options change the backbone:

* the file's own ``in_channels`` agree with the file's own backbone, and the options did
  not touch them: they are set to the new channels, in the same order (mmdet's
  ``YOLOV3Neck`` lists the deepest map first), or to the deepest map's alone where the
  file has one number (``CTResNetNeck``, ``DilatedEncoder``);
* ``in_channels`` is ``None`` or absent: they are taken from the backbone;
* anything else that disagrees was stated on purpose and is an error naming both lists.

Of several necks, the first one reads the backbone. ``SSDNeck`` passes the backbone's
maps on and appends coarser ones, so wherever its ``in_channels`` followed, the first
of its ``out_channels`` do too, and with them the head's ``in_channels`` where these
equalled them.

Families differ in their arguments (``arch``, ``depth``, ``ratio``). Where options name
another class, arguments that the file gave to its own class and that the new one does
not take are dropped, and the user is told; one that the options set stays, and is an
error when the model is built.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

from mmdet.registry import MODELS
from torch import nn

from ...errors import OptionError
from .backbone_channels import (
    Channels,
    backbone_channels,
    image_channels,
    returned_channels,
)

DEEPEST_FIRST = {"YOLOV3Neck"}
PASSES_MAPS_ON = {"SSDNeck"}


def drop_foreign_arguments(backbone: dict[str, Any], file_backbone: Any) -> str | None:
    """Take out what the file stated for another class than the options chose.

    Args:
        backbone: The backbone's config after all options; changed in place.
        file_backbone: The backbone's config as the file has it, if it has one.

    Returns:
        What was left out, or None.
    """
    if not isinstance(file_backbone, Mapping):
        return None
    kind = _registered(backbone)
    if kind is None or backbone["type"] == file_backbone.get("type"):
        return None
    known = _arguments(kind)
    foreign = [
        key
        for key, value in file_backbone.items()
        if key != "type" and key not in known and backbone.get(key) == value
    ]
    dropped = {key: backbone.pop(key) for key in foreign if key in backbone}
    if not dropped:
        return None
    stated = ", ".join(f"{key}={value!r}" for key, value in dropped.items())
    return f"model.backbone: {kind.__name__} does not take {stated}: left out"


def _arguments(kind: type) -> set[str]:
    """Return the keyword arguments of a class, with those it hands to its bases."""
    names: set[str] = set()
    for owner in kind.__mro__:
        if "__init__" not in vars(owner):
            continue
        parameters = inspect.signature(vars(owner)["__init__"]).parameters.values()
        names |= {parameter.name for parameter in parameters}
        if all(parameter.kind is not parameter.VAR_KEYWORD for parameter in parameters):
            break
    return names


def match_channels(
    model: dict[str, Any], file_model: Mapping[str, Any], backbone: nn.Module
) -> str | None:
    """Make what reads the backbone's maps take their channels.

    Args:
        model: The model's config after all options; changed in place.
        file_model: The model's config as the file has it.
        backbone: The backbone of ``model``; its tensors may be on the meta device.

    Returns:
        What was changed, or None.

    Raises:
        OptionError: The channels were stated on purpose and disagree.
    """
    place, consumer = _consumer(model)
    if consumer is None or not _takes_in_channels(consumer):
        return None
    channels = returned_channels(backbone, image_channels(model["backbone"]))
    stated = consumer.get("in_channels")
    if stated is None:
        deepest_first = consumer["type"] in DEEPEST_FIRST
        return _set(consumer, place, channels[::-1] if deepest_first else channels)
    if _in_order(stated, channels):
        return None

    file_consumer = _consumer(file_model)[1] or {}
    file_stated = file_consumer.get("in_channels")
    untouched = file_stated is not None and _as_list(stated) == _as_list(file_stated)
    file_channels = (
        backbone_channels(file_model["backbone"])
        if untouched and file_model["backbone"] != model["backbone"]
        else channels
    )
    if untouched and _in_order(file_stated, file_channels):
        new = channels[-1] if isinstance(file_stated, int) else channels
        change = _set(consumer, place, new)
        if consumer["type"] in PASSES_MAPS_ON:
            _pass_on(model, consumer, len(file_channels))
        return change
    file_reverses = untouched and _in_order(file_stated, file_channels[::-1])
    if file_reverses or consumer["type"] in DEEPEST_FIRST:
        if _in_order(stated, channels[::-1]):
            return None
        if file_reverses:
            return _set(consumer, place, channels[::-1])
    raise OptionError(
        f"{place}.in_channels is {_plain(stated)}, but model.backbone returns "
        f"{list(channels)} channels; leave {place}.in_channels out or set it to None "
        f"to take them from the backbone, or change one of the two."
    )


def _pass_on(model: dict[str, Any], neck: dict[str, Any], num_before: int) -> None:
    """Let the maps that ``neck`` only passes on have their new channels behind it."""
    before = list(neck["out_channels"])
    after = [*neck["in_channels"], *before[num_before:]]
    # SSDNeck compares the two, and a tuple never equals a list.
    neck["out_channels"] = type(neck["in_channels"])(after)
    head = model.get("bbox_head")
    if isinstance(head, dict) and _as_list(head.get("in_channels")) == before:
        head["in_channels"] = type(head["in_channels"])(after)


def _consumer(model: Mapping[str, Any]) -> tuple[str, Any]:
    """Return the place and the config of what reads the backbone's maps."""
    neck = model.get("neck")
    if isinstance(neck, (list, tuple)):
        return ("model.neck.0", neck[0]) if neck else ("model.neck", None)
    if isinstance(neck, Mapping):
        return "model.neck", neck
    head = model.get("bbox_head")
    if isinstance(head, Mapping) and "in_channels" in head:
        return "model.bbox_head", head
    return "model.neck", None


def _takes_in_channels(consumer: Mapping[str, Any]) -> bool:
    kind = _registered(consumer)
    # An unknown type is reported when the whole model is built.
    return kind is not None and "in_channels" in inspect.signature(kind).parameters


def _registered(part: Mapping[str, Any]) -> Any:
    kind = part.get("type")
    return MODELS.get(kind) if isinstance(kind, str) else kind


def _in_order(stated: Any, channels: Channels) -> bool:
    if isinstance(stated, int):
        return stated == channels[-1]
    return tuple(stated) == channels


def _set(consumer: dict[str, Any], place: str, channels: Channels | int) -> str:
    before = consumer.get("in_channels")
    consumer["in_channels"] = (
        channels if isinstance(channels, int) else type(before or [])(channels)
    )
    return f"{place}.in_channels follows the backbone: {_plain(channels)}"


def _as_list(value: Any) -> Any:
    return value if isinstance(value, int) or value is None else list(value)


def _plain(value: Any) -> str:
    return str(_as_list(value))
