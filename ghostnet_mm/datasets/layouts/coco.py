"""Point any detection config at a user's data (``--data-root``)."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from mmdet.datasets import CocoDataset
from mmengine.config import Config

from ...errors import DataError, OptionError
from ..clean_copy.copying import CleanCopy, clean_copy_of
from ..clean_copy.summary import SplitSummary
from ..reading import ReadingOptions
from .folder import evaluators_in, is_coco_metric, only_dataset
from .panoptic import is_panoptic, point_panoptic_config_at

# mmdet's RPN is class-agnostic, and a semantic head counts stuff as well.
OTHER_CLASS_COUNTS = frozenset(
    {"backbone", "neck", "data_preprocessor", "rpn_head", "semantic_head", "reid"}
)


def point_config_at(
    cfg: Config,
    roots: str | os.PathLike[str] | Sequence[str | os.PathLike[str]],
    training: bool = True,
    crowd_as_objects: bool = False,
) -> CleanCopy | None:
    """Make a config read its data from the clean copy of a user's folders, in place.

    Sets, through any dataset wrapper, the dataloaders' ``data_root``, ``ann_file`` and
    ``data_prefix``; the evaluators' ``ann_file``; the class names; and every
    ``num_classes`` of the model that counts object classes. The official 80 classes
    stay mmdet's own. A folder without a labelled test split has its validation split
    tested; one that has a test split without labels has it predicted on, unscored.

    A config of ``CocoPanopticDataset`` is pointed at the panoptic annotations
    themselves, see `panoptic_layout`.

    Args:
        cfg: The config to change.
        roots: A folder or several, in any layout that `clean_copy_of` finds.
        training: Whether the training split is needed; without it, one that is absent
            leaves the config's ``train_dataloader`` as it is.
        crowd_as_objects: Whether crowd regions are objects.

    Returns:
        The clean copy; ``None`` for a panoptic config, which reads the originals.

    Raises:
        DataError: The data cannot be used.
        OptionError: The config's datasets or model cannot be used with boxes.
    """
    roots = [roots] if isinstance(roots, str | os.PathLike) else list(roots)
    if is_panoptic(cfg):
        if len(roots) > 1:
            raise OptionError("A panoptic config reads one --data-root; name one.")
        point_panoptic_config_at(cfg, Path(roots[0]), training)
        return None
    options = ReadingOptions(training=training, crowd_as_objects=crowd_as_objects)
    copy = clean_copy_of(roots, options)
    splits = _splits_to_use(copy, options)
    for split, summary in splits.items():
        loader = cfg.get(f"{split}_dataloader")
        if loader:
            dataset = only_dataset(loader, split, "CocoDataset")
            dataset["data_root"] = copy.roots[0]
            point_dataset_at(dataset, summary, copy.summary.classes)
        evaluator = cfg.get(f"{split}_evaluator")
        if evaluator:
            _point_evaluator(evaluator, summary)
    if cfg.get("model"):
        set_num_classes(cfg.model, len(copy.summary.classes))
    return copy


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


def _splits_to_use(copy: CleanCopy, options: ReadingOptions) -> dict[str, SplitSummary]:
    """Return what each dataloader reads."""
    splits = dict(copy.summary.splits)
    needed = ("train", "val") if options.training else ("val", "test")
    if options.training:
        for split in needed:
            if split not in splits:
                raise DataError(
                    f"The data root {' and '.join(copy.roots)} has no {split} split; "
                    f"name a folder or file of it so, such as {split}/ or "
                    f"instances_{split}.json."
                )
    if "test" not in splits and "val" in splits:
        splits["test"] = splits["val"]
        if not options.training:
            copy.findings.add("test-is-val", "")
    if "val" not in splits and "test" in splits:
        splits["val"] = splits["test"]
    if not any(split in splits for split in needed):
        raise DataError(
            f"The data root {' and '.join(copy.roots)} has no split to test on; name "
            f"a folder or file of it so, such as val/ or instances_val.json."
        )
    return splits


def point_dataset_at(
    dataset: dict, summary: SplitSummary, classes: Sequence[str]
) -> None:
    """Make a dataset's config read a split of a clean copy, in place."""
    dataset["ann_file"] = summary.file
    dataset["data_prefix"] = dict(img=summary.picture_folder)
    # The names and colors in it belong to the classes the config had before.
    dataset.pop("metainfo", None)
    official = CocoDataset.METAINFO
    if tuple(classes) != tuple(official["classes"]):
        # mmdet's drawing wants at least one color per class; COCO's are 80.
        colors = list(official["palette"])
        palette = [colors[i % len(colors)] for i in range(len(classes))]
        dataset["metainfo"] = dict(classes=tuple(classes), palette=palette)


def _point_evaluator(evaluator: dict | list, summary: SplitSummary) -> None:
    for metric in evaluators_in(evaluator):
        is_coco = is_coco_metric(metric)
        if is_coco or "ann_file" in metric:
            metric["ann_file"] = summary.file
        if is_coco and not summary.is_labelled:
            metric["format_only"] = True
