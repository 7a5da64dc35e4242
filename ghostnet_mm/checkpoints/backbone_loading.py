"""Load published weights into a backbone: all of them, or none and an error."""

import os
from collections.abc import Callable, Iterable

import torch
from mmengine.logging import print_log
from torch import Tensor, nn

from ghostnet_mm.checkpoints.sources import read_weights
from ghostnet_mm.errors import CheckpointError


def load_backbone_weights(backbone: nn.Module, source: str | os.PathLike[str]) -> None:
    """Copy the weights that ``source`` names into ``backbone``, strictly.

    Every parameter and buffer must be in the source with the same shape, and every
    entry of the source must have its place. Two optional methods of the backbone say
    what may differ:

    * ``checkpoint_rename(key) -> str`` turns a name in the source into the backbone's;
    * ``is_unused_checkpoint_key(key) -> bool`` tells that a (renamed) key belongs to
      the published classifier, but not to this trunk.

    ``num_batches_tracked`` may be absent, as in files older than PyTorch 0.4.1.
    Everything is checked before the first tensor is copied.

    Args:
        backbone: Receives the weights, on the device and with the dtype that it has.
        source: See :func:`read_weights`.

    Raises:
        OptionError: See :func:`read_weights`.
        CheckpointError: Keys are missing or left over, shapes differ, values are not
            finite, or see :func:`read_weights`.
    """
    found, left_out = _fitting_weights(backbone, source)
    backbone.load_state_dict({**backbone.state_dict(), **found}, strict=True)
    print_log(
        f"Loaded {len(found)} tensors from {source} into {type(backbone).__name__}"
        + (f", left out {left_out} of the classifier." if left_out else "."),
        logger="current",
    )


def check_backbone_weights(backbone: nn.Module, source: str | os.PathLike[str]) -> None:
    """Make sure that :func:`load_backbone_weights` would load, without loading.

    Args:
        backbone: Its tensors may be on the meta device.
        source: See :func:`read_weights`.

    Raises:
        OptionError: See :func:`read_weights`.
        CheckpointError: As :func:`load_backbone_weights` would.
    """
    _fitting_weights(backbone, source)


def _fitting_weights(
    backbone: nn.Module, source: str | os.PathLike[str]
) -> tuple[dict[str, Tensor], int]:
    """Return the weights by the backbone's names, and how many were left out."""
    weights = read_weights(source)
    expected = backbone.state_dict()
    found = _rename(backbone, weights, expected, source)
    missing = [
        key
        for key in expected
        if key not in found and not key.endswith("num_batches_tracked")
    ]
    _refuse_differences(backbone, source, found, expected, missing)
    return found, len(weights) - len(found)


def _rename(
    backbone: nn.Module,
    weights: dict[str, Tensor],
    expected: dict[str, Tensor],
    source: str | os.PathLike[str],
) -> dict[str, Tensor]:
    """Give the weights the backbone's names; leave out the published classifier."""
    rename: Callable[[str], str] = getattr(backbone, "checkpoint_rename", str)
    is_unused: Callable[[str], bool] = getattr(
        backbone, "is_unused_checkpoint_key", lambda key: False
    )
    found: dict[str, Tensor] = {}
    for key, tensor in weights.items():
        name = rename(key)
        if name not in expected and is_unused(name):
            continue
        if name in found:
            raise CheckpointError(
                f"{source} names {name} twice, the second time as {key}; pass a file "
                "with one set of weights."
            )
        found[name] = tensor
    return found


def _refuse_differences(
    backbone: nn.Module,
    source: str | os.PathLike[str],
    found: dict[str, Tensor],
    expected: dict[str, Tensor],
    missing: list[str],
) -> None:
    unexpected = [key for key in found if key not in expected]
    shared = [key for key in found if key in expected]
    reshaped = [
        f"{key} {tuple(found[key].shape)} instead of {tuple(expected[key].shape)}"
        for key in shared
        if found[key].shape != expected[key].shape
    ]
    retyped = [
        key
        for key in shared
        if found[key].is_floating_point() != expected[key].is_floating_point()
    ]
    broken = [key for key in shared if not torch.isfinite(found[key]).all()]
    problems = [
        f"{len(keys)} {problem} ({_list(keys)})"
        for keys, problem in (
            (missing, "keys are missing"),
            (unexpected, "keys are not part of it"),
            (reshaped, "tensors have another shape"),
            (retyped, "tensors are of another type"),
            (broken, "tensors hold NaN or infinity"),
        )
        if keys
    ]
    if not problems:
        return
    if missing or unexpected:
        advice = "choose weights of the same architecture"
    elif reshaped:
        advice = "set widen_factor and in_channels to those of the weights"
    else:
        advice = "get the file again"
    raise CheckpointError(
        f"{source} does not fit {type(backbone).__name__}: {'; '.join(problems)}; "
        f"nothing was loaded, {advice}."
    )


def _list(keys: Iterable[str], limit: int = 8) -> str:
    keys = list(keys)
    return ", ".join(keys[:limit]) + (", ..." if len(keys) > limit else "")
