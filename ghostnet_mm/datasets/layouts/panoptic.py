"""Point a panoptic config at a folder with COCO's panoptic annotations.

Expected is the layout of COCO's own archives: ``annotations/panoptic_train2017.json``
beside the folder ``annotations/panoptic_train2017/`` of its PNGs, the same for val, and
the pictures as in `coco_layout`. The classes must be COCO's 133: a panoptic model
counts thing and stuff classes in several places and in that order.
"""

from dataclasses import dataclass
from pathlib import Path

from mmengine.config import Config

from ...errors import DataError
from ..checks.panoptic import check_categories, png_name, read_panoptic
from ..wrappers import datasets_of
from .folder import (
    PROBED_IMAGES,
    evaluators_in,
    find_annotation_files,
    find_image_dir,
    is_of_type,
    only_dataset,
    use_validation_for_testing,
)

DATASET = "CocoPanopticDataset"
ANNOTATION_FILES = ("annotations/panoptic_{name}.json", "panoptic_{name}.json")


@dataclass(frozen=True)
class PanopticSplit:
    """Where one split lies, relative to the data root."""

    ann_file: str
    image_dir: str  # '' is the data root itself
    seg_dir: str  # of the PNGs


def is_panoptic(cfg: Config) -> bool:
    """Say whether any dataloader of a config reads panoptic annotations."""
    return any(
        is_of_type(dataset, DATASET)
        for split in ("train", "val", "test")
        for _, dataset in datasets_of(cfg, split)
    )


def point_panoptic_config_at(cfg: Config, root: Path, training: bool = True) -> None:
    """Make a panoptic config read its data from a folder, in place.

    Sets the dataloaders' ``data_root``, ``ann_file`` and ``data_prefix``, and the
    evaluators' ``ann_file`` and ``seg_prefix``. A folder without a test split has its
    validation split tested, and the log says so.

    Args:
        cfg: The config to change.
        root: The folder.
        training: Whether the training split is needed.

    Raises:
        DataError: The folder, an annotation file, pictures or PNGs are missing, or the
            classes are not COCO's.
        OptionError: A dataset of the config is of another type.
    """
    splits = _find_splits(root, training)
    for name, split in splits.items():
        loader = cfg.get(f"{name}_dataloader")
        if loader:
            leaf = only_dataset(loader, name, DATASET)
            leaf["data_root"] = str(root)
            leaf["ann_file"] = split.ann_file
            leaf["data_prefix"] = dict(img=split.image_dir, seg=split.seg_dir)
            # The dataset's own classes are COCO's.
            leaf.pop("metainfo", None)
        evaluator = cfg.get(f"{name}_evaluator")
        if evaluator:
            _point_evaluator(evaluator, root, split)


def _find_splits(root: Path, training: bool) -> dict[str, PanopticSplit]:
    from mmdet.datasets import CocoPanopticDataset

    wanted = ("train", "val") if training else ("val",)
    files = find_annotation_files(
        root,
        ANNOTATION_FILES,
        wanted,
        "the COCO file annotations/panoptic_{split}.json, for the config is panoptic",
    )
    official = CocoPanopticDataset.METAINFO
    splits = {}
    for split, found in files.items():
        if found is None or (split == "train" and not training):
            continue
        ann_file, name = found
        content = read_panoptic(root / ann_file)
        check_categories(
            root / ann_file, content, official["classes"], official["thing_classes"]
        )
        splits[split] = PanopticSplit(
            ann_file,
            find_image_dir(root, ann_file, name, content["images"]),
            _find_seg_dir(root, ann_file, content["images"]),
        )
    use_validation_for_testing(root, splits)
    return splits


def _find_seg_dir(root: Path, ann_file: str, images: list[dict]) -> str:
    """Return the folder, relative to the root, that holds most of the first PNGs."""
    beside = ann_file.removesuffix(".json")
    candidates = dict.fromkeys((beside, Path(ann_file).stem))
    probed = [png_name(image) for image in images[:PROBED_IMAGES]]

    def found_in(folder: str) -> int:
        return sum((root / folder / name).is_file() for name in probed)

    best = max(candidates, key=found_in)
    if not found_in(best):
        raise DataError(
            f"The segment PNGs of {root / ann_file} (such as {probed[0]}) are not in "
            f"{root / beside}; unpack COCO's archive of them there."
        )
    return best


def _point_evaluator(evaluator: dict | list, root: Path, split: PanopticSplit) -> None:
    for metric in evaluators_in(evaluator):
        is_panoptic_metric = is_of_type(metric, "CocoPanopticMetric")
        if is_panoptic_metric or "ann_file" in metric:
            metric["ann_file"] = str(root / split.ann_file)
        if is_panoptic_metric or "seg_prefix" in metric:
            metric["seg_prefix"] = str(root / split.seg_dir)
