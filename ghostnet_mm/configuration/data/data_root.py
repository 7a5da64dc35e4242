"""Pointing a config of any task at a folder (``--data-root``)."""

from __future__ import annotations

import os

from mmengine.config import Config

from ...datasets.layouts.coco import point_config_at
from ...datasets.wrappers import datasets_of
from ...errors import DataError
from ..model.task_scopes import CLASSIFICATION, OPTIONAL_SCOPES, scope_of
from .class_folders import SPLITS, take_classes_from_folders


def point_at_data_root(
    cfg: Config, root: str | os.PathLike[str], training: bool = True
) -> None:
    """Make a config read its data from a folder, in place.

    A detector's folder is in COCO layout, and everything follows from its files. For
    segmentation and classification the layout below the folder stays the config's;
    where pictures lie in one folder per class, the classes follow the folders.

    Args:
        cfg: The config to change.
        root: The folder.
        training: Whether the training split is needed.

    Raises:
        DataError: ``root`` is not a folder, or lacks what the task needs.
        OptionError: The config's datasets or model cannot be used with the folder.
    """
    if scope_of(cfg) not in OPTIONAL_SCOPES:
        point_config_at(cfg, root, training=training)
        return
    root = os.path.expanduser(os.fspath(root))
    if not os.path.isdir(root):
        raise DataError(f"The data root {root} is not a folder; check --data-root.")
    for split in SPLITS:
        for _, dataset in datasets_of(cfg, split):
            dataset["data_root"] = root
    if scope_of(cfg) == CLASSIFICATION:
        take_classes_from_folders(cfg)
