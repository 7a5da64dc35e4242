"""Published ImageNet weights, with the names that a classifier of mmpretrain has.

The files of timm and of the authors are flat: ``conv_stem.weight`` to
``classifier.bias``. The trunk keeps its names below ``backbone.``; the tail, from
``blocks.9`` on, is the head's.
"""

import re
from collections.abc import Callable, Mapping

from torch import Tensor, nn

FIRST_LAYER_OF_TAIL = re.compile(r"blocks\.9\.0\.(?=conv\.|bn1\.)")
TAIL = ("conv_head.", "classifier.")


def is_published_classifier(weights: Mapping[str, Tensor]) -> bool:
    """Whether weights by name are a flat published file with its classifier."""
    return "classifier.weight" in weights and "conv_stem.weight" in weights


def classifier_weights(
    backbone: nn.Module, weights: Mapping[str, Tensor]
) -> dict[str, Tensor]:
    """Return published weights by the names of ``ImageClassifier``.

    Args:
        backbone: The classifier's backbone, asked for its ``checkpoint_rename``.
        weights: What `read_weights` returned.

    Returns:
        The same tensors below ``backbone.`` and ``head.``; a key that belongs to
        neither stays below ``backbone.``, for the check of the fit to find.
    """
    rename: Callable[[str], str] = getattr(backbone, "checkpoint_rename", str)
    renamed = {}
    for key, tensor in weights.items():
        tail = FIRST_LAYER_OF_TAIL.sub("", key)
        if tail != key or key.startswith(TAIL):
            renamed[f"head.{tail}"] = tensor
        else:
            renamed[f"backbone.{rename(key)}"] = tensor
    return renamed
