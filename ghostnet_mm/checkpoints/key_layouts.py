"""Find the weights inside whatever a training script saved around them."""

from collections.abc import Mapping
from typing import Any

from mmengine.logging import print_log
from torch import Tensor

from ghostnet_mm.errors import CheckpointError

# The first one present is taken. Averaged (EMA) weights come first because they are
# the published ones: the official GhostNetV3 file holds both, with 77.13 (EMA) and
# 76.93 % top-1 (PaddleClas#3413). mmengine's `ema_state_dict` is absent on purpose: its
# EMAHook swaps the two on saving, so that the averaged weights are in `state_dict`.
_WRAPPERS = ("state_dict_ema", "state_dict", "model")

# thop, a profiler, left these beside every module of the official GhostNetV2 files.
_PROFILER_ENTRIES = {"total_ops", "total_params"}


def extract_state_dict(
    checkpoint: Any, source: str = "The checkpoint"
) -> dict[str, Tensor]:
    """Return the flat table of weights inside a loaded checkpoint.

    Accepts a flat dict, or one below ``state_dict_ema``, ``state_dict`` or ``model``
    (taken in this order, and logged when there was a choice). Removes the ``module.``
    of data-parallel training and a profiler's ``total_ops`` and ``total_params``. Of a
    detector or classifier from OpenMMLab only the backbone is kept, without its
    ``backbone.``.

    Args:
        checkpoint: What :func:`load_checkpoint_file` returned.
        source: What to call it in an error.

    Returns:
        Parameter name to tensor, in the file's order.

    Raises:
        CheckpointError: There are no weights in it, or something else among them.
    """
    weights = _unwrap(checkpoint, source)
    weights = {
        key: value
        for key, value in weights.items()
        if not (isinstance(key, str) and key.split(".")[-1] in _PROFILER_ENTRIES)
    }
    strangers = [
        str(key) for key, value in weights.items() if not _is_weight(key, value)
    ]
    if strangers or not weights:
        entries = ", ".join(strangers[:8]) or "nothing"
        raise CheckpointError(
            f"{source} holds {entries} where weights were expected; pass a file that "
            "holds a state dict, alone or below 'state_dict' or 'model'."
        )
    while all(key.startswith("module.") for key in weights):
        weights = _below("module.", weights)
    return _below("backbone.", weights) or weights


def _unwrap(checkpoint: object, source: str) -> Mapping[Any, Any]:
    if not isinstance(checkpoint, Mapping):
        raise CheckpointError(
            f"{source} holds a {type(checkpoint).__name__}, not a table of weights; "
            "pass a file that holds a state dict."
        )
    found = [name for name in _WRAPPERS if isinstance(checkpoint.get(name), Mapping)]
    if not found:
        return checkpoint
    if len(found) > 1:
        print_log(
            f"{source} holds {' and '.join(found)}: taking {found[0]}.",
            logger="current",
        )
    wrapped: Mapping[Any, Any] = checkpoint[found[0]]
    return wrapped


def _is_weight(key: Any, value: Any) -> bool:
    return isinstance(key, str) and isinstance(value, Tensor)


def _below(prefix: str, weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {
        key.removeprefix(prefix): value
        for key, value in weights.items()
        if key.startswith(prefix)
    }
