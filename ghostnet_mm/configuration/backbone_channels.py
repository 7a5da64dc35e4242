"""The neck's ``in_channels`` follow the backbone.

A detector config states the backbone's channels twice: implicitly in the backbone's
arguments, and as ``in_channels`` of the neck (or of the head where there is no neck).
The rule applied when options change the backbone:

* the file's own ``in_channels`` agree with the file's own backbone, and the options did
  not touch them: they are set to the new channels, in the same order (mmdet's
  ``YOLOV3Neck`` lists the deepest map first);
* ``in_channels`` is ``None`` or absent: they are taken from the backbone;
* anything else that disagrees was stated on purpose and is an error naming both lists.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from mmdet.registry import MODELS

from ..errors import OptionError
from .model_building import build_on_meta

DEEPEST_FIRST = {"YOLOV3Neck"}
PROBE_SIZE = 64

Channels = tuple[int, ...]


def backbone_channels(backbone: Mapping[str, Any]) -> Channels:
    """Return the channels of the maps that a backbone config returns, in its order.

    Raises:
        OptionError: The backbone cannot be built.
    """
    module = build_on_meta(backbone, "model.backbone")
    declared = getattr(module, "out_channels", None)
    if isinstance(declared, Sequence):
        return tuple(declared)
    device = next(module.parameters()).device
    # The images of another number of channels are a matter of the file's in_channels.
    image_channels = backbone.get("in_channels", 3)
    if not isinstance(image_channels, int):
        image_channels = 3
    image = torch.zeros(1, image_channels, PROBE_SIZE, PROBE_SIZE, device=device)
    with torch.no_grad():
        maps = module(image)
    maps = maps if isinstance(maps, (list, tuple)) else (maps,)
    return tuple(one.shape[1] for one in maps)


def match_channels(model: dict[str, Any], file_model: Mapping[str, Any]) -> str | None:
    """Make the neck (or the lone head) of ``model`` take its backbone's channels.

    Args:
        model: The detector's config after all options; changed in place.
        file_model: The detector's config as the file has it.

    Returns:
        One line saying what was changed, or None.

    Raises:
        OptionError: The channels were stated on purpose and disagree, or the backbone
            cannot be built.
    """
    if not isinstance(model.get("backbone"), Mapping):
        return None
    place, consumer = _consumer(model)
    if consumer is None or not _takes_in_channels(consumer):
        return None
    channels = backbone_channels(model["backbone"])
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
        return _set(consumer, place, new)
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
    kind = consumer.get("type")
    kind = MODELS.get(kind) if isinstance(kind, str) else kind
    # An unknown type is reported when the whole model is built.
    return kind is not None and "in_channels" in inspect.signature(kind).parameters


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
