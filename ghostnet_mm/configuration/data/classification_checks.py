"""Checking the data of a classification run before it starts.

mmpretrain takes one folder per class, and does not say in a sentence what is missing.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

from mmengine.config import Config

from ...errors import DataError
from .class_folders import class_folder, subfolders
from .stated_classes import (
    check_class_count,
    datasets_derived_from,
    missing,
    stated_classes,
)


def check_classification_data(cfg: Config, splits: Sequence[str]) -> None:
    """Check that the folders that a run will read are there.

    Args:
        cfg: The config after all options.
        splits: Which of ``train``, ``val``, ``test`` the run uses.

    Raises:
        DataError: Folders or files are missing.
        OptionError: The number of classes differs from the model's, or a dataset's type
            is unknown.
    """
    for place, dataset, kind in datasets_derived_from("CustomDataset", cfg, splits):
        _check_class_folders(cfg.model, dataset, kind, place)


def _check_class_folders(
    model: Mapping[str, Any], dataset: Mapping[str, Any], kind: type, place: str
) -> None:
    folder, ann_file = class_folder(dataset)
    if ann_file:
        if not os.path.isfile(ann_file):
            raise missing("list of labels", ann_file, place)
        check_class_count(model, stated_classes(dataset, kind), place)
        return
    if not os.path.isdir(folder):
        raise missing("image folder", folder, place)
    if dataset.get("with_label", True) and dataset.get("split") != "test":
        classes = subfolders(folder)
        if not classes:
            raise DataError(
                f"The folder {folder} of {place} has no folders inside; it needs one "
                f"per class, named after it."
            )
        check_class_count(model, classes, f"the folder {folder}")
