"""Where NaN and infinity come from: the layer that made them first."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

NAMES_SHOWN = 3


@dataclass(frozen=True)
class Origin:
    """Where a loss that is not finite comes from.

    Attributes:
        weights: Names of parameters that are not finite themselves.
        layer: The first layer that makes something else of finite inputs, if any.
        losses: Names of the losses that are not finite.
        batch: Whether the pictures or labels are not finite as they come.
    """

    weights: tuple[str, ...] = ()
    layer: str | None = None
    losses: tuple[str, ...] = ()
    batch: bool = False

    def sentence_part(self) -> str:
        """Say it, for the middle of a sentence."""
        parts = []
        if self.losses:
            parts.append(f"in {first_names(self.losses)}")
        if self.weights:
            parts.append(f"for {first_names(self.weights)} is not finite any more")
        elif self.batch:
            parts.append("for the batch is not finite as it comes")
        elif self.layer is not None:
            parts.append(f"first behind {self.layer}")
        return ", ".join(parts) or "in the losses alone"


def find_origin(model: nn.Module, batch: Any) -> Origin:
    """Run a batch once more and see which layer is the first to leave finite numbers.

    Args:
        model: mmengine's model, in training mode; its running statistics move.
        batch: What its data loader gave.
    """
    weights = tuple(
        # Not buffers: running statistics may have taken in this very batch.
        name
        for name, parameter in model.named_parameters()
        if not _all_finite(parameter)
    )
    first: list[str] = []
    handles = [
        module.register_forward_hook(_watch(name, first))
        for name, module in model.named_modules()
        if name and next(module.children(), None) is None
    ]
    losses: Mapping[str, Any] = {}
    is_batch_bad = False
    try:
        with torch.no_grad():
            detector: Any = model  # of mmengine, whose parts have no types
            data = detector.data_preprocessor(batch, training=True)
            is_batch_bad = not _all_finite(data)
            losses = detector._run_forward(data, "loss")
    # It is only looked at what else there is to say about the batch.
    except Exception:
        losses = {}
    finally:
        for handle in handles:
            handle.remove()
    bad = tuple(name for name, value in losses.items() if not _all_finite(value))
    return Origin(weights, first[0] if first else None, bad, is_batch_bad)


def pictures_of(batch: Any) -> list[str]:
    """Return the files of a batch of OpenMMLab, as far as it names any."""
    samples = batch.get("data_samples") if isinstance(batch, Mapping) else None
    if not isinstance(samples, Iterable):
        return []
    paths = [getattr(sample, "img_path", None) for sample in samples]
    return [str(path) for path in paths if path]


def first_names(names: Iterable[str]) -> str:
    """Return the first of some names, and how many more there are."""
    listed = list(names)
    more = len(listed) - NAMES_SHOWN
    return ", ".join(listed[:NAMES_SHOWN]) + (f" and {more} more" if more > 0 else "")


def _watch(name: str, first: list[str]) -> Any:
    def look(module: nn.Module, inputs: tuple[Any, ...], output: Any) -> None:
        if not first and not _all_finite(output) and _all_finite(inputs):
            first.append(name)

    return look


def _all_finite(value: Any) -> bool:
    if isinstance(value, Tensor):
        return not value.is_floating_point() or bool(torch.isfinite(value).all())
    if isinstance(value, Mapping):
        return all(map(_all_finite, value.values()))
    if isinstance(value, (list, tuple)):
        return all(map(_all_finite, value))
    return True
