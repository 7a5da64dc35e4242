"""Checking the data of a detection run before it starts: files, boxes, classes."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mmengine.config import Config

from ...datasets.checks.panoptic import check_panoptic_annotations
from ...datasets.clean_copy.copying import split_behind
from ...datasets.layouts.folder import evaluators_in, is_coco_metric
from ...datasets.wrappers import inner_datasets
from ...errors import DataError, OptionError
from .stated_classes import dataset_class

HEADS = ("bbox_head", "mask_head", "roi_head")
PANOPTIC = "CocoPanopticDataset"
CHECKED = ("CocoDataset", PANOPTIC)
PANOPTIC_HEADS = ("semantic_head", "panoptic_head", "panoptic_fusion_head")


@dataclass(frozen=True)
class AnnotatedFolder:
    """One COCO-style dataset of a config.

    Attributes:
        place: Where the config has it, such as ``train_dataloader.dataset``.
        ann_file: Its annotation file.
        image_dir: The folder of its images.
        classes: The class names it selects, in label order.
        things: Those of them that are objects; for boxes, all.
        seg_dir: The folder of a panoptic dataset's PNGs.
    """

    place: str
    ann_file: str
    image_dir: str
    classes: tuple[str, ...]
    things: tuple[str, ...]
    seg_dir: str | None = None


def check_detection_data(cfg: Config, splits: Sequence[str]) -> None:
    """Check every COCO dataset that the run will read.

    Args:
        cfg: The config after all options and `use_clean_data`.
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
        evaluator = None if split == "train" else cfg.get(f"{split}_evaluator")
        with_masks = _loads_masks(loader["dataset"]) or _evaluates_masks(evaluator)
        for folder in folders:
            _check_class_count(cfg.model, folder)
            key = (folder.ann_file, folder.image_dir, folder.classes, with_masks)
            if key not in checked:
                checked.add(key)
                _check_files(folder)
                _check_content(folder, with_masks)
        if folders and evaluator:
            _check_evaluators(evaluator, split, folders)


def annotated_folders(dataset: dict[str, Any], place: str) -> Iterator[AnnotatedFolder]:
    """Yield the COCO and COCO panoptic datasets inside ``dataset``.

    Raises:
        OptionError: No dataset of that name is registered.
    """
    for inner_place, inner in inner_datasets(dataset, place):
        kind = dataset_class(inner, inner_place)
        # Other annotation formats subclass them but are not checked here.
        if kind.__name__ in CHECKED and inner.get("ann_file"):
            yield _annotated_folder(inner, kind, inner_place)


def _annotated_folder(
    dataset: Mapping[str, Any], kind: type, place: str
) -> AnnotatedFolder:
    root = dataset.get("data_root") or ""
    prefix = dataset.get("data_prefix") or {}
    prefix = dict(img=prefix) if isinstance(prefix, str) else prefix
    metainfo = {**getattr(kind, "METAINFO", {}), **(dataset.get("metainfo") or {})}
    classes = metainfo["classes"]
    classes = (classes,) if isinstance(classes, str) else tuple(classes)
    is_panoptic = kind.__name__ == PANOPTIC
    return AnnotatedFolder(
        place,
        os.path.join(root, dataset["ann_file"]),
        os.path.join(root, prefix.get("img") or ""),
        classes,
        tuple(metainfo["thing_classes"]) if is_panoptic else classes,
        os.path.join(root, prefix.get("seg") or "") if is_panoptic else None,
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


def _panoptic_counts(model: Mapping[str, Any]) -> Iterator[tuple[str, int]]:
    for name in PANOPTIC_HEADS:
        for kind in ("num_things_classes", "num_stuff_classes"):
            if isinstance((model.get(name) or {}).get(kind), int):
                yield f"model.{name}.{kind}", model[name][kind]


def _check_class_count(model: Mapping[str, Any], folder: AnnotatedFolder) -> None:
    for place, count in class_counts(model):
        if count != len(folder.things):
            names = ", ".join(folder.things[:5])
            more = ", ..." if len(folder.things) > 5 else ""
            raise OptionError(
                f"{place} is {count}, but {folder.place} has {len(folder.things)} "
                f"classes ({names}{more}); use --data-root, which sets both, or make "
                f"num_classes and metainfo.classes agree."
            )
    if folder.seg_dir is None:
        return
    things, stuff = len(folder.things), len(folder.classes) - len(folder.things)
    for place, count in _panoptic_counts(model):
        expected = things if place.endswith("things_classes") else stuff
        if count != expected:
            raise OptionError(
                f"{place} is {count}, but {folder.place} has {things} thing and "
                f"{stuff} stuff classes; make them agree."
            )


def _loads_masks(part: Any) -> bool:
    """Say whether any pipeline in a dataset's config loads masks from COCO's file."""
    if isinstance(part, Mapping):
        return part.get("with_mask") is True or any(map(_loads_masks, part.values()))
    return isinstance(part, (list, tuple)) and any(map(_loads_masks, part))


def _evaluates_masks(evaluators: Any) -> bool:
    for evaluator in evaluators_in(evaluators):
        kinds = evaluator.get("metric", ())
        if "segm" in ([kinds] if isinstance(kinds, str) else kinds):
            return True
    return False


def _check_content(folder: AnnotatedFolder, with_masks: bool) -> None:
    if folder.seg_dir is None:
        if with_masks:
            _check_masks(folder)
        return
    check_panoptic_annotations(
        folder.ann_file,
        folder.image_dir,
        folder.seg_dir,
        folder.classes,
        folder.things,
    )


def _check_masks(folder: AnnotatedFolder) -> None:
    split = split_behind(folder.ann_file)
    if split is not None and split.without_mask:
        names = ", ".join(split.first_without_mask)
        more = ", ..." if split.without_mask > len(split.first_without_mask) else ""
        raise DataError(
            f"{' and '.join(split.sources)} has {split.without_mask} of "
            f"{split.objects} annotations without a usable 'segmentation' (ids {names}"
            f"{more}), and the config needs masks; export them as polygons, or choose "
            f"a config for boxes."
        )


def _check_files(folder: AnnotatedFolder) -> None:
    for path, what, exists in (
        (folder.ann_file, "annotation file", os.path.isfile),
        (folder.image_dir, "image folder", os.path.isdir),
        (folder.seg_dir, "folder of segment PNGs", os.path.isdir),
    ):
        if path is not None and not exists(path):
            raise DataError(
                f"The {what} {path} of {folder.place} does not exist; point the config "
                f"at your data with --data-root DIR."
            )


def _check_evaluators(
    evaluators: Any, split: str, folders: Sequence[AnnotatedFolder]
) -> None:
    for evaluator in evaluators_in(evaluators):
        kind = str(evaluator.get("type")).rpartition(".")[2]
        if not is_coco_metric(evaluator) and kind != "CocoPanopticMetric":
            continue
        files: dict[str, str | None] = {"ann_file": folders[0].ann_file}
        if kind == "CocoPanopticMetric":
            files["seg_prefix"] = folders[0].seg_dir
        for key, read in files.items():
            stated = evaluator.get(key)
            if stated is None:
                continue
            if not os.path.exists(stated):
                what = "annotation file" if key == "ann_file" else "PNG folder"
                raise DataError(
                    f"The {what} {stated} of {split}_evaluator does not exist; point "
                    f"the config at your data with --data-root DIR."
                )
            if len(folders) == 1 and read and not os.path.samefile(stated, read):
                raise OptionError(
                    f"{split}_evaluator.{key} is {stated}, but {split}_dataloader "
                    f"reads {read}; make them the same."
                )
