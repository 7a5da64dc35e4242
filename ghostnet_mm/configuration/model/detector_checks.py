"""Checks of a whole detector config before anything runs.

mmdet does not compare the strides of the maps with the strides of the anchors: taking
other maps from the backbone without saying so to the head trains a detector whose
anchors are in the wrong places. That is checked here, besides that backbone, neck and
dense heads take each other's channels.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import nn

from ...errors import OptionError
from .backbone_channels import image_channels

PROBE_SIZE = 512
DENSE_HEADS = ("bbox_head", "rpn_head")
_GENERATOR = {True: "anchor_generator.strides", False: "strides"}


def check_detector(detector: nn.Module, model: Mapping[str, Any]) -> None:
    """Compare the strides and channels that a detector's parts state.

    Args:
        detector: The detector; where its tensors are not on the meta device, nothing is
            compared.
        model: Its config.

    Raises:
        OptionError: A head expects maps of other strides or channels than the neck
            returns.
    """
    maps = _returned_maps(detector, image_channels(model.get("backbone") or {}))
    if maps is not None:
        returned = [round(PROBE_SIZE / level.shape[-1]) for level in maps]
        for place, expected, all_levels in _expected_strides(detector):
            seen = returned if all_levels else returned[: len(expected)]
            if _differ(seen, expected):
                raise OptionError(
                    f"{place} expects maps of strides {expected}, but the backbone and "
                    f"neck return strides {returned}; change {place}, "
                    f"model.backbone.out_indices or model.neck.num_outs."
                )
        _run_dense_heads(detector, maps)


def finest_stride(detector: nn.Module, model: Mapping[str, Any]) -> int | None:
    """Return the pixels of the input between two cells of the finest map of a head.

    Args:
        detector: The detector, built on the meta device.
        model: Its config.

    Returns:
        The stride; ``None`` where the detector does not tell.
    """
    stated = [min(strides) for _, strides, _ in _expected_strides(detector)]
    if stated:
        return min(stated)
    maps = _returned_maps(detector, image_channels(model.get("backbone") or {}))
    return None if not maps else round(PROBE_SIZE / max(m.shape[-1] for m in maps))


def _differ(seen: Sequence[int], expected: Sequence[int]) -> bool:
    """Whether strides differ; SSD's odd ones are quotients of its own image size."""
    return len(seen) != len(expected) or any(
        found != stated
        for found, stated in zip(seen, expected, strict=True)
        if stated & (stated - 1) == 0
    )


def _returned_maps(
    detector: nn.Module, num_channels: int
) -> tuple[torch.Tensor, ...] | None:
    """Return the maps that the heads receive of an image without numbers.

    None where the forward cannot run without numbers (operators that have no meta
    implementation), or where the detector has no plain image backbone.
    """
    extract_features: Any = getattr(detector, "extract_feat", None)
    if extract_features is None:
        return None
    parameter = next(detector.parameters(), None)
    if parameter is None or not parameter.is_meta:
        return None
    image = torch.zeros(1, num_channels, PROBE_SIZE, PROBE_SIZE, device="meta")
    try:
        with torch.no_grad():
            maps = extract_features(image)
    except (NotImplementedError, RuntimeError, TypeError, AttributeError) as error:
        if _is_about_channels(error):
            raise OptionError(
                f"The parts of the model do not fit together: {error}; check the "
                f"in_channels of model.neck, and their order."
            ) from error
        return None
    if not isinstance(maps, (list, tuple)):
        maps = (maps,)
    if not all(isinstance(level, torch.Tensor) and level.dim() == 4 for level in maps):
        return None
    return tuple(maps)


def _run_dense_heads(detector: nn.Module, maps: tuple[torch.Tensor, ...]) -> None:
    """Run the heads that read the neck's maps directly, for their channels."""
    for name in DENSE_HEADS:
        head = getattr(detector, name, None)
        if head is None:
            continue
        try:
            with torch.no_grad():
                head(maps)
        # Heads of other kinds want other arguments; only channels are judged here.
        except Exception as error:
            if _is_about_channels(error):
                channels = [level.shape[1] for level in maps]
                raise OptionError(
                    f"model.{name} does not take maps of {channels} channels, which "
                    f"the backbone and neck return; check the in_channels of "
                    f"model.{name}."
                ) from error


def _is_about_channels(error: Exception) -> bool:
    """Whether a convolution refused its input; torch says so in two ways."""
    return any(
        words in str(error)
        for words in ("channels, but got", "Invalid channel dimensions")
    )


def _expected_strides(detector: nn.Module) -> list[tuple[str, list[int], bool]]:
    """Return (place in the config, strides, whether every map must be named)."""
    expected = []
    for name in DENSE_HEADS:
        head = getattr(detector, name, None)
        generator = getattr(head, "prior_generator", None)
        strides = getattr(generator, "strides", None)
        if isinstance(strides, Sequence) and strides:
            # Strides of two directions are pairs.
            plain = [
                stride[0] if isinstance(stride, Sequence) else stride
                for stride in strides
            ]
            place = f"model.{name}.{_GENERATOR[hasattr(generator, 'base_anchors')]}"
            expected.append((place, [int(stride) for stride in plain], True))
    extractor = getattr(getattr(detector, "roi_head", None), "bbox_roi_extractor", None)
    strides = getattr(extractor, "featmap_strides", None)
    if isinstance(strides, Sequence) and strides:
        place = "model.roi_head.bbox_roi_extractor.featmap_strides"
        expected.append((place, [int(stride) for stride in strides], False))
    return expected
