"""Point any detection config at a folder in COCO's layout (``--data-root``)."""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from mmengine.config import Config
from mmengine.logging import print_log

from ..errors import DataError, OptionError
from .annotation_checks import read_coco

SPLIT_NAMES = {
    "train": ("train2017", "train"),
    "val": ("val2017", "val", "valid", "validation"),
    "test": ("test2017", "test"),
}
# {name} is one of the names above; the last two are Roboflow's export and a plain one.
ANNOTATION_FILES = (
    "annotations/instances_{name}.json",
    "annotations/{name}.json",
    "annotations/{name}_annotations.json",
    "{name}/_annotations.coco.json",
    "{name}/annotations.json",
    "{name}.json",
)
IMAGE_DIRS = ("{name}", "images/{name}", "{name}/images", "images", "")
# How many file names decide which folder holds a split's images.
PROBED_IMAGES = 20

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
                    "stuff classes; choose a detection config for --data-root."
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
    if not root.is_dir():
        raise DataError(f"The data root {root} is not a folder; check --data-root.")
    files = {split: _find_annotation_file(root, split) for split in SPLIT_NAMES}
    wanted = ("train", "val") if training else ("val",)
    for split in wanted:
        if files[split] is None:
            examples = " or ".join(
                pattern.format(name=SPLIT_NAMES[split][0])
                for pattern in (ANNOTATION_FILES[0], ANNOTATION_FILES[3])
            )
            raise DataError(
                f"The data root {root} has no {split} annotations; expected a COCO "
                f"file such as {examples}."
            )
    contents = {
        split: read_coco(root / found[0])
        for split, found in files.items()
        # Reading the training boxes takes long where only others are needed.
        if found and (training or split != "train")
    }
    placeholders = _unused_parents(list(contents.values()))
    splits = {}
    for split, content in contents.items():
        ann_file, name = files[split]
        classes = tuple(
            category["name"]
            for category in content["categories"]
            if category["name"] not in placeholders
        )
        image_dir = _find_image_dir(root, ann_file, name, content["images"])
        splits[split] = CocoSplit(ann_file, image_dir, classes)
    _refuse_differing_classes(root, splits)
    if "test" not in splits:
        splits["test"] = splits["val"]
        print_log(
            f"{root} has no annotated test split: testing uses "
            f"{splits['val'].ann_file}.",
            logger="current",
        )
    if placeholders:
        print_log(
            f"{root}: {', '.join(sorted(placeholders))} only groups other categories "
            "and has no boxes: not counted as a class.",
            logger="current",
        )
    return splits


def _find_annotation_file(root: Path, split: str) -> tuple[str, str] | None:
    """Return an annotation file relative to the root, and the split's name in it."""
    for name in SPLIT_NAMES[split]:
        for pattern in ANNOTATION_FILES:
            candidate = pattern.format(name=name)
            if (root / candidate).is_file():
                return candidate, name
    return None


def _find_image_dir(root: Path, ann_file: str, name: str, images: list[dict]) -> str:
    """Return the folder, relative to the root, that holds most of the first images."""
    year_or_not = (name, name.removesuffix("2017"), name.removesuffix("2017") + "2017")
    candidates = [
        pattern.format(name=variant)
        for pattern in IMAGE_DIRS
        for variant in year_or_not
    ]
    candidates.append(os.path.dirname(ann_file))
    existing = [c for c in dict.fromkeys(candidates) if (root / c).is_dir()]
    probed = [image["file_name"] for image in images[:PROBED_IMAGES]]

    def found_in(folder: str) -> int:
        return sum((root / folder / file_name).is_file() for file_name in probed)

    best = max(existing, key=found_in)
    if not found_in(best):
        looked_in = ", ".join(f"{folder or '.'}" for folder in existing)
        raise DataError(
            f"The images of {root / ann_file} (such as {probed[0]}) are in none of the "
            f"folders {looked_in} of {root}; put them into {name}/."
        )
    return best


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


def _leaf_datasets(dataset: dict) -> Iterator[dict]:
    """Yield the datasets inside RepeatDataset, MultiImageMixDataset and the like."""
    if "datasets" in dataset:
        for inner in dataset["datasets"]:
            yield from _leaf_datasets(inner)
    elif isinstance(dataset.get("dataset"), dict):
        yield from _leaf_datasets(dataset["dataset"])
    else:
        yield dataset


def _point_dataloader(
    loader: dict, root: Path, split: CocoSplit, classes: Sequence[str], name: str
) -> None:
    dataset = loader["dataset"]
    leaves = list(_leaf_datasets(dataset))
    for leaf in leaves:
        if str(leaf.get("type")).rpartition(".")[2] != "CocoDataset":
            raise OptionError(
                f"{name}_dataloader reads a {leaf.get('type')}, and --data-root works "
                "with CocoDataset only; set the dataset's type to 'CocoDataset'."
            )
    if len(leaves) > 1:
        raise OptionError(
            f"{name}_dataloader joins {len(leaves)} datasets, and --data-root names "
            "one folder; leave one dataset in the config."
        )
    (leaf,) = leaves
    leaf["data_root"] = str(root)
    leaf["ann_file"] = split.ann_file
    leaf["data_prefix"] = dict(img=split.image_dir)
    # The names and colours in it belong to the classes the config had before.
    leaf.pop("metainfo", None)
    official = _official_metainfo()
    if tuple(classes) != tuple(official["classes"]):
        # mmdet's drawing wants at least one colour per class; COCO's are 80.
        colours = list(official["palette"])
        palette = [colours[i % len(colours)] for i in range(len(classes))]
        leaf["metainfo"] = dict(classes=tuple(classes), palette=palette)


def _point_evaluator(evaluator: dict | list, ann_file: Path) -> None:
    for metric in evaluator if isinstance(evaluator, list | tuple) else [evaluator]:
        is_coco = str(metric.get("type")).rpartition(".")[2] == "CocoMetric"
        if is_coco or "ann_file" in metric:
            metric["ann_file"] = str(ann_file)


def _official_metainfo() -> dict:
    from mmdet.datasets import CocoDataset

    return CocoDataset.METAINFO
