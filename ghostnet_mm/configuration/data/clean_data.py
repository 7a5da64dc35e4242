"""Detection data on its way to a run: every dataset reads a clean copy.

What was repaired or left out is told here, once, and refused where that was asked for.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from mmdet.datasets import CocoDataset
from mmengine.config import Config

from ...datasets.annotations.kinds import LEFT_OUT, REPAIRED, new_findings
from ...datasets.clean_copy.copying import (
    CleanCopy,
    clean_copy_of_file,
    copy_behind,
    split_behind,
)
from ...datasets.clean_copy.summary import CopySummary, SplitSummary
from ...datasets.layouts.coco import point_config_at, point_dataset_at
from ...datasets.layouts.filters import tell_filters
from ...datasets.layouts.folder import is_of_type
from ...datasets.layouts.panoptic import is_panoptic
from ...datasets.reading import ReadingOptions
from ...datasets.repairs.refusals import refuse_useless_counts
from ...datasets.wrappers import datasets_of
from ...errors import DataError, OptionError
from ..console import tell

_NOT_PANOPTIC = (
    "--strict-data and --crowd-as-objects are for boxes, and a panoptic config reads "
    "segment maps as they are; leave them out."
)


def use_data_roots(
    cfg: Config,
    roots: str | os.PathLike[str] | Sequence[str | os.PathLike[str]],
    training: bool = True,
    strict: bool = False,
    crowd_as_objects: bool = False,
) -> None:
    """Make a detection config read a user's folders, in place, and tell what was odd.

    Args:
        cfg: The config.
        roots: The folder or folders.
        training: Whether for training.
        strict: Whether to refuse what needs repairs.
        crowd_as_objects: Whether crowd regions are objects.

    Raises:
        DataError: The data cannot be used, or needs repairs and that is not wanted.
        OptionError: The config cannot be used with it.
    """
    copy = point_config_at(cfg, roots, training, crowd_as_objects)
    if copy is None:
        if strict or crowd_as_objects:
            raise OptionError(_NOT_PANOPTIC)
        return
    cfg.data_reading = dict(
        roots=list(copy.roots),
        training=training,
        strict=strict,
        crowd_as_objects=crowd_as_objects,
    )
    _tell(copy, strict)


def change_reading(
    cfg: Config, training: bool, strict: bool, crowd_as_objects: bool
) -> None:
    """Read the data that a config names already in another way, in place.

    Args:
        cfg: The config.
        training: Whether for training.
        strict: Whether to refuse what needs repairs.
        crowd_as_objects: Whether crowd regions are objects.

    Raises:
        DataError: The data cannot be used, or needs repairs and that is not wanted.
        OptionError: The config is panoptic.
    """
    if is_panoptic(cfg):
        raise OptionError(_NOT_PANOPTIC)
    roots = (cfg.get("data_reading") or {}).get("roots")
    if roots:
        use_data_roots(cfg, roots, training, strict, crowd_as_objects)
        return
    cfg.data_reading = dict(strict=strict, crowd_as_objects=crowd_as_objects)
    for split in ("train", "val", "test"):
        for dataset in _coco_datasets(cfg, split):
            _restore_origin(cfg, split, dataset)


def use_clean_data(cfg: Config, splits: Collection[str]) -> None:
    """Make the datasets that a config names itself read clean copies, in place.

    Datasets that read one already stay as they are; one whose copy is gone gets it
    anew. What mmdet leaves out of training without a word is told.

    Some are read as they are: those of annotations other than COCO's boxes, those with
    segment maps beside the pictures, and several that are scored together, whose ids
    clean copies would make the same.

    Args:
        cfg: The config after all options.
        splits: Which of ``train``, ``val``, ``test`` the run uses.

    Raises:
        DataError: Files are missing or cannot be used.
        OptionError: A dataset's type is unknown, or it is read as it is and options
            for reading were given.
    """
    for split in splits:
        for place, dataset in datasets_of(cfg, split):
            reading = cfg.get("data_reading") or {}
            if not _is_to_clean(cfg, split, dataset):
                if reading.get("strict") or reading.get("crowd_as_objects"):
                    raise OptionError(
                        f"{place} is read as it is, so --strict-data and "
                        f"--crowd-as-objects cannot be kept; leave them out, or point "
                        f"the config at the data with --data-root."
                    )
                continue
            file = _path_in(dataset, dataset["ann_file"])
            if not os.path.exists(file):
                if reading.get("roots"):
                    use_data_roots(cfg, **reading)
                    break
                _restore_origin(cfg, split, dataset)
                file = _path_in(dataset, dataset["ann_file"])
            if os.path.isfile(file) and copy_behind(file) is None:
                _replace(cfg, split, dataset, file)
    findings = new_findings()
    for dataset in _coco_datasets(cfg, "train") if "train" in splits else ():
        summary = split_behind(_path_in(dataset, dataset["ann_file"]))
        if summary is not None:
            tell_filters(dataset, summary, findings)
    for line in findings.lines():
        tell(line)


def data_report(cfg: Config, splits: Sequence[str]) -> dict[str, Any]:
    """Return what the clean copies of a run hold and how they came about.

    Args:
        cfg: The config, after `use_clean_data`.
        splits: Which of ``train``, ``val``, ``test`` the run uses.
    """
    report: dict[str, Any] = {"roots": (cfg.get("data_reading") or {}).get("roots")}
    told: set[str] = set()  # One copy may hold several splits.
    for split in splits:
        for copy, summary in copies_read(cfg, split):
            report["classes"] = list(copy.classes)
            if os.path.dirname(summary.file) not in told:
                told.add(os.path.dirname(summary.file))
                report["findings"] = [*report.get("findings", ()), *copy.findings]
            report.setdefault("splits", {})[split] = {
                "sources": list(summary.sources),
                "clean_copy": summary.file,
                "pictures": summary.pictures,
                "without_objects": summary.empty,
                "objects": summary.objects,
                "crowds": summary.crowds,
                "by_class": dict(zip(copy.classes, summary.class_counts, strict=True)),
            }
    return report


def copies_read(cfg: Config, split: str) -> Iterator[tuple[CopySummary, SplitSummary]]:
    """Yield the clean copies that a split's datasets read, and which part of them."""
    for dataset in _coco_datasets(cfg, split):
        file = _path_in(dataset, dataset["ann_file"])
        copy, summary = copy_behind(file), split_behind(file)
        if copy is not None and summary is not None:
            yield copy, summary


