"""The data of segmentation and classification configs: pointing at it, checking it.

mmseg lists image files beside label maps of the same name; mmpretrain takes one folder
per class. Neither says in a sentence what is missing.
"""

from __future__ import annotations

import inspect
import os
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from mmengine.config import Config
from mmengine.registry import DATASETS

from ...errors import DataError, OptionError
from ..model.task_scopes import CLASSIFICATION, SEGMENTATION, scope_of

SPLITS = ("train", "val", "test")
HEADS = ("decode_head", "auxiliary_head", "head")


def point_at_root(cfg: Config, root: str | os.PathLike) -> None:
    """Set the ``data_root`` of every dataset of a config.

    The layout below it stays the config's. Where pictures lie in one folder per class,
    the number and names of the classes follow the folders.

    Raises:
        DataError: ``root`` is not a folder.
    """
    root = os.path.expanduser(os.fspath(root))
    if not os.path.isdir(root):
        raise DataError(f"The data root {root} is not a folder; check --data-root.")
    for split in SPLITS:
        for _, dataset in _datasets_of(cfg, split):
            dataset["data_root"] = root
    if scope_of(cfg) == CLASSIFICATION:
        _take_classes_from_folders(cfg)


def check_other_data(cfg: Config, splits: Sequence[str]) -> None:
    """Check that what a segmentation or classification run will read is there.

    Args:
        cfg: The config after all options.
        splits: Which of ``train``, ``val``, ``test`` the run uses.

    Raises:
        DataError: Folders or files are missing.
        OptionError: The number of classes differs from the model's, or a dataset's type
            is unknown.
    """
    for split in splits:
        for place, dataset in _datasets_of(cfg, split):
            kind = _kind_of(dataset, place)
            ancestors = {one.__name__ for one in kind.__mro__}
            if scope_of(cfg) == SEGMENTATION and "BaseSegDataset" in ancestors:
                _check_label_maps(dataset, kind, place)
                _check_class_count(cfg.model, _named_classes(dataset, kind), place)
            elif scope_of(cfg) == CLASSIFICATION and "CustomDataset" in ancestors:
                _check_class_folders(cfg.model, dataset, kind, place)


def _datasets_of(cfg: Config, split: str) -> Iterator[tuple[str, dict[str, Any]]]:
    loader = cfg.get(f"{split}_dataloader")
    if loader is not None:
        yield from _innermost(loader["dataset"], f"{split}_dataloader.dataset")


def _innermost(
    dataset: dict[str, Any], place: str
) -> Iterator[tuple[str, dict[str, Any]]]:
    if isinstance(dataset.get("dataset"), Mapping):
        yield from _innermost(dataset["dataset"], f"{place}.dataset")
    elif dataset.get("datasets"):
        for index, inner in enumerate(dataset["datasets"]):
            yield from _innermost(inner, f"{place}.datasets.{index}")
    else:
        yield place, dataset


def _kind_of(dataset: Mapping[str, Any], place: str) -> type:
    kind = dataset.get("type")
    if isinstance(kind, str):
        with DATASETS.switch_scope_and_registry(None) as registry:
            kind = registry.get(kind)
    if kind is None:
        raise OptionError(
            f"{place}.type is {dataset.get('type')!r}, which is not a registered "
            f"dataset; check its spelling, or import its module through custom_imports."
        )
    return kind


def _named_classes(dataset: Mapping[str, Any], kind: type) -> Sequence[str] | None:
    metainfo = dataset.get("metainfo") or {}
    return metainfo.get("classes") or getattr(kind, "METAINFO", {}).get("classes")


def _check_class_count(
    model: Mapping[str, Any], classes: Sequence[str] | None, place: str
) -> None:
    for name in HEADS:
        heads = model.get(name)
        for head in [heads] if isinstance(heads, Mapping) else heads or ():
            count = head.get("num_classes")
            if classes is not None and count is not None and count != len(classes):
                names = ", ".join(classes[:5]) + (", ..." if len(classes) > 5 else "")
                raise OptionError(
                    f"model.{name}.num_classes is {count}, but {place} has "
                    f"{len(classes)} classes ({names}); make them agree."
                )


