"""Whether a detector's checkpoint fits a detector, found out before it is used.

mmengine loads checkpoints leniently: what is missing keeps its random weights and what
is left over is dropped, with a warning among hundreds of lines.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import Any

from mmengine.config import Config
from torch import Tensor, nn

from ..checkpoints import load_checkpoint_file
from ..configuration.files.text import config_from_text
from ..configuration.training.accumulation import EMA_HOOKS
from ..errors import CheckpointError, OptionError

KEYS_SHOWN = 5
# Absent from files older than PyTorch 0.4.1, and of no effect on the outputs.
COUNTER = "num_batches_tracked"


def read_detector_weights(
    path: str | os.PathLike,
) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Read a detector's weights and what its checkpoint says about them.

    Where a run kept an average of the weights, mmengine stores the average as
    ``state_dict``, and that is what is returned.

    Returns:
        The weights by parameter name, and the checkpoint's ``meta`` (may be empty).

    Raises:
        CheckpointError: The file is missing, unsafe, damaged or holds no weights.
    """
    checkpoint = load_checkpoint_file(path)
    if not isinstance(checkpoint, Mapping):
        raise CheckpointError(
            f"{path} holds a {type(checkpoint).__name__}, not a detector's weights; "
            f"pass a checkpoint written by ghostnet train."
        )
    weights = checkpoint.get("state_dict", checkpoint)
    weights = {
        key.removeprefix("module."): value
        for key, value in weights.items()
        if isinstance(value, Tensor)
    }
    if not weights:
        raise CheckpointError(
            f"{path} holds no weights; pass a checkpoint written by ghostnet train."
        )
    meta = checkpoint.get("meta")
    return weights, dict(meta) if isinstance(meta, Mapping) else {}


def check_fit(
    detector: nn.Module, weights: Mapping[str, Tensor], path: str | os.PathLike
) -> None:
    """Make sure that weights and detector have the same tensors.

    Args:
        detector: The detector; its tensors may be on the meta device.
        weights: The weights by parameter name.
        path: Where they come from, for the message.

    Raises:
        CheckpointError: Keys are missing or left over, or shapes differ.
    """
    wanted = detector.state_dict()
    missing = [k for k in wanted if k not in weights and not k.endswith(COUNTER)]
    unexpected = [key for key in weights if key not in wanted]
    reshaped = [
        f"{key} {tuple(weights[key].shape)} instead of {tuple(wanted[key].shape)}"
        for key in weights
        if key in wanted and weights[key].shape != wanted[key].shape
    ]
    problems = [
        f"{len(keys)} {what} ({', '.join(keys[:KEYS_SHOWN])}"
        f"{', ...' if len(keys) > KEYS_SHOWN else ''})"
        for keys, what in (
            (missing, "missing"),
            (unexpected, "unexpected"),
            (reshaped, "of another shape"),
        )
        if keys
    ]
    if problems:
        raise CheckpointError(
            f"{path} is a checkpoint of another architecture than the config's: of its "
            f"keys {', '.join(problems)}; use the config, --cfg-options and "
            f"--data-root it was trained with."
        )


def check_resumable(detector: nn.Module, path: str, cfg: Config) -> None:
    """Make sure that a run can continue from a checkpoint.

    Args:
        detector: The detector; its tensors may be on the meta device.
        path: The checkpoint.
        cfg: The config of the run that is to continue.

    Raises:
        CheckpointError: The file is unusable, of another architecture, or holds weights
            only.
        OptionError: The run had other training features, whose state would be lost.
    """
    if not os.path.isfile(path):
        raise CheckpointError(
            f"The checkpoint {path} to resume from does not exist; remove "
            f"last_checkpoint from the work dir, or name another with --resume PATH."
        )
    weights, meta = read_detector_weights(path)
    try:
        check_fit(detector, weights, path)
    except CheckpointError as error:
        raise CheckpointError(
            f"{str(error).rstrip('.')}; or start a new run from what fits of it with "
            f"--cfg-options load_from={path} in place of --resume."
        ) from error
    if not {"epoch", "iter"} <= set(meta):
        raise CheckpointError(
            f"{path} holds weights without the state of a run, so it cannot be "
            f"resumed; start from its weights with --cfg-options load_from={path}."
        )
    if "config" in meta:
        # The layout of mmengine before 0.1; its runner would execute that text.
        raise CheckpointError(
            f"{path} carries a config as code, which resuming would run; start from "
            f"its weights with --cfg-options load_from={path}."
        )
    _check_same_features(meta, cfg, path)


def _check_same_features(meta: Mapping, now: Config, path: str) -> None:
    try:
        then = config_from_text(meta["cfg"])
    except (KeyError, TypeError, OptionError):
        return  # not one of our runs: nothing to compare with
    for flag, read in TRAINING_FEATURES.items():
        if read(then) != read(now):
            raise OptionError(
                f"{path} was trained with another {flag}; repeat the flags of its run "
                f"with --resume."
            )


def _averages(cfg: Mapping) -> bool:
    kinds = {str(hook.get("type")) for hook in cfg.get("custom_hooks") or ()}
    return bool(kinds & {*EMA_HOOKS, "WeightAverage"})


def _accumulated(cfg: Mapping) -> int:
    return (cfg.get("optim_wrapper") or {}).get("accumulative_counts", 1)


def _layer_decay(cfg: Mapping) -> float | None:
    groups = (cfg.get("optim_wrapper") or {}).get("paramwise_cfg") or {}
    return groups.get("decay_rate")


# What of a run's state only the same feature can take up again.
TRAINING_FEATURES: dict[str, Callable[[Mapping], object]] = {
    "--ema": _averages,
    "--accumulate": _accumulated,
    "--layer-decay": _layer_decay,
}


def check_start_weights(detector: nn.Module, path: str) -> None:
    """Make sure that ``load_from`` starts a run from something.

    Fine-tuning replaces some layers on purpose, so the file need not fit in full.

    Raises:
        CheckpointError: The file is unusable, or nothing in it fits the detector.
    """
    if "://" in path:
        return
    weights, _ = read_detector_weights(path)
    wanted = detector.state_dict()
    if not any(
        key in wanted and wanted[key].shape == value.shape
        for key, value in weights.items()
    ):
        raise CheckpointError(
            f"load_from={path} is a checkpoint of another architecture: none of its "
            f"{len(weights)} tensors fits the model; for a backbone's weights use "
            f"--backbone-weights."
        )
