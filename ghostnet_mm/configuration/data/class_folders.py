"""Pictures in one folder per class: the names of the classes are the folders'."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from mmengine.config import Config

from ...datasets.wrappers import datasets_of
from ...errors import DataError

SPLITS = ("train", "val", "test")
# Datasets of mmpretrain whose layout is one folder per class.
FOLDER_DATASETS = ("CustomDataset", "ImageNet")
# ImageNet's folders are WordNet ids, which its dataset class has names for.
IMAGENET_CLASSES = 1000
DIFFERING_SHOWN = 5


def class_folder(dataset: Mapping[str, Any]) -> tuple[str, str]:
    """Return the folder of the class folders and the annotation file, or ``""``.

    Args:
        dataset: The config of a classification dataset.
    """
    root = dataset.get("data_root") or ""
    prefix = dataset.get("data_prefix") or ""
    if isinstance(prefix, Mapping):
        prefix = prefix.get("img_path") or ""
    split, ann_file = dataset.get("split") or "", dataset.get("ann_file") or ""
    listed = os.path.join("meta", f"{split}.txt")
    if split and not ann_file and os.path.isfile(os.path.join(root, listed)):
        ann_file = listed
    folder = os.path.join(root, prefix or split)
    return folder, os.path.join(root, ann_file) if ann_file else ""


def subfolders(folder: str) -> list[str]:
    """Return the names of the folders in a folder, sorted; none where it is absent."""
    if not os.path.isdir(folder):
        return []
    return sorted(entry.name for entry in os.scandir(folder) if entry.is_dir())


def take_classes_from_folders(cfg: Config) -> None:
    """Let the class names and their number follow the folders, in place.

    Raises:
        DataError: The splits have folders of different names.
    """
    classes: list[str] = []
    for split in SPLITS:
        for _, dataset in datasets_of(cfg, split):
            folder, ann_file = class_folder(dataset)
            if not ann_file and dataset.get("type") in FOLDER_DATASETS:
                found = subfolders(folder)
                classes = classes or found
                if found and found != classes:
                    differing = sorted(set(found) ^ set(classes))
                    raise DataError(
                        f"The folders in {folder} are not the classes of the other "
                        f"splits ({', '.join(differing[:DIFFERING_SHOWN])}); give "
                        f"every split a folder for each class."
                    )
                if classes:
                    _name_classes(dataset, classes)
    if not classes:
        return
    head = cfg.model.get("head")
    if isinstance(head, dict) and "num_classes" in head:
        head["num_classes"] = len(classes)
    _rank_only_existing_classes(cfg, len(classes))


def _name_classes(dataset: dict[str, Any], classes: list[str]) -> None:
    named = (dataset.get("metainfo") or {}).get("classes")
    if named is not None and list(named) == classes:
        return
    if dataset["type"] == "ImageNet" and len(classes) == IMAGENET_CLASSES:
        return
    dataset["metainfo"] = dict(dataset.get("metainfo") or {}, classes=tuple(classes))


def _rank_only_existing_classes(cfg: Config, count: int) -> None:
    for split in ("val", "test"):
        evaluators = cfg.get(f"{split}_evaluator") or []
        for metric in [evaluators] if isinstance(evaluators, dict) else evaluators:
            if isinstance(metric.get("topk"), list | tuple):
                metric["topk"] = tuple(k for k in metric["topk"] if k <= count)
