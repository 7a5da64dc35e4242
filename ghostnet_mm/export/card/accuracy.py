"""COCO scores of anything that detects, on the same pictures with the same metric."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from ghostnet_runtime import Detections
from ghostnet_runtime.picture_reading import read_picture
from mmdet.registry import DATASETS, METRICS
from mmengine.config import Config

from ...configuration.data.clean_data import use_clean_data
from ...datasets.layouts.folder import evaluators_in, is_coco_metric
from ...errors import DataError, OptionError
from ...evaluation.coco_table import use_fast_metric
from ...evaluation.without_prints import without_messages, without_prints


@dataclass(frozen=True)
class LabelledPictures:
    """The pictures of a config's validation split, with the metric that judges them.

    Attributes:
        paths: Files of the pictures.
        image_ids: COCO image ids, in the same order.
        metric: Config of the metric, see `FastCocoMetric`.
        classes: Names by label.
    """

    paths: tuple[str, ...]
    image_ids: tuple[int, ...]
    metric: dict[str, Any]
    classes: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.paths)

    def read(self) -> Iterator[np.ndarray]:
        """Yield the pictures, (H, W, 3) uint8 BGR.

        Raises:
            DataError: A picture cannot be read.
        """
        for path in self.paths:
            yield read_picture(Path(path))[0]


def labelled_pictures(cfg: Config, limit: int | None = None) -> LabelledPictures:
    """Read which pictures and labels a config validates with.

    Args:
        cfg: The config, pointed at its data; made to read the clean copy.
        limit: Only the first so many pictures.

    Raises:
        DataError: The data cannot be used.
        OptionError: The config has no validation split judged by COCO's metric.
    """
    use_clean_data(cfg, ("val",))
    loader, evaluator = cfg.get("val_dataloader"), cfg.get("val_evaluator")
    coco = [m for m in evaluators_in(evaluator) if is_coco_metric(m)]
    if loader is None or not coco:
        raise OptionError(
            "The config has no validation split with a CocoMetric, so there is no mAP "
            "to compare; pass --data-root with annotations, or --no-map."
        )
    dataset_cfg = copy.deepcopy(dict(loader["dataset"]))
    dataset_cfg.update(pipeline=[], test_mode=True)
    with without_prints():
        dataset = DATASETS.build(dataset_cfg)
    judge = copy.deepcopy(dict(coco[0]))
    use_fast_metric(judge)
    count = len(dataset) if limit is None else min(limit, len(dataset))
    if not count:
        raise DataError(
            "The validation split has no pictures; give --data-root another folder."
        )
    infos = [dataset.get_data_info(index) for index in range(count)]
    return LabelledPictures(
        tuple(info["img_path"] for info in infos),
        tuple(info["img_id"] for info in infos),
        judge,
        tuple(dataset.metainfo["classes"]),
    )


def coco_scores(
    pictures: LabelledPictures,
    detect: Callable[[np.ndarray], Detections],
    after_each: Callable[[int], object] = lambda done: None,
) -> dict[str, float]:
    """Run a detector over labelled pictures and compute COCO's scores.

    `FastCocoMetric` judges, whatever detects.

    Args:
        pictures: The pictures and the metric.
        detect: Takes a (H, W, 3) uint8 BGR picture.
        after_each: Called with the number of pictures done.

    Returns:
        ``bbox_mAP`` and its companions, ``segm_mAP`` too where the metric asks for
        masks; 0 for a detector that finds nothing.
    """
    with without_prints():
        metric = METRICS.build(dict(pictures.metric))
    metric.dataset_meta = dict(classes=pictures.classes)
    metric.img_ids = list(pictures.image_ids)
    for done, (image_id, path) in enumerate(
        zip(pictures.image_ids, pictures.paths, strict=True), start=1
    ):
        pixels, _ = read_picture(Path(path))
        metric.process(
            {}, [_as_mmdet_sample(detect(pixels), image_id, pixels.shape[:2])]
        )
        after_each(done)
    # mmdet and pycocotools print and log tables on the way.
    with without_messages():
        scores = metric.evaluate(len(pictures))
    names = [f"{kind}_mAP" for kind in metric.metrics]
    plain = {key.rpartition("/")[2]: float(value) for key, value in scores.items()}
    return {**dict.fromkeys(names, 0.0), **plain}


def _as_mmdet_sample(
    found: Detections, image_id: int, shape: tuple[int, int]
) -> dict[str, Any]:
    instances = dict(
        bboxes=torch.as_tensor(found.boxes),
        scores=torch.as_tensor(found.scores),
        labels=torch.as_tensor(found.labels),
    )
    if found.masks is not None:
        instances["masks"] = torch.as_tensor(found.masks)
    return dict(img_id=image_id, ori_shape=shape, pred_instances=instances)
