"""Which rows of a head's tensors belong to which class.

A layer that scores classes has some outputs for each; starting a run from a checkpoint
with other classes, the rows of those with the same name can be carried over. Which
tensors these are and how their rows lie follows from building the model with one class
more: they have grown.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from ..configuration.model.building import build_on_meta
from ..datasets.layouts.coco import set_num_classes
from ..errors import OptionError

# Rows of a block besides the classes, and how many of them come first: none where each
# class has its own sigmoid, one behind them for the background of a softmax, and
# YOLOv3's box and objectness in front.
ROWS_IN_FRONT = {0: 0, 1: 0, 5: 5}
BOX_ROWS = 4


@dataclass(frozen=True)
class ClassRows:
    """How the classes lie along the first dimension of a tensor.

    Attributes:
        blocks: Equal parts of the rows, one per anchor; the classes repeat in each.
        in_front: Rows of a block before the first class.
        behind: Rows of a block after the last class.
        per_class: Rows of one class: four for boxes of each class, which lie together.
    """

    blocks: int
    in_front: int
    behind: int
    per_class: int

    def of_classes(self, tensor: Tensor, count: int) -> Tensor:
        """Return a view ``(blocks, classes, per_class, ...)`` of the classes' rows."""
        rows = self._blocks(tensor)[
            :, self.in_front : self.in_front + self._rows(count)
        ]
        return rows.unflatten(1, (count, self.per_class))

    def of_others(self, tensor: Tensor, count: int) -> tuple[Tensor, Tensor]:
        """Return views of the rows in front of the classes and behind them."""
        blocks = self._blocks(tensor)
        last = self.in_front + self._rows(count)
        return blocks[:, : self.in_front], blocks[:, last:]

    def num_rows(self, count: int) -> int:
        """Return the rows of a tensor for so many classes."""
        return self.blocks * (self.in_front + self._rows(count) + self.behind)

    def _rows(self, count: int) -> int:
        return count * self.per_class

    def _blocks(self, tensor: Tensor) -> Tensor:
        return tensor.unflatten(0, (self.blocks, -1))


def find_class_rows(
    model: nn.Module, config: Mapping[str, Any], count: int
) -> dict[str, ClassRows]:
    """Find the tensors of a model that have rows for its classes.

    Args:
        model: The model; its tensors may be on the meta device.
        config: Its config.
        count: The number of its classes.

    Returns:
        How their rows lie, by name. Empty where the config does not say in its
        ``num_classes`` how many classes the model has, as for panoptic models.
    """
    larger_config = copy.deepcopy(dict(config))
    try:
        set_num_classes(larger_config, count + 1)
        larger = build_on_meta(larger_config, "model").state_dict()
    except OptionError:
        return {}
    found = {}
    for name, tensor in model.state_dict().items():
        other = larger.get(name)
        if other is None or other.shape == tensor.shape:
            continue
        if other.shape[1:] == tensor.shape[1:]:
            rows = _layout(name, len(tensor), len(other) - len(tensor), count)
            if rows is not None:
                found[name] = rows
    return found


def _layout(name: str, rows: int, added: int, count: int) -> ClassRows | None:
    if added < 1 or rows % added:
        return None
    others = rows // added - count
    # mmdet's box branch has the four numbers of a class together.
    if added == BOX_ROWS and others == 0 and "reg" in name:
        return ClassRows(blocks=1, in_front=0, behind=0, per_class=BOX_ROWS)
    if others not in ROWS_IN_FRONT:
        return None
    in_front = ROWS_IN_FRONT[others]
    return ClassRows(added, in_front, others - in_front, per_class=1)


def carry_rows(
    rows: ClassRows,
    theirs: Tensor,
    ours: Tensor,
    their_classes: Sequence[str],
    our_classes: Sequence[str],
) -> Tensor | None:
    """Return ``ours`` with the rows that ``theirs`` has for classes of the same name.

    Rows that belong to no class, such as the background's, are taken too.

    Args:
        rows: How the rows lie.
        theirs: The tensor of the checkpoint.
        ours: The tensor of the model, whose rows stay for new classes.
        their_classes: The checkpoint's class names, in label order.
        our_classes: The model's class names, in label order.

    Returns:
        A new tensor; ``None`` where ``theirs`` is not of such a layer.
    """
    counts = len(their_classes), len(our_classes)
    fits = theirs.shape[1:] == ours.shape[1:] and (len(theirs), len(ours)) == (
        rows.num_rows(counts[0]),
        rows.num_rows(counts[1]),
    )
    if not fits:
        return None
    carried = ours.detach().clone()
    for target, source in zip(
        rows.of_others(carried, counts[1]),
        rows.of_others(theirs, counts[0]),
        strict=True,
    ):
        target.copy_(source)
    shared = [name for name in our_classes if name in their_classes]
    targets = torch.tensor([our_classes.index(name) for name in shared]).long()
    sources = torch.tensor([their_classes.index(name) for name in shared]).long()
    values = rows.of_classes(theirs, counts[0])[:, sources.to(theirs.device)]
    rows.of_classes(carried, counts[1])[:, targets.to(carried.device)] = values.to(
        carried
    )
    return carried
