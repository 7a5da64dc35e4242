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
from ...datasets.layouts.coco import point_config_at, point_dataset_at
from ...datasets.layouts.filters import tell_filters
from ...datasets.layouts.folder import is_of_type
from ...datasets.reading import ReadingOptions
from ...datasets.wrappers import datasets_of
from ...errors import DataError
from ..console import tell


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
        return
    cfg.data_reading = dict(
        roots=list(copy.roots),
        training=training,
        strict=strict,
        crowd_as_objects=crowd_as_objects,
    )
    _tell(copy, strict)


def use_clean_data(cfg: Config, splits: Collection[str]) -> None:
    """Make the datasets that a config names itself read clean copies, in place.

    Datasets that read one already stay as they are; one whose copy is gone gets it
    anew. What mmdet leaves out of training without a word is told.

    Args:
        cfg: The config after all options.
        splits: Which of ``train``, ``val``, ``test`` the run uses.

    Raises:
        DataError: Files are missing or cannot be used.
        OptionError: A dataset's type is unknown.
    """
    reading = cfg.get("data_reading") or {}
    for split in splits:
        for dataset in _coco_datasets(cfg, split):
            file = _path_in(dataset, dataset["ann_file"])
            if reading.get("roots") and not os.path.exists(file):
                use_data_roots(cfg, **reading)
                break
            if os.path.isfile(file) and copy_behind(file) is None:
                _replace(cfg, split, dataset, file, bool(reading.get("strict")))
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
    for split in splits:
        for dataset in _coco_datasets(cfg, split):
            file = _path_in(dataset, dataset["ann_file"])
            copy, summary = copy_behind(file), split_behind(file)
            if copy is None or summary is None:
                continue
            report["classes"] = list(copy.classes)
            report["findings"] = copy.findings
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


def _coco_datasets(cfg: Config, split: str) -> Iterator[dict[str, Any]]:
    for _, dataset in datasets_of(cfg, split):
        if is_of_type(dataset, "CocoDataset") and dataset.get("ann_file"):
            yield dataset


def _path_in(dataset: Mapping[str, Any], path: str) -> str:
    return os.path.abspath(os.path.join(dataset.get("data_root") or "", path))


def _replace(
    cfg: Config, split: str, dataset: dict[str, Any], file: str, strict: bool
) -> None:
    """Make a dataset read the clean copy of its file, and its evaluators too."""
    prefix = dataset.get("data_prefix") or {}
    prefix = prefix if isinstance(prefix, str) else prefix.get("img") or ""
    folder = _path_in(dataset, prefix)
    if not os.path.isdir(folder):
        return  # The check of the run's files says so in its own words.
    chosen = (dataset.get("metainfo") or {}).get("classes")
    chosen = (chosen,) if isinstance(chosen, str) else chosen
    classes = tuple(chosen or CocoDataset.METAINFO["classes"])
    copy = clean_copy_of_file(
        file, folder, classes, chosen is not None, ReadingOptions(split == "train")
    )
    (summary,) = copy.summary.splits.values()
    metainfo = dataset.get("metainfo")
    point_dataset_at(dataset, summary, classes)
    if metainfo is not None:
        dataset["metainfo"] = metainfo
    evaluators = cfg.get(f"{split}_evaluator") or []
    metrics: list[Any] = (
        [evaluators] if isinstance(evaluators, Mapping) else list(evaluators)
    )
    for metric in metrics:
        stated = metric.get("ann_file")
        if stated and os.path.abspath(stated) == file:
            metric["ann_file"] = summary.file
    _tell(copy, strict)


def _tell(copy: CleanCopy, strict: bool) -> None:
    changes = copy.findings.lines((LEFT_OUT, REPAIRED))
    if strict and changes:
        raise DataError(
            f"--strict-data: {'; '.join(changes)}; correct the data, or leave the "
            f"option out."
        )
    for line in copy.findings.lines():
        tell(line)
