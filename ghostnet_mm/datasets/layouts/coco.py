"""Point any detection config at a folder in COCO's layout (``--data-root``)."""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from mmengine.config import Config
from mmengine.logging import print_log

from ...errors import DataError, OptionError
from ..checks.annotations import read_coco
from .folder import (
    find_annotation_files,
    find_image_dir,
    is_of_type,
    only_dataset,
    use_validation_for_testing,
)
from .panoptic import is_panoptic, point_panoptic_config_at

# {name} is the name of a split; the last two are Roboflow's export and a plain one.
ANNOTATION_FILES = (
    "annotations/instances_{name}.json",
    "annotations/{name}.json",
    "annotations/{name}_annotations.json",
    "{name}/_annotations.coco.json",
    "{name}/annotations.json",
    "{name}.json",
)
# mmdet's RPN is class-agnostic, and a semantic head counts stuff as well.
OTHER_CLASS_COUNTS = frozenset(
    {"backbone", "neck", "data_preprocessor", "rpn_head", "semantic_head", "reid"}
)


@dataclass(frozen=True)
class CocoSplit:
    """Where one split lies, relative to the data root, and what it holds."""

    ann_file: str
    image_dir: str  # '' is the data root itself
    classes: tuple[str, ...]  # in the file's order, mmdet's label order


def point_config_at(
    cfg: Config, data_root: str | os.PathLike, training: bool = True
) -> None:
    """Make a config read its data from a COCO-layout folder, in place.

    Sets, through any dataset wrapper, the dataloaders' ``data_root``, ``ann_file`` and
    ``data_prefix``; the evaluators' ``ann_file``; the class names; and every
    ``num_classes`` of the model that counts object classes. The official 80 classes
    stay mmdet's own. A folder without a test split has its validation split tested,
    and the log says so.

    Understood are ``train2017/``, ``val2017/`` with ``annotations/instances_*.json``,
    the same with plain ``train``/``val``/``valid`` names or below ``images/``, one
    image folder for all splits, and Roboflow's ``train/_annotations.coco.json``.

    A config of ``CocoPanopticDataset`` is pointed at the panoptic annotations, see
    `panoptic_layout`.

    Args:
        cfg: The config to change.
        data_root: The folder.
        training: Whether the training split is needed; without it, one that is absent
            leaves the config's ``train_dataloader`` as it is.

    Raises:
        DataError: The folder, an annotation file or the images are missing, a file is
            not COCO, or the splits' classes differ.
        OptionError: The config's datasets or model cannot be used with COCO boxes.
    """
    root = Path(data_root)
    if is_panoptic(cfg):
        point_panoptic_config_at(cfg, root, training)
        return
    splits = _find_splits(root, training)
    classes = splits["val"].classes
    for split in ("train", "val", "test"):
        loader = cfg.get(f"{split}_dataloader")
        if loader and split in splits:
            _point_dataloader(loader, root, splits[split], classes, split)
        evaluator = cfg.get(f"{split}_evaluator")
        if evaluator and split in splits:
            _point_evaluator(evaluator, root / splits[split].ann_file)
    if cfg.get("model"):
        set_num_classes(cfg.model, len(classes))


def set_num_classes(model: dict, count: int) -> None:
    """Set every ``num_classes`` of a model config that counts object classes, in place.

    Class-agnostic proposal heads, semantic heads and backbones keep theirs; so does a
    model that matches boxes with text, whose ``num_classes`` is a number of tokens.

    Args:
        model: The model's config.
        count: The number of object classes.

    Raises:
        OptionError: The model is panoptic: its stuff classes have no boxes.
    """
    if "language_model" in model:
        return
    for part in _nested_dicts(model):
        if "num_classes" in part:
            part["num_classes"] = count
        if "num_things_classes" in part:
            if part.get("num_stuff_classes"):
                raise OptionError(
                    "The config's model is panoptic, and a folder of boxes has no "
                    "stuff classes; choose a detection config for --data-root, or give "
                    "the config datasets of the type CocoPanopticDataset."
                )
            _resize_class_weights(part, part["num_things_classes"], count)
            part["num_things_classes"] = count


