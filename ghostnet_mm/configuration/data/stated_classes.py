"""What a config says of its datasets' classes, and whether its model has as many."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from mmengine.config import Config
from mmengine.registry import DATASETS

from ...datasets.wrappers import datasets_of
from ...errors import DataError, OptionError

HEADS = ("decode_head", "auxiliary_head", "head")
NAMES_SHOWN = 5


def datasets_derived_from(
    base: str, cfg: Config, splits: Sequence[str]
) -> Iterator[tuple[str, Mapping[str, Any], type]]:
    """Yield the datasets of a config that derive from a class.

    Args:
        base: The name of the class, which need not be installed.
        cfg: The config.
        splits: Which of ``train``, ``val``, ``test`` are looked at.

    Yields:
        The dataset's place, its config, and its class.

    Raises:
        OptionError: A dataset's type is unknown.
    """
    for split in splits:
        for place, dataset in datasets_of(cfg, split):
            kind = dataset_class(dataset, place)
            if any(parent.__name__ == base for parent in kind.__mro__):
                yield place, dataset, kind


def dataset_class(dataset: Mapping[str, Any], place: str) -> type:
    """Return the class that a dataset's config names.

    Args:
        dataset: The config.
        place: Where it stands, for the message.

    Raises:
        OptionError: No dataset of that name is registered.
    """
    kind = dataset.get("type")
    if isinstance(kind, str):
        with DATASETS.switch_scope_and_registry(None) as registry:
            kind = registry.get(kind)
    if kind is None:
        raise OptionError(
            f"{place}.type is {dataset.get('type')!r}, which is not a registered "
            f"dataset; check its spelling, or import its module through custom_imports."
        )
    return kind


def stated_classes(dataset: Mapping[str, Any], kind: type) -> Sequence[str] | None:
    """Return the class names that a dataset's config or else its class states."""
    metainfo = dataset.get("metainfo") or {}
    return metainfo.get("classes") or getattr(kind, "METAINFO", {}).get("classes")


def check_class_count(
    model: Mapping[str, Any], classes: Sequence[str] | None, place: str
) -> None:
    """Make sure that the heads of a segmentor or classifier have as many classes.

    Args:
        model: The model's config.
        classes: The names; ``None`` where nothing states them.
        place: What states them, for the message.

    Raises:
        OptionError: The numbers differ.
    """
    for name in HEADS:
        heads = model.get(name)
        for head in [heads] if isinstance(heads, Mapping) else heads or ():
            count = head.get("num_classes")
            if classes is not None and count is not None and count != len(classes):
                more = ", ..." if len(classes) > NAMES_SHOWN else ""
                names = ", ".join(classes[:NAMES_SHOWN]) + more
                raise OptionError(
                    f"model.{name}.num_classes is {count}, but {place} has "
                    f"{len(classes)} classes ({names}); make them agree."
                )


def missing(what: str, path: str, place: str) -> DataError:
    """Return the error for a file or folder that a dataset names and that is absent.

    Args:
        what: What it is, such as ``image folder``.
        path: The file or folder.
        place: The dataset that names it.
    """
    return DataError(
        f"The {what} {path} of {place} does not exist; point the config at your data "
        f"with --data-root DIR."
    )