def _check_label_maps(dataset: Mapping[str, Any], kind: type, place: str) -> None:
    root = dataset.get("data_root") or ""
    prefix = dataset.get("data_prefix") or {}
    ann_file = dataset.get("ann_file")
    if ann_file and not os.path.exists(os.path.join(root, ann_file)):
        raise _missing("list of names", os.path.join(root, ann_file), place)
    for key, what in (("img_path", "image folder"), ("seg_map_path", "label folder")):
        folder = os.path.join(root, prefix.get(key) or "")
        if prefix.get(key) is not None and not os.path.isdir(folder):
            raise _missing(what, folder, place)
    images = os.path.join(root, prefix.get("img_path") or "")
    suffix = dataset.get("img_suffix") or _default(kind, "img_suffix", ".jpg")
    if not ann_file and not _holds(images, (suffix,)):
        raise DataError(
            f"The image folder {images} of {place} holds no file that ends in "
            f"{suffix}; check data_prefix and img_suffix, or --data-root."
        )


def _check_class_folders(
    model: Mapping[str, Any], dataset: Mapping[str, Any], kind: type, place: str
) -> None:
    folder, ann_file = _class_folder(dataset)
    if ann_file:
        if not os.path.isfile(ann_file):
            raise _missing("list of labels", ann_file, place)
        _check_class_count(model, _named_classes(dataset, kind), place)
        return
    if not os.path.isdir(folder):
        raise _missing("image folder", folder, place)
    if dataset.get("with_label", True) and dataset.get("split") != "test":
        classes = _subfolders(folder)
        if not classes:
            raise DataError(
                f"The folder {folder} of {place} has no folders inside; it needs one "
                f"per class, named after it."
            )
        _check_class_count(model, classes, f"the folder {folder}")


def _take_classes_from_folders(cfg: Config) -> None:
    classes: list[str] = []
    for split in SPLITS:
        for _, dataset in _datasets_of(cfg, split):
            folder, ann_file = _class_folder(dataset)
            if not ann_file and dataset.get("type") in ("CustomDataset", "ImageNet"):
                found = _subfolders(folder)
                classes = classes or found
                if found and found != classes:
                    differing = sorted(set(found) ^ set(classes))
                    raise DataError(
                        f"The folders in {folder} are not the classes of the other "
                        f"splits ({', '.join(differing[:5])}); give every split a "
                        f"folder for each class."
                    )
                named = (dataset.get("metainfo") or {}).get("classes")
                if classes and (named is None or list(named) != classes):
                    _name_classes(dataset, classes)
    head = cfg.model.get("head")
    if classes and isinstance(head, Mapping) and "num_classes" in head:
        head["num_classes"] = len(classes)
    if classes:
        _rank_only_existing_classes(cfg, len(classes))


def _rank_only_existing_classes(cfg: Config, count: int) -> None:
    for split in ("val", "test"):
        evaluators = cfg.get(f"{split}_evaluator") or []
        for one in [evaluators] if isinstance(evaluators, Mapping) else evaluators:
            if isinstance(one.get("topk"), list | tuple):
                one["topk"] = tuple(k for k in one["topk"] if k <= count)


def _name_classes(dataset: dict[str, Any], classes: list[str]) -> None:
    # ImageNet's folders are WordNet ids, which its dataset class has names for.
    if dataset["type"] == "ImageNet" and len(classes) == 1000:
        return
    dataset["metainfo"] = dict(dataset.get("metainfo") or {}, classes=tuple(classes))


def _class_folder(dataset: Mapping[str, Any]) -> tuple[str, str]:
    """Return the folder of the class folders and the annotation file, if any."""
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


def _subfolders(folder: str) -> list[str]:
    if not os.path.isdir(folder):
        return []
    return sorted(entry.name for entry in os.scandir(folder) if entry.is_dir())


def _holds(folder: str, suffixes: tuple[str, ...]) -> bool:
    return any(
        name.endswith(suffixes) for _, _, files in os.walk(folder) for name in files
    )


def _default(kind: type, argument: str, fallback: str) -> str:
    """Return the value a dataset class gives an argument when the config has none."""
    for one in kind.__mro__:
        parameter = inspect.signature(one.__init__).parameters.get(argument)
        if parameter is not None and parameter.default is not parameter.empty:
            return parameter.default
    return fallback


def _missing(what: str, path: str, place: str) -> DataError:
    return DataError(
        f"The {what} {path} of {place} does not exist; point the config at your data "
        f"with --data-root DIR."
    )
