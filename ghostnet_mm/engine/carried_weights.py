"""What a run takes from the checkpoint that it starts from (``load_from``).

mmengine takes what fits and says of the rest nothing that a user would see.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor, nn

from .class_rows import carry_rows, find_class_rows

NAMES_SHOWN = 3


@dataclass
class CarriedWeights:
    """The outcome of `carry_over`.

    Attributes:
        weights: What the model is to load, by the names of its tensors.
        total: How many tensors the model has.
        by_class: Tensors of which rows of classes with the same name were taken.
        carried_classes: These classes.
        new_classes: The classes whose rows start anew.
        anew: Tensors that start anew in full.
        unused: Tensors of the checkpoint that were not used.
    """

    weights: dict[str, Tensor] = field(default_factory=dict)
    total: int = 0
    by_class: list[str] = field(default_factory=list)
    carried_classes: list[str] = field(default_factory=list)
    new_classes: list[str] = field(default_factory=list)
    anew: list[str] = field(default_factory=list)
    unused: list[str] = field(default_factory=list)

    def summary(self) -> str:
        """Say on one line what was taken and what starts anew."""
        whole = len(self.weights) - len(self.by_class)
        parts = [f"{whole} of {self.total} tensors taken"]
        if self.by_class:
            layers = _layers(self.by_class)
            if not self.carried_classes:
                parts.append(f"{layers} anew for all classes, which have other names")
            else:
                anew = (
                    f", anew for {_first(self.new_classes)}" if self.new_classes else ""
                )
                parts.append(
                    f"{layers} by name of the class: taken for "
                    f"{_first(self.carried_classes)}{anew}"
                )
        if self.anew:
            parts.append(f"{len(self.anew)} start anew ({_layers(self.anew)})")
        if self.unused:
            parts.append(f"{len(self.unused)} of the file not used")
        return "; ".join(parts)


def stored_classes(checkpoint: Mapping[str, Any]) -> tuple[str, ...] | None:
    """Return the class names that a checkpoint of OpenMMLab carries, if any."""
    meta = checkpoint.get("meta")
    if not isinstance(meta, Mapping):
        return None
    return class_names_in(meta.get("dataset_meta")) or class_names_in(meta)


def class_names_in(metainfo: object) -> tuple[str, ...] | None:
    """Return the ``classes`` of a dataset's description, if it names any."""
    if not isinstance(metainfo, Mapping):
        return None
    # mmdet 2 and the first versions of mmdet 3 wrote it in capitals.
    names = metainfo.get("classes") or metainfo.get("CLASSES")
    if not names:
        return None
    return (names,) if isinstance(names, str) else tuple(names)


def carry_over(
    model: nn.Module,
    config: Mapping[str, Any],
    weights: Mapping[str, Tensor],
    their_classes: Sequence[str] | None,
    our_classes: Sequence[str] | None,
) -> CarriedWeights:
    """Decide what a model takes from a checkpoint of another run.

    Tensors of the same name and shape are taken. Where the classes differ, in number,
    names or order, the rows of those with the same name are taken, and the others
    start anew.

    Args:
        model: The model, with the numbers that it would start from.
        config: Its config.
        weights: The checkpoint's tensors by name.
        their_classes: The checkpoint's class names in label order, if it has any.
        our_classes: The model's class names in label order, if they are known.
    """
    state = model.state_dict()
    classes_differ = (
        their_classes is not None
        and our_classes is not None
        and list(their_classes) != list(our_classes)
    )
    outcome = CarriedWeights(total=len(state))
    class_rows = {}
    if classes_differ and our_classes and their_classes:
        class_rows = find_class_rows(model, config, len(our_classes))
        for name in our_classes:
            is_old = name in their_classes
            (outcome.carried_classes if is_old else outcome.new_classes).append(name)
    for name, tensor in state.items():
        found = weights.get(name)
        if found is not None and name in class_rows:
            found = carry_rows(
                class_rows[name], found, tensor, their_classes or (), our_classes or ()
            )
            if found is not None:
                outcome.by_class.append(name)
        if found is None or found.shape != tensor.shape:
            # Absent from old files, and of no effect on the outputs.
            if not name.endswith("num_batches_tracked"):
                outcome.anew.append(name)
            continue
        outcome.weights[name] = found
    outcome.unused = [name for name in weights if name not in state]
    return outcome


def _layers(names: Iterable[str]) -> str:
    """Return the modules of some tensors, ``retina_cls`` for its weight and bias."""
    return _first(list(dict.fromkeys(name.rpartition(".")[0] for name in names)))


def _first(names: Sequence[str]) -> str:
    more = len(names) - NAMES_SHOWN
    return ", ".join(names[:NAMES_SHOWN]) + (f" and {more} more" if more > 0 else "")
