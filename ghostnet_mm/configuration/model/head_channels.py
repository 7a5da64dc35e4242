"""The heads of segmentors and classifiers follow the backbone.

The rule is that of ``detection_channels``: a head's ``in_channels`` that agreed with
the file's backbone, and that the options did not touch, are taken from the backbone the
options ended up with; ``None`` is filled in; any other disagreement is an error.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ...errors import OptionError
from .backbone_channels import Channels, backbone_channels, is_ours


def heads_of(
    model: Mapping[str, Any], names: Sequence[str]
) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the place and the config of every head that states its ``in_channels``.

    Args:
        model: The model's config.
        names: The keys under which it may have a head, or a list of them.
    """
    for name in names:
        heads = model.get(name)
        if isinstance(heads, Mapping):
            heads, places = [heads], [f"model.{name}"]
        else:
            heads = list(heads or ())
            places = [f"model.{name}.{index}" for index in range(len(heads))]
        for place, head in zip(places, heads, strict=True):
            if "in_channels" in head:
                yield place, head


def match_heads(
    model: dict[str, Any],
    file_model: Mapping[str, Any],
    channels: Channels,
    names: Sequence[str],
) -> list[str]:
    """Make heads take the channels of the backbone's maps that they read.

    A head says with ``in_index`` which maps these are; without it, it reads the last.

    Args:
        model: The model's config after all options; changed in place.
        file_model: The model's config as the file has it.
        channels: What the backbone of ``model`` returns.
        names: The keys of the heads.

    Returns:
        One line for each change.

    Raises:
        OptionError: A head's channels were stated on purpose and disagree, or it reads
            a map that the backbone does not return.
    """
    file_backbone = file_model["backbone"]
    # Another package's backbone is not asked: its heads were written for it.
    file_channels = channels
    if file_backbone != model["backbone"] and is_ours(file_backbone.get("type")):
        file_channels = backbone_channels(file_backbone)
    file_heads = dict(heads_of(file_model, names))
    changes = []
    for place, head in heads_of(model, names):
        wanted = _read_by(head, channels, place)
        stated = head.get("in_channels")
        if _plain(stated) == _plain(wanted):
            continue
        file_head = file_heads.get(place, {})
        file_stated = file_head.get("in_channels")
        untouched = _plain(stated) == _plain(file_stated)
        file_agreed = (
            file_stated is not None
            and _fits(file_head, file_channels)
            and _plain(file_stated) == _plain(_read_by(file_head, file_channels, place))
        )
        if stated is not None and not (untouched and file_agreed):
            raise OptionError(
                f"{place}.in_channels is {stated}, but model.backbone returns "
                f"{_plain(wanted)} channels there; set it to None to take it from the "
                f"backbone, or change one of the two."
            )
        head["in_channels"] = wanted
        changes.append(f"{place}.in_channels follows the backbone: {_plain(wanted)}")
    return changes


def _fits(head: Mapping[str, Any], channels: Channels) -> bool:
    wanted = head.get("in_index", -1)
    indices = wanted if isinstance(wanted, Sequence) else [wanted]
    return all(-len(channels) <= index < len(channels) for index in indices)


def _read_by(
    head: Mapping[str, Any], channels: Channels, place: str
) -> int | list[int]:
    wanted = head.get("in_index", -1)
    if not _fits(head, channels):
        raise OptionError(
            f"{place}.in_index is {wanted}, but model.backbone returns "
            f"{len(channels)} maps; change it, or model.backbone.out_indices."
        )
    if isinstance(wanted, Sequence):
        return [channels[index] for index in wanted]
    return channels[wanted]


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, Sequence) else value
