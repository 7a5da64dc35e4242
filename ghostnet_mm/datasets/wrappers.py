"""Datasets inside datasets: configs wrap what they read to repeat, join or mix it.

``RepeatDataset``, ``ClassBalancedDataset``, ``MultiImageMixDataset`` and their like
hold one ``dataset``, ``ConcatDataset`` a list of ``datasets``, in any depth.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from mmengine.config import Config

from ..errors import OptionError


def inner_datasets(
    dataset: dict[str, Any], place: str = "dataset"
) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the datasets that read files, inside any wrappers, in the config's order.

    Args:
        dataset: A dataset's config, wrapped or not.
        place: Where it stands, such as ``train_dataloader.dataset``.

    Yields:
        The place, such as ``train_dataloader.dataset.datasets.0``, and the config
        itself, not a copy.
    """
    if isinstance(dataset.get("dataset"), Mapping):
        yield from inner_datasets(dataset["dataset"], f"{place}.dataset")
    elif dataset.get("datasets"):
        for index, joined in enumerate(dataset["datasets"]):
            yield from inner_datasets(joined, f"{place}.datasets.{index}")
    else:
        yield place, dataset


def datasets_of(cfg: Config, split: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the inner datasets of a split, none where the config has no such split.

    Args:
        cfg: A config.
        split: ``train``, ``val`` or ``test``.
    """
    loader = cfg.get(f"{split}_dataloader")
    if loader is not None:
        yield from inner_datasets(loader["dataset"], f"{split}_dataloader.dataset")


def steps_of_testing(cfg: Config) -> list[dict[str, Any]]:
    """Return the steps of the test pipeline: a wrapper's own, or else the inner one's.

    Raises:
        OptionError: The config has no test split.
    """
    loader = cfg.get("test_dataloader")
    if loader is None:
        raise OptionError("The config has no test_dataloader to take a pipeline from.")
    dataset = loader["dataset"]
    while "pipeline" not in dataset and "dataset" in dataset:
        dataset = dataset["dataset"]
    return list(dataset["pipeline"])
