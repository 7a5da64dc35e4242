"""Pictures to calibrate with: the user's own, spread over the training split."""

from __future__ import annotations

import copy
import os
from itertools import islice
from pathlib import Path

import numpy as np
from ghostnet_runtime.picture_reading import read_picture
from ghostnet_runtime.picture_sources import open_source
from mmdet.registry import DATASETS
from mmengine.config import Config

from ..configuration.data.clean_data import use_clean_data
from ..datasets.wrappers import datasets_of
from ..errors import OptionError


def calibration_pictures(
    cfg: Config, count: int, images: str | os.PathLike[str] | None = None
) -> list[np.ndarray]:
    """Read pictures to calibrate with, (H, W, 3) uint8 BGR.

    Args:
        cfg: The config, pointed at its data; made to read the clean copy.
        count: At most so many.
        images: A folder in place of the config's training split.

    Raises:
        DataError: The data cannot be used, or a picture cannot be read.
        OptionError: There is no picture.
    """
    if images is not None:
        pictures = islice(open_source(str(images)), count)
        return [picture.pixels for picture in pictures]
    if cfg.get("train_dataloader") is None:
        raise OptionError(
            "The config has no training split to calibrate with; pass --images DIR."
        )
    use_clean_data(cfg, ("train",))
    _, innermost = next(datasets_of(cfg, "train"))  # mosaics are of another dataset
    dataset_cfg = copy.deepcopy(dict(innermost))
    dataset_cfg.update(pipeline=[], test_mode=True)
    dataset = DATASETS.build(dataset_cfg)
    # Not the first ones: folders are often sorted by scene.
    chosen = np.linspace(0, len(dataset) - 1, min(count, len(dataset))).astype(int)
    paths = (dataset.get_data_info(int(index))["img_path"] for index in chosen)
    return [read_picture(Path(path))[0] for path in paths]