def _coco_datasets(cfg: Config, split: str) -> Iterator[dict[str, Any]]:
    for _, dataset in datasets_of(cfg, split):
        if is_of_type(dataset, "CocoDataset") and dataset.get("ann_file"):
            yield dataset


def _is_to_clean(cfg: Config, split: str, dataset: dict[str, Any]) -> bool:
    if not (is_of_type(dataset, "CocoDataset") and dataset.get("ann_file")):
        return False
    prefix = dataset.get("data_prefix")
    if isinstance(prefix, Mapping) and prefix.get("seg"):
        return False
    return split == "train" or len(list(datasets_of(cfg, split))) == 1


def _path_in(dataset: Mapping[str, Any], path: str) -> str:
    return os.path.abspath(os.path.join(dataset.get("data_root") or "", path))


def _replace(cfg: Config, split: str, dataset: dict[str, Any], file: str) -> None:
    """Make a dataset read the clean copy of its file, and its evaluators too."""
    prefix = dataset.get("data_prefix") or {}
    prefix = prefix if isinstance(prefix, str) else prefix.get("img") or ""
    folder = _path_in(dataset, prefix)
    if not os.path.isdir(folder):
        return  # The check of the run's files says so in its own words.
    chosen = (dataset.get("metainfo") or {}).get("classes")
    chosen = (chosen,) if isinstance(chosen, str) else chosen
    classes = tuple(chosen or CocoDataset.METAINFO["classes"])
    reading = cfg.get("data_reading") or {}
    options = ReadingOptions(
        training=split == "train",
        crowd_as_objects=bool(reading.get("crowd_as_objects")),
    )
    copy = clean_copy_of_file(file, folder, classes, chosen is not None, options)
    (summary,) = copy.summary.splits.values()
    if split != "test" and len(list(datasets_of(cfg, split))) == 1:
        refuse_useless_counts(summary.pictures, summary.objects, summary.crowds, file)
    metainfo = dataset.get("metainfo")
    point_dataset_at(dataset, summary, classes)
    if metainfo is not None:
        dataset["metainfo"] = metainfo
    _point_evaluators(cfg, split, file, summary.file)
    origin = dict(clean_copy=summary.file, ann_file=file, picture_folder=folder)
    known = cfg.get("data_origins") or []
    if origin not in known:
        cfg.data_origins = [*known, origin]
    _tell(copy, bool(reading.get("strict")))


def _restore_origin(cfg: Config, split: str, dataset: dict[str, Any]) -> None:
    """Make a dataset that reads a clean copy read the user's own file again."""
    file = _path_in(dataset, dataset["ann_file"])
    for origin in cfg.get("data_origins") or []:
        if origin["clean_copy"] == file:
            dataset["ann_file"] = origin["ann_file"]
            dataset["data_prefix"] = dict(img=origin["picture_folder"])
            _point_evaluators(cfg, split, file, origin["ann_file"])


def _point_evaluators(cfg: Config, split: str, old: str, new: str) -> None:
    evaluators = cfg.get(f"{split}_evaluator") or []
    metrics: list[Any] = (
        [evaluators] if isinstance(evaluators, Mapping) else list(evaluators)
    )
    for metric in metrics:
        stated = metric.get("ann_file")
        if stated and _is_same_file(stated, old):
            metric["ann_file"] = new


def _is_same_file(first: str, second: str) -> bool:
    try:
        return os.path.samefile(first, second)
    except OSError:  # One of them is gone.
        return os.path.abspath(first) == os.path.abspath(second)


def _tell(copy: CleanCopy, strict: bool) -> None:
    changes = copy.findings.lines((LEFT_OUT, REPAIRED))
    if strict and changes:
        raise DataError(
            f"--strict-data: {'; '.join(changes)}; correct the data, or leave the "
            f"option out."
        )
    for line in copy.findings.lines():
        tell(line)
