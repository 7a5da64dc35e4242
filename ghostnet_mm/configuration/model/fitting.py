"""Making the parts of a config's model fit each other, by building it once.

The backbone is built first, without memory, and asked for its channels; then the whole
model is built around it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from mmengine.config import Config
from torch import nn

from ..console import tell
from .backbone_channels import is_ours
from .building import build_on_meta
from .classification_heads import match_classification_heads
from .detection_channels import drop_foreign_arguments, match_channels
from .detector_checks import check_detector
from .segmentation_heads import match_segmentation_heads
from .task_scopes import CLASSIFICATION, OPTIONAL_SCOPES, SEGMENTATION, scope_of

HEAD_MATCHERS: dict[
    str, Callable[[dict[str, Any], Mapping[str, Any], nn.Module], list[str]]
] = {
    SEGMENTATION: match_segmentation_heads,
    CLASSIFICATION: match_classification_heads,
}


def fit_model_together(cfg: Config, file_model: Mapping[str, Any]) -> nn.Module:
    """Let neck and heads follow the backbone, in place, and build the model.

    What is changed is told.

    Args:
        cfg: The config after all options.
        file_model: The model's config as the file has it.

    Returns:
        The model in eval mode, its tensors on the meta device.

    Raises:
        OptionError: A part cannot be built, or parts were made to disagree.
    """
    model, scope = cfg.model, scope_of(cfg)
    backbone = None
    if isinstance(model.get("backbone"), Mapping):
        if scope in OPTIONAL_SCOPES:
            _name_our_scope(model["backbone"])
        _tell_each(
            drop_foreign_arguments(model["backbone"], file_model.get("backbone"))
        )
        backbone = build_on_meta(model["backbone"], "model.backbone")
        _tell_each(match_channels(model, file_model, backbone))
        if scope in HEAD_MATCHERS:
            _tell_each(*HEAD_MATCHERS[scope](model, file_model, backbone))
    built = build_on_meta(model, "model", backbone)
    if scope not in OPTIONAL_SCOPES:
        # Anchors and their strides are a matter of detectors.
        check_detector(built, model)
    return built


def _name_our_scope(backbone: dict[str, Any]) -> None:
    """Let ``--cfg-options model.backbone.type=GhostNetV2`` do without ``mmdet.``."""
    kind = backbone.get("type")
    if isinstance(kind, str) and "." not in kind and is_ours(kind):
        backbone["type"] = f"mmdet.{kind}"


def _tell_each(*changes: str | None) -> None:
    for change in filter(None, changes):
        tell(change)
