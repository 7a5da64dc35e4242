"""Checking the data of a run before it starts, whatever its task."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from mmengine.config import Config

from ..model.task_scopes import CLASSIFICATION, SEGMENTATION, scope_of
from .classification_checks import check_classification_data
from .detection_checks import check_detection_data
from .segmentation_checks import check_segmentation_data

CHECKS: dict[str, Callable[[Config, Sequence[str]], None]] = {
    SEGMENTATION: check_segmentation_data,
    CLASSIFICATION: check_classification_data,
}


def check_data(cfg: Config, splits: Sequence[str]) -> None:
    """Check every dataset that the run will read.

    Args:
        cfg: The config after all options.
        splits: Which of ``train``, ``val``, ``test`` the run uses.

    Raises:
        DataError: Files are missing or annotations are unusable.
        OptionError: The config's parts disagree about the data, such as the number of
            classes, or a dataset's type is unknown.
    """
    CHECKS.get(scope_of(cfg), check_detection_data)(cfg, splits)
