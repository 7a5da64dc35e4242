"""Checking the data of a run before it starts: files, boxes, classes."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mmdet.registry import DATASETS
from mmengine.config import Config

from ..datasets.annotation_checks import check_annotations
from ..errors import DataError, OptionError

HEADS = ("bbox_head", "mask_head", "roi_head")


@dataclass(frozen=True)
class AnnotatedFolder:
    """One COCO-style dataset of a config.

    Attributes:
        place: Where the config has it, such as ``train_dataloader.dataset``.
        ann_file: Its annotation file.
        image_dir: The folder of its images.
        classes: The class names it selects, in label order.
    """

    place: str
    ann_file: str
    image_dir: str
    classes: tuple[str, ...]


def check_data(cfg: Config, splits: Sequence[str]) -> None:
    """Check every dataset that the run will read.

    Args:
        cfg: The config after all options.
        splits: Which of ``train``, ``val``, ``test`` the run uses.

    Raises:
        DataError: Files are missing or annotations are unusable.
        OptionError: The number of classes differs from the model's, or an evaluator
            reads other annotations than its dataset.
    """
    checked = set()
    for split in splits:
        loader = cfg.get(f"{split}_dataloader")
        if loader is None:
            continue
        place = f"{split}_dataloader.dataset"
        folders = list(annotated_folders(loader["dataset"], place))
        for folder in folders:
            _check_class_count(cfg.model, folder)
            key = (folder.ann_file, folder.image_dir, folder.classes)
            if key not in checked:
                checked.add(key)
                _check_files(folder)
                check_annotations(folder.ann_file, folder.image_dir, folder.classes)
        if folders and split != "train":
            _check_evaluators(cfg.get(f"{split}_evaluator"), split, folders)


def annotated_folders(
    dataset: Mapping[str, Any], place: str
) -> Iterator[AnnotatedFolder]:
    """Yield the COCO datasets inside ``dataset``, through any wrapper."""
    if isinstance(dataset.get("dataset"), Mapping):
        yield from annotated_folders(dataset["dataset"], f"{place}.dataset")
    for index, inner in enumerate(dataset.get("datasets") or ()):
        yield from annotated_folders(inner, f"{place}.datasets.{index}")
    kind = dataset.get("type")
    kind = DATASETS.get(kind) if isinstance(kind, str) else kind
    if kind is None:
        raise OptionError(
            f"{place}.type is {dataset.get('type')!r}, which is not a registered "
            f"dataset; check its spelling, or import its module through custom_imports."
        )
    # Panoptic and other annotation formats subclass it but are not checked here.
    if kind.__name__ != "CocoDataset" or not dataset.get("ann_file"):
        return
    root = dataset.get("data_root") or ""
    prefix = dataset.get("data_prefix") or {}
    prefix = prefix if isinstance(prefix, str) else prefix.get("img", "")
    metainfo = dataset.get("metainfo") or {}
    classes = metainfo.get("classes") or kind.METAINFO["classes"]
    classes = (classes,) if isinstance(classes, str) else tuple(classes)
    yield AnnotatedFolder(
        place,
        os.path.join(root, dataset["ann_file"]),
        os.path.join(root, prefix),
        classes,
    )


def class_counts(model: Mapping[str, Any]) -> Iterator[tuple[str, int]]:
    """Yield the place and value of each ``num_classes`` of the detection heads."""
    for name in HEADS:
        if name in model:
            yield from _class_counts(model[name], f"model.{name}")


def _class_counts(node: Any, place: str) -> Iterator[tuple[str, int]]:
    if isinstance(node, Mapping):
        if isinstance(node.get("num_classes"), int):
            yield f"{place}.num_classes", node["num_classes"]
        for key in (*HEADS, "0"):
            if key in node:
                yield from _class_counts(node[key], f"{place}.{key}")
    elif isinstance(node, (list, tuple)):
        for index, value in enumerate(node):
            yield from _class_counts(value, f"{place}.{index}")


def _check_class_count(model: Mapping[str, Any], folder: AnnotatedFolder) -> None:
    for place, count in class_counts(model):
        if count != len(folder.classes):
            names = ", ".join(folder.classes[:5])
            more = ", ..." if len(folder.classes) > 5 else ""
            raise OptionError(
                f"{place} is {count}, but {folder.place} has {len(folder.classes)} "
                f"classes ({names}{more}); use --data-root, which sets both, or make "
                f"num_classes and metainfo.classes agree."
            )


def _check_files(folder: AnnotatedFolder) -> None:
    for path, what, exists in (
        (folder.ann_file, "annotation file", os.path.isfile),
        (folder.image_dir, "image folder", os.path.isdir),
    ):
        if not exists(path):
            raise DataError(
                f"The {what} {path} of {folder.place} does not exist; point the config "
                f"at your data with --data-root DIR."
            )


def _check_evaluators(
    evaluators: Any, split: str, folders: Sequence[AnnotatedFolder]
) -> None:
    if isinstance(evaluators, Mapping):
        evaluators = [evaluators]
    for evaluator in evaluators or ():
        if str(evaluator.get("type")).rpartition(".")[2] != "CocoMetric":
            continue
        ann_file = evaluator.get("ann_file")
        if ann_file is None:
            continue
        if not os.path.isfile(ann_file):
            raise DataError(
                f"The annotation file {ann_file} of {split}_evaluator does not exist; "
                f"point the config at your data with --data-root DIR."
            )
        if len(folders) == 1 and not os.path.samefile(ann_file, folders[0].ann_file):
            raise OptionError(
                f"{split}_evaluator.ann_file is {ann_file}, but {split}_dataloader "
                f"reads {folders[0].ann_file}; make them the same file."
            )
