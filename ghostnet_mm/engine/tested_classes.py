"""Labels of a checkpoint and of the data it is tested on, matched by name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from mmengine.config import Config
from torch import Tensor, nn

from ..configuration.console import tell
from ..configuration.data.clean_data import copies_read
from ..datasets.annotations.findings import printable
from ..datasets.wrappers import datasets_of
from ..errors import DataError
from .carried_weights import class_names_in, stored_classes
from .class_rows import carry_rows, find_class_rows

NAMES_SHOWN = 5


def weights_for_classes(
    model: nn.Module,
    cfg: Config,
    weights: Mapping[str, Tensor],
    meta: Mapping[str, Any],
    checkpoint: object,
) -> dict[str, Tensor] | None:
    """Put a checkpoint's class rows in the order of the test split's classes.

    mmdet compares labels by number alone: with the same names in another order every
    score would be wrong without a word.

    Args:
        model: The config's model; its tensors may be on the meta device.
        cfg: The config, after `use_clean_data`.
        weights: The checkpoint's tensors.
        meta: What it says about itself.
        checkpoint: Its path, for messages.

    Returns:
        The weights in the other order; ``None`` where they are right as they are, or
        where one side names no classes.

    Raises:
        DataError: Some names are the same and some are not, or the model's rows cannot
            be told apart.
    """
    theirs, ours = stored_classes({"meta": meta}), tested_classes(cfg)
    if theirs is None or ours is None or theirs == ours:
        return None
    if len(theirs) != len(ours):
        return None  # The model has as many as the data, and fits: other names of both.
    unknown = [name for name in ours if name not in theirs]
    if len(unknown) == len(ours):
        tell(
            f"the checkpoint calls its classes {_listed(theirs)} and the data "
            f"{_listed(ours)}: they are compared one by one in this order"
        )
        return None
    rows = {} if unknown else find_class_rows(model, cfg.model, len(ours))
    if unknown or not rows:
        raise DataError(
            f"{checkpoint} was trained on the classes {_listed(theirs)}, and the test "
            f"split has {_listed(ours)}; give both the same names in the same order."
        )
    tell("the checkpoint has the classes in another order: they are matched by name")
    turned = dict(weights)
    for name, layout in rows.items():
        found = carry_rows(layout, weights[name], weights[name], theirs, ours)
        if found is not None:
            turned[name] = found
    return turned


def tested_classes(cfg: Config) -> tuple[str, ...] | None:
    """Return the names of the test split by label; ``None`` where they are unknown."""
    for copy, _ in copies_read(cfg, "test"):
        chosen = [
            class_names_in(dataset.get("metainfo"))
            for _, dataset in datasets_of(cfg, "test")
        ]
        wanted = next((names for names in chosen if names), copy.classes)
        # mmdet numbers them in the file's order, whatever the order of the config.
        return tuple(name for name in copy.classes if name in wanted)
    return None


def _listed(names: Sequence[str]) -> str:
    shown = ", ".join(printable(name, 30) for name in names[:NAMES_SHOWN])
    more = len(names) - NAMES_SHOWN
    return f"{shown} and {more} more" if more > 0 else shown
