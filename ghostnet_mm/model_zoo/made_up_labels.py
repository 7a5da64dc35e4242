"""Real pictures with made-up labels, for models that do not learn from boxes."""

import os
from pathlib import Path
from typing import Any

import cv2
import torch
from ghostnet_runtime.picture_reading import read_picture
from mmengine.config import Config

from ..configuration.options import Folders
from ..errors import DataError

DEFAULT_SIZE = 224


def made_up_batch(
    cfg: Config, data_root: Folders, size: int | None, count: int
) -> dict[str, Any]:
    """Return a batch as a data loader would, before the data preprocessor.

    Args:
        cfg: A config of mmpretrain or mmsegmentation.
        data_root: The folder or folders with JPEG pictures, at any depth.
        size: Side of the pictures in pixels; None takes the config's crop, or 224.
        count: How many.

    Raises:
        DataError: The folder has too few pictures, or one cannot be read.
    """
    roots = [data_root] if isinstance(data_root, str | os.PathLike) else data_root
    files = [file for root in roots for file in sorted(Path(root).rglob("*.jpg"))]
    if len(files) < count:
        raise DataError(
            f"{' and '.join(map(str, roots))} has no {count} JPEG pictures; name "
            f"another folder."
        )
    preprocessor = cfg.model.get("data_preprocessor") or {}
    crop = preprocessor.get("size") or (DEFAULT_SIZE, DEFAULT_SIZE)
    height, width = (size, size) if size is not None else crop
    inputs = [
        torch.from_numpy(cv2.resize(read_picture(file)[0], (width, height)))
        .permute(2, 0, 1)
        .contiguous()
        for file in files[:count]
    ]
    label = _semantic_sample if cfg.default_scope == "mmseg" else _class_sample
    return dict(
        inputs=inputs, data_samples=[label(i, height, width) for i in range(count)]
    )


def _class_sample(index: int, height: int, width: int) -> Any:
    from mmpretrain.structures import DataSample

    shape = (height, width)
    return DataSample(metainfo=dict(img_shape=shape, ori_shape=shape)).set_gt_label(
        index
    )


def _semantic_sample(index: int, height: int, width: int) -> Any:
    from mmengine.structures import PixelData
    from mmseg.structures import SegDataSample

    shape = (height, width)
    sample = SegDataSample(
        metainfo=dict(
            img_shape=shape,
            ori_shape=shape,
            pad_shape=shape,
            padding_size=(0, 0, 0, 0),
            flip=False,
        )
    )
    # Two classes, split at the middle.
    labels = torch.full((1, *shape), index)
    labels[..., width // 2 :] = index + 1
    sample.gt_sem_seg = PixelData(data=labels)
    return sample
