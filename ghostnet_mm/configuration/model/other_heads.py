"""The heads of segmentors and classifiers follow the backbone.

The rule is that of ``backbone_channels``: a head's ``in_channels`` that agreed with the
file's backbone, and that the options did not touch, are taken from the backbone the
options ended up with; ``None`` is filled in; any other disagreement is an error. A
segmentation head says with ``in_index`` which maps it reads; a classifier reads the
last. A head that has the backbone's ``widen_factor`` for its own layers keeps to it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from mmdet.registry import MODELS

from ...errors import OptionError
from .detection_channels import Channels, backbone_channels

HEADS = ("decode_head", "auxiliary_head", "head")
# Necks that hand on as many channels as they get; all others say their in_channels.
POOLING_NECKS = {"GlobalAveragePooling", "GeneralizedMeanPooling"}


def name_our_scope(model: dict[str, Any]) -> None:
    """Let ``--cfg-options model.backbone.type=GhostNetV2`` do without ``mmdet.``."""
    backbone = model.get("backbone")
    kind = backbone.get("type") if isinstance(backbone, Mapping) else None
    if isinstance(kind, str) and "." not in kind and _is_ours(kind):
        backbone["type"] = f"mmdet.{kind}"


def match_heads(model: dict[str, Any], file_model: Mapping[str, Any]) -> list[str]:
    """Make the heads of ``model`` take the channels of its backbone.

    Only backbones of this package are followed: mmseg's and mmpretrain's do not all
    say what they return. Where a neck lies between, the heads read the neck.

    Args:
        model: The model's config after all options; changed in place.
        file_model: The model's config as the file has it.

    Returns:
        One line for each change.

    Raises:
        OptionError: A head's channels were stated on purpose and disagree, it reads a
            map that the backbone does not return, or the backbone cannot be built.
    """
    backbone = model.get("backbone")
    neck = model.get("neck")
    pools = isinstance(neck, Mapping) and neck.get("type") in POOLING_NECKS
    if not isinstance(backbone, Mapping) or not _is_ours(backbone.get("type")):
        return []
    if neck is not None and not pools:
        return []
    channels = backbone_channels(backbone)
    file_backbone = file_model["backbone"]
    # Another package's backbone is not asked: its heads were written for it.
    file_channels = channels
    if file_backbone != backbone and _is_ours(file_backbone.get("type")):
        file_channels = backbone_channels(file_backbone)
    file_heads = dict(_heads(file_model))
    changes = []
    for place, head in _heads(model):
        wanted = _read_by(head, channels, place)
        stated = head.get("in_channels")
        if _same(stated, wanted):
            continue
        file_head = file_heads.get(place, {})
        file_stated = file_head.get("in_channels")
        untouched = _same(stated, file_stated)
        file_agreed = (
            file_stated is not None
            and _fits(file_head, file_channels)
            and _same(file_stated, _read_by(file_head, file_channels, place))
        )
        if stated is not None and not (untouched and file_agreed):
            raise OptionError(
                f"{place}.in_channels is {stated}, but model.backbone returns "
                f"{_plain(wanted)} channels there; set it to None to take it from the "
                f"backbone, or change one of the two."
            )
        head["in_channels"] = wanted
        changes.append(f"{place}.in_channels follows the backbone: {_plain(wanted)}")
    return changes + _match_widths(model, file_model)


def _match_widths(model: dict[str, Any], file_model: Mapping[str, Any]) -> list[str]:
    changes = []
    new = model["backbone"].get("widen_factor", 1.0)
    old = file_model["backbone"].get("widen_factor", 1.0)
    file_heads = dict(_heads(file_model))
    for place, head in _heads(model):
        stated = head.get("widen_factor")
        untouched = stated == file_heads.get(place, {}).get("widen_factor")
        if stated is not None and untouched and stated == old != new:
            head["widen_factor"] = new
            changes.append(f"{place}.widen_factor follows the backbone: {new}")
    return changes


def _is_ours(kind: Any) -> bool:
    if not isinstance(kind, str):
        return False
    found = MODELS.get(kind.removeprefix("mmdet."))
    package = __name__.partition(".")[0]
    return found is not None and found.__module__.partition(".")[0] == package


def _heads(model: Mapping[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the place and the config of every head that reads the backbone's maps."""
    for name in HEADS:
        heads = model.get(name)
        if isinstance(heads, Mapping):
            heads, places = [heads], [f"model.{name}"]
        else:
            heads = list(heads or ())
            places = [f"model.{name}.{index}" for index in range(len(heads))]
        for place, head in zip(places, heads, strict=True):
            if "in_channels" in head:
                yield place, head


def _fits(head: Mapping[str, Any], channels: Channels) -> bool:
    index = head.get("in_index", -1)
    indices = index if isinstance(index, Sequence) else [index]
    return all(-len(channels) <= one < len(channels) for one in indices)


def _read_by(
    head: Mapping[str, Any], channels: Channels, place: str
) -> int | list[int]:
    index = head.get("in_index", -1)
    if not _fits(head, channels):
        raise OptionError(
            f"{place}.in_index is {index}, but model.backbone returns "
            f"{len(channels)} maps; change it, or model.backbone.out_indices."
        )
    if isinstance(index, Sequence):
        return [channels[one] for one in index]
    return channels[index]


def _same(one: Any, other: Any) -> bool:
    return _plain(one) == _plain(other)


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, Sequence) else value
