"""A picture grid of a trained detector on its own dataset."""

import copy
import os
from pathlib import Path

from mmdet.registry import DATASETS
from mmengine.runner import find_latest_checkpoint

from ...configuration import Options
from ...configuration.data.checks import check_data
from ...configuration.data.clean_data import use_clean_data
from ...datasets.wrappers import datasets_of
from ...errors import CheckpointError, OptionError
from ...evaluation.detection_grid import write_detector_grid
from ...evaluation.without_prints import without_prints
from .detection import load_detector


def draw_validation_grid(
    checkpoint: str | os.PathLike,
    config: str | os.PathLike | None = None,
    options: Options | None = None,
    split: str = "val",
    num_images: int = 8,
    score_threshold: float = 0.3,
    out: str | os.PathLike | None = None,
) -> Path:
    """Detect on images of a config's dataset and draw them beside the ground truth.

    Args:
        checkpoint: A detector's checkpoint, or a work dir for its latest one.
        config: The config; the default is the one that the checkpoint carries.
        options: Changes to the config.
        split: ``val``, or ``train`` for the images that training sees, as they are
            without augmentation.
        num_images: How many images, spread evenly over the split.
        score_threshold: Detections with a lower score are left out.
        out: The PNG file; the default is ``detections.png`` beside the checkpoint.

    Returns:
        The file.

    Raises:
        UserError: The checkpoint, the config or the data cannot be used.
    """
    if num_images < 1:
        raise OptionError("--num-images must be 1 or more.")
    checkpoint = _checkpoint_file(Path(checkpoint))
    detector = load_detector(checkpoint, config, options, training=split == "train")
    cfg = detector.model.cfg
    if cfg.get("val_dataloader") is None:
        raise OptionError("The config has no val_dataloader to take images from.")
    use_clean_data(cfg, {"val", split})
    dataset_cfg = copy.deepcopy(cfg.val_dataloader.dataset)
    if split == "train":
        _, train = next(datasets_of(cfg, "train"))
        _show_instead(dataset_cfg, train)
    check_data(cfg, (split,))
    with without_prints():
        dataset = DATASETS.build(dataset_cfg)
    path = Path(out) if out is not None else checkpoint.parent / "detections.png"
    return write_detector_grid(
        detector.model, dataset, path, num_images, score_threshold
    )


def _checkpoint_file(path: Path) -> Path:
    if not path.is_dir():
        return path
    latest = find_latest_checkpoint(str(path))
    if latest is None:
        raise CheckpointError(
            f"The folder {path} holds no checkpoint yet: train first, or name a file."
        )
    return Path(latest)


def _show_instead(dataset: dict, train: dict) -> None:
    """Give a validation dataset the images of the training one."""
    for key in ("data_root", "ann_file", "data_prefix", "metainfo"):
        if key in train:
            dataset[key] = train[key]
    for key in ("filter_cfg", "indices"):
        dataset[key] = train.get(key)
    # mmdet filters no test images, and indices count what is left.
    dataset["test_mode"] = False