def _nested_dicts(part: object) -> Iterator[dict]:
    """Yield the dicts of a model config in which num_classes means object classes."""
    if isinstance(part, dict):
        yield part
        for key, value in part.items():
            if key not in OTHER_CLASS_COUNTS:
                yield from _nested_dicts(value)
    elif isinstance(part, list | tuple):
        for value in part:
            yield from _nested_dicts(value)


def _resize_class_weights(head: dict, old: int, new: int) -> None:
    loss = head.get("loss_cls") or {}
    weights = loss.get("class_weight")
    # One weight per class and a last one for the background.
    if isinstance(weights, list | tuple) and len(weights) == old + 1:
        if len(set(weights[:old])) > 1:
            raise OptionError(
                "The config's loss_cls.class_weight has a weight for each of its "
                f"{old} classes; set it for the {new} classes of --data-root."
            )
        loss["class_weight"] = [weights[0]] * new + [weights[-1]]


def _find_splits(root: Path, training: bool) -> dict[str, CocoSplit]:
    wanted = ("train", "val") if training else ("val",)
    examples = f"{ANNOTATION_FILES[0]} or {ANNOTATION_FILES[3]}"
    files = find_annotation_files(
        root,
        ANNOTATION_FILES,
        wanted,
        f"a COCO file such as {examples.replace('{name}', '{split}')}",
    )
    located = {
        split: found
        for split, found in files.items()
        # Reading the training boxes takes long where only others are needed.
        if found and (training or split != "train")
    }
    contents = {split: read_coco(root / file) for split, (file, _) in located.items()}
    placeholders = _unused_parents(list(contents.values()))
    splits = {}
    for split, content in contents.items():
        ann_file, name = located[split]
        classes = tuple(
            category["name"]
            for category in content["categories"]
            if category["name"] not in placeholders
        )
        image_dir = find_image_dir(root, ann_file, name, content["images"])
        splits[split] = CocoSplit(ann_file, image_dir, classes)
    _refuse_differing_classes(root, splits)
    use_validation_for_testing(root, splits)
    if placeholders:
        print_log(
            f"{root}: {', '.join(sorted(placeholders))} only groups other categories "
            "and has no boxes: not counted as a class.",
            logger="current",
        )
    return splits


def _unused_parents(contents: list[dict]) -> set[str]:
    """Return categories that no box uses and that others name as supercategory.

    Roboflow's exports begin with such an entry, the name of the project.
    """
    parents, unused = set(), None
    for content in contents:
        used = {annotation["category_id"] for annotation in content["annotations"]}
        parents |= {
            category["supercategory"]
            for category in content["categories"]
            if category.get("supercategory") not in (None, category["name"])
        }
        empty = {c["name"] for c in content["categories"] if c["id"] not in used}
        unused = empty if unused is None else unused & empty
    return parents & (unused or set())


def _refuse_differing_classes(root: Path, splits: dict[str, CocoSplit]) -> None:
    expected = splits["val"]
    for split in splits.values():
        if split.classes == expected.classes:
            continue
        difference = sorted(set(split.classes) ^ set(expected.classes))
        detail = ", ".join(difference[:5]) if difference else "they differ in order"
        raise DataError(
            f"{split.ann_file} and {expected.ann_file} of {root} do not have the same "
            f"categories ({detail}); give both files the same list."
        )


def _point_dataloader(
    loader: dict, root: Path, split: CocoSplit, classes: Sequence[str], name: str
) -> None:
    leaf = only_dataset(loader, name, "CocoDataset")
    leaf["data_root"] = str(root)
    leaf["ann_file"] = split.ann_file
    leaf["data_prefix"] = dict(img=split.image_dir)
    # The names and colors in it belong to the classes the config had before.
    leaf.pop("metainfo", None)
    official = _official_metainfo()
    if tuple(classes) != tuple(official["classes"]):
        # mmdet's drawing wants at least one color per class; COCO's are 80.
        colors = list(official["palette"])
        palette = [colors[i % len(colors)] for i in range(len(classes))]
        leaf["metainfo"] = dict(classes=tuple(classes), palette=palette)


def _point_evaluator(evaluator: dict | list, ann_file: Path) -> None:
    for metric in evaluator if isinstance(evaluator, list | tuple) else [evaluator]:
        if is_of_type(metric, "CocoMetric") or "ann_file" in metric:
            metric["ann_file"] = str(ann_file)


def _official_metainfo() -> dict:
    from mmdet.datasets import CocoDataset

    return CocoDataset.METAINFO
