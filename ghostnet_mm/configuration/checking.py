"""Checking a user's data as ``ghostnet check`` does, alone or against a config."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from ghostnet_runtime.atomic_writing import write_text

from ..datasets.annotations.data_set import DataSet
from ..datasets.annotations.findings import Findings
from ..datasets.annotations.kinds import new_findings
from ..datasets.checks.config_fit import (
    ConfigFit,
    fit_of_classes,
    resized_boxes,
    told_classes,
)
from ..datasets.checks.contents import class_contents, split_contents
from ..datasets.checks.data_check import (
    FORMAT,
    DataCheck,
    listed_findings,
    told_lines,
)
from ..datasets.checks.examining import (
    examine_boxes,
    examine_pictures,
    odd_classes,
)
from ..datasets.checks.page import check_page
from ..datasets.checks.suspects import Suspects
from ..datasets.clean_copy.cache import cache_folder
from ..datasets.clean_copy.summary import summarize
from ..datasets.layouts.filters import tell_filters
from ..datasets.layouts.folder import is_of_type
from ..datasets.reading import ReadingOptions, list_roots, read_data_set
from ..datasets.wrappers import datasets_of
from ..errors import OptionError
from .data.config_sizes import anchors_of, least_box, rescales_of
from .loading import PreparedRun
from .model.detector_checks import finest_stride
from .model.task_scopes import OPTIONAL_SCOPES, scope_of


@dataclass(frozen=True)
class CheckedData:
    """A data set that was checked.

    Attributes:
        result: What was found.
        data: The data set.
        suspects: The pictures and boxes to look at.
    """

    result: DataCheck
    data: DataSet
    suspects: Suspects

    def write_page(self, path: str | os.PathLike[str]) -> None:
        """Write the page of the check: HTML that needs no other file."""
        write_text(path, check_page(self.result, self.data, self.suspects))


def check_user_data(
    roots: Sequence[str | os.PathLike[str]],
    config: PreparedRun | None = None,
    crowd_as_objects: bool = False,
) -> CheckedData:
    """Read data roots as training does, decode every picture, and look for oddities.

    Args:
        roots: Folders or annotation files, in any layout; they are not changed.
        config: The config to train with, if it is known.
        crowd_as_objects: Whether crowd regions are objects.

    Raises:
        DataError: The data cannot be used.
        OptionError: The config is not of a detector.
    """
    started = time.monotonic()
    if config is not None and scope_of(config.cfg) in OPTIONAL_SCOPES:
        raise OptionError("ghostnet check is for boxes; name the config of a detector.")
    store = cache_folder().with_name("splits")
    options = ReadingOptions(
        crowd_as_objects=crowd_as_objects, every_split=True, split_store=store
    )
    listings, repairs = list_roots(roots), new_findings()
    data = read_data_set(listings, options, repairs)
    suspects = Suspects(data)
    classes = class_contents(data)
    labelled = [name for name, split in data.splits.items() if split.is_labelled]
    counts = {name: [c.objects[name] for c in classes] for name in labelled}
    for kind, place, told in odd_classes(data.classes, counts):
        suspects.findings.add(kind, place, told)
    examine_boxes(suspects, data)
    fit = None if config is None else _examine_fit(config, data, suspects, repairs)
    examine_pictures(suspects, data)
    result = DataCheck(
        FORMAT,
        tuple(str(listing.root) for listing in listings),
        {name: split_contents(split) for name, split in data.splits.items()},
        classes,
        tuple(listed_findings(repairs, suspects.findings)),
        tuple(told_lines(repairs, suspects.findings)),
        fit,
        round(time.monotonic() - started, 2),
    )
    return CheckedData(result, data, suspects)


def _examine_fit(
    config: PreparedRun, data: DataSet, suspects: Suspects, repairs: Findings
) -> ConfigFit | None:
    cfg = config.cfg
    _count_left_out(config, data, suspects, repairs)
    _compare_classes(config, data, suspects)
    rescales, anchors = rescales_of(cfg), anchors_of(cfg)
    stride = finest_stride(config.model, cfg.model)
    if stride is None or not rescales:
        return None
    alike = len(set(rescales.values())) == 1
    phases = list(rescales)[-1:] if alike else list(rescales)
    fit = ConfigFit(
        Path(cfg.filename or "config").stem,
        {phase: str(rescale) for phase, rescale in rescales.items()},
        stride,
        None if anchors is None else anchors.overlap,
        {
            phase: fit_of_classes(data, rescales[phase], stride, anchors)
            for phase in phases
        },
    )
    for kind, column in (("fit-cell", "below_cell"), ("fit-anchor", "without_anchor")):
        suspects.findings.add_all(kind, "", told_classes(fit, column))
    return fit


def _count_left_out(
    config: PreparedRun, data: DataSet, suspects: Suspects, repairs: Findings
) -> None:
    """Count what mmdet would leave out of training without a word."""
    split = data.splits.get("train")
    if split is None:
        return
    summary = summarize(split, Path(), "", len(data.classes))
    for _, dataset in datasets_of(config.cfg, "train"):
        if is_of_type(dataset, "CocoDataset"):
            tell_filters(dataset, summary, repairs)
            break
    least, rescale = least_box(config.cfg), rescales_of(config.cfg).get("train")
    if least is not None and rescale is not None:
        sides = resized_boxes(data, rescale)["train"]
        rows = np.flatnonzero((sides <= np.array(least)).any(axis=1))
        suspects.add_boxes("fit-filtered", "train", rows.tolist())


def _compare_classes(config: PreparedRun, data: DataSet, suspects: Suspects) -> None:
    """Tell the classes that a config chooses and the data lacks."""
    for _, dataset in datasets_of(config.cfg, "train"):
        chosen = (dataset.get("metainfo") or {}).get("classes") or ()
        chosen = (chosen,) if isinstance(chosen, str) else chosen
        absent = [name for name in chosen if name not in data.classes]
        suspects.findings.add_all("fit-class", "", absent)
        return
