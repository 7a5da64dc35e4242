"""Pointing a config of any task at a folder (``--data-root``)."""

from __future__ import annotations

import os

from mmengine.config import Config

from ...datasets.wrappers import datasets_of
from ...errors import DataError, OptionError
from ..model.task_scopes import CLASSIFICATION, OPTIONAL_SCOPES, scope_of
from ..options import Options
from .class_folders import SPLITS, take_classes_from_folders
from .clean_data import change_reading, use_data_roots


def point_at_data_root(cfg: Config, options: Options, training: bool = True) -> None:
    """Make a config read its data as the options say, in place.

    A detector's folders are in any layout that is known, and everything follows from
    their files. For segmentation and classification the layout below the folder stays
    the config's; where pictures lie in one folder per class, the classes follow the
    folders.

    Args:
        cfg: The config to change.
        options: With any ``data_root``, and how data is read.
        training: Whether the training split is needed.

    Raises:
        DataError: A root is not a folder, or lacks what the task needs.
        OptionError: The config's datasets or model cannot be used with the folder.
    """
    roots = options.data_root
    if scope_of(cfg) not in OPTIONAL_SCOPES:
        asked = dict(
            strict=options.strict_data, crowd_as_objects=options.crowd_as_objects
        )
        if roots is not None:
            use_data_roots(cfg, roots, training, **asked)
        elif any(asked.values()):
            change_reading(cfg, training, **asked)
        return
    if options.strict_data or options.crowd_as_objects:
        raise OptionError(
            "--strict-data and --crowd-as-objects are for the boxes of detectors; "
            "leave them out for a segmentor or classifier."
        )
    if roots is None:
        return
    listed = [roots] if isinstance(roots, str | os.PathLike) else list(roots)
    if len(listed) > 1:
        raise OptionError("Only detection configs join several --data-root; name one.")
    root = os.path.expanduser(listed[0])
    if not os.path.isdir(root):
        raise DataError(f"The data root {root} is not a folder; check --data-root.")
    for split in SPLITS:
        for _, dataset in datasets_of(cfg, split):
            dataset["data_root"] = root
    if scope_of(cfg) == CLASSIFICATION:
        take_classes_from_folders(cfg)
