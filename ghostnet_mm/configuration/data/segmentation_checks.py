"""Checking the data of a segmentation run before it starts.

mmseg lists image files beside label maps of the same name, and does not say in a
sentence what is missing.
"""

from __future__ import annotations

import inspect
import os
from collections.abc import Mapping, Sequence
from typing import Any

from mmengine.config import Config

from ...errors import DataError
from .stated_classes import (
    check_class_count,
    datasets_derived_from,
    missing,
    stated_classes,
)


def check_segmentation_data(cfg: Config, splits: Sequence[str]) -> None:
    """Check that the pictures and label maps that a run will read are there.

    Args:
        cfg: The config after all options.
        splits: Which of ``train``, ``val``, ``test`` the run uses.

    Raises:
        DataError: Folders or files are missing.
        OptionError: The number of classes differs from the model's, or a dataset's type
            is unknown.
    """
    for place, dataset, kind in datasets_derived_from("BaseSegDataset", cfg, splits):
        _check_label_maps(dataset, kind, place)
        check_class_count(cfg.model, stated_classes(dataset, kind), place)


def _check_label_maps(dataset: Mapping[str, Any], kind: type, place: str) -> None:
    root = dataset.get("data_root") or ""
    prefix = dataset.get("data_prefix") or {}
    ann_file = dataset.get("ann_file")
    if ann_file and not os.path.exists(os.path.join(root, ann_file)):
        raise missing("list of names", os.path.join(root, ann_file), place)
    for key, what in (("img_path", "image folder"), ("seg_map_path", "label folder")):
        folder = os.path.join(root, prefix.get(key) or "")
        if prefix.get(key) is not None and not os.path.isdir(folder):
            raise missing(what, folder, place)
    images = os.path.join(root, prefix.get("img_path") or "")
    suffix = dataset.get("img_suffix") or _default(kind, "img_suffix", ".jpg")
    if not ann_file and not _holds(images, suffix):
        raise DataError(
            f"The image folder {images} of {place} holds no file that ends in "
            f"{suffix}; check data_prefix and img_suffix, or --data-root."
        )


def _holds(folder: str, suffix: str) -> bool:
    return any(
        name.endswith(suffix) for _, _, files in os.walk(folder) for name in files
    )


def _default(kind: type, argument: str, fallback: str) -> str:
    """Return the value a dataset class gives an argument when the config has none."""
    for base in kind.__mro__:
        if "__init__" not in vars(base):
            continue
        parameter = inspect.signature(vars(base)["__init__"]).parameters.get(argument)
        if parameter is not None and parameter.default is not parameter.empty:
            return str(parameter.default)
    return fallback
