"""Testing weights that somebody else has trained: published ImageNet classifiers."""

import os
from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn

from ...checkpoints import read_weights
from ...checkpoints.classifier_layout import (
    classifier_weights,
    is_published_classifier,
)
from ...checkpoints.sources import TIMM_SCHEME
from ...configuration.model.task_scopes import CLASSIFICATION
from ...errors import OptionError
from ..detector_checkpoint import read_detector_weights


def read_tested_weights(
    model: nn.Module, source: str | os.PathLike[str], scope: str
) -> tuple[dict[str, Tensor], Mapping[str, Any] | None]:
    """Read the weights that a test is asked for.

    Args:
        model: What they are for; its tensors may be on the meta device.
        source: A checkpoint of ``ghostnet train``; for a classifier also
            ``timm://NAME``, or a file in the layout of timm or of the authors.
        scope: The config's scope.

    Returns:
        The weights by the model's names, and what the checkpoint says about itself;
        ``None`` of published weights, whose tensors have other names.

    Raises:
        OptionError: timm has no weights of that name.
        CheckpointError: The weights cannot be had or read.
    """
    if scope == CLASSIFICATION:
        weights = read_weights(source)
        if is_published_classifier(weights):
            return classifier_weights(model.get_submodule("backbone"), weights), None
    elif str(source).startswith(TIMM_SCHEME):
        raise OptionError(
            f"{source} holds a classifier; give a checkpoint written by ghostnet train."
        )
    return read_detector_weights(source)
