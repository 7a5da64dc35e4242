"""mmdet's ``CocoMetric``, with the slow part done by hotcoco."""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from mmdet.datasets.api_wrappers import COCO, COCOeval, COCOevalMP
from mmdet.evaluation import CocoMetric
from mmdet.registry import METRICS
from mmengine.logging import MMLogger

from .coco_engines import (
    CocoArrays,
    Found,
    Judged,
    Rule,
    by_hotcoco,
    by_pycocotools,
    has_hotcoco,
    hotcoco_truth,
)
from .coco_scores import (
    AVERAGES,
    ITEMS,
    class_scores,
    class_scores_table,
    overall_scores,
    precision_limit,
)
from .without_prints import without_prints

ENGINES = ("hotcoco", "pycocotools")


@METRICS.register_module()
class FastCocoMetric(CocoMetric):
    """COCO's scores of boxes and masks by hotcoco, under mmdet's names.

    Two things differ from mmdet's metric. All columns are cut at one number of
    detections per class and picture: at COCO's 100, or, where ``proposal_nums`` does
    not have it, at the largest of these. And the AP of a class is that class's own
    where the file lists its categories in another order than their ids'.

    Where hotcoco is missing or fails, pycocotools computes the same, and the console
    says so. The metrics ``proposal`` and ``proposal_fast`` are mmdet's own.

    Args:
        engine: ``hotcoco``, or ``pycocotools`` to have the slow one on purpose.
        keep: Keep what was found in ``judged``, for a look at the errors.
        **others: mmdet's, see its ``CocoMetric``.

    Attributes:
        judged: With ``keep``, of the last evaluation in the first process: ``bbox``
            and ``segm``, each where it was asked for and hotcoco has done it.
    """

    # mmdet has no types.
    _coco_api: Any
    cat_ids: Any
    img_ids: Any
    metrics: list[str]
    outfile_prefix: str | None

    def __init__(
        self,
        *args: Any,
        engine: str = ENGINES[0],
        keep: bool = False,
        **others: Any,
    ) -> None:
        if engine not in ENGINES:
            raise ValueError(f"engine is {engine!r}; it is one of {', '.join(ENGINES)}")
        with without_prints():
            super().__init__(*args, **others)
        unknown = sorted(set(self.metric_items or ()) - set(ITEMS))
        if unknown:
            raise KeyError(
                f"metric_items has {', '.join(unknown)}; it may have {', '.join(ITEMS)}"
            )
        self.engine, self._keep = engine, keep
        self.judged: dict[str, Judged] = {}
        self._truth: Any = None
        self._told_cut = False
        if self._coco_api is not None:
            self._load_truth()

    def compute_metrics(self, results: list) -> dict[str, float]:
        """Compute the scores of all pictures' results, as mmdet's metric does.

        Args:
            results: What ``process`` has collected.

        Returns:
            mmdet's names without the prefix, and their values; empty where nothing
            was found.
        """
        if self.format_only or not set(self.metrics) & {"bbox", "segm"}:
            return super().compute_metrics(results)
        truths, predictions = zip(*results, strict=True)
        self._prepare(truths)
        self.judged = {}
        if self.outfile_prefix is not None:
            self.results2json(predictions, self.outfile_prefix)
        scores: dict[str, float] = {}
        for metric in self.metrics:
            if metric in ("bbox", "segm"):
                found = self._columns(predictions, metric)
                if not len(found.scores):
                    MMLogger.get_current_instance().error(
                        "The testing results of the whole dataset is empty."
                    )
                    break
                scores.update(self._scores(metric, found))
            else:
                scores.update(self._by_mmdet(metric, results))
        return scores

    def _prepare(self, truths: Sequence[dict]) -> None:
        if self._coco_api is None:
            with tempfile.TemporaryDirectory() as scratch, without_prints():
                file = self.gt_to_coco_json(truths, str(Path(scratch, "results")))
                self._coco_api = COCO(file)
            self._load_truth()
        if self.cat_ids is None:
            classes = self.dataset_meta["classes"]
            self.cat_ids = self._coco_api.get_cat_ids(cat_names=classes)
        if self.img_ids is None:
            self.img_ids = self._coco_api.get_img_ids()

    def _load_truth(self) -> None:
        self._num_objects = Counter(
            (annotation["image_id"], annotation["category_id"])
            for annotation in self._coco_api.dataset.get("annotations", ())
            if not annotation.get("iscrowd")
        )
        if self.engine != "hotcoco":
            return
        if not has_hotcoco():
            self._fall_back("hotcoco is not installed")
            return
        try:
            self._truth = hotcoco_truth(self._coco_api.dataset)
        except Exception as error:  # Whatever it is, pycocotools may read the file.
            self._fall_back(f"hotcoco cannot read the annotations ({error})")

    def _fall_back(self, reason: str) -> None:
        self.engine = "pycocotools"
        _warn_once(f"{reason}: pycocotools computes COCO's scores, more slowly")

    def _columns(self, predictions: Sequence[Mapping], metric: str) -> Found:
        if metric == "segm" and "masks" not in predictions[0]:
            raise KeyError("segm is not in results")
        counts = [len(picture["labels"]) for picture in predictions]
        boxes = np.concatenate(
            [np.reshape(picture["bboxes"], (-1, 4)) for picture in predictions]
        ).astype(np.float64)
        boxes[:, 2:] -= boxes[:, :2]
        labels = np.concatenate([picture["labels"] for picture in predictions])
        scored = "scores" if metric == "bbox" else "mask_scores"
        scores = [picture.get(scored, picture["scores"]) for picture in predictions]
        masks = None
        if metric == "segm":
            masks = [mask for picture in predictions for mask in picture["masks"]]
        image_ids = [picture["img_id"] for picture in predictions]
        return Found(
            np.repeat(np.asarray(image_ids), counts),
            np.asarray(self.cat_ids)[labels.astype(int)],
            boxes,
            np.concatenate(scores).astype(np.float64),
            masks,
        )

    def _scores(self, metric: str, found: Found) -> dict[str, float]:
        limits = sorted(set(self.proposal_nums))
        rule = Rule(
            self.img_ids,
            sorted(self.cat_ids),
            np.atleast_1d(np.asarray(self.iou_thrs, dtype=float)).tolist(),
            limits,
        )
        self._tell_cut(found, precision_limit(limits))
        arrays = self._arrays(found, rule)
        names = [self._coco_api.cats[i]["name"] for i in rule.category_ids]
        if self._keep and self.engine == "hotcoco":
            self.judged[metric] = Judged(self._truth, found, rule, names)
        logger = MMLogger.get_current_instance()
        scores: dict[str, float] = {}
        if self.classwise:
            rows = class_scores(arrays, rule.overlaps, limits)
            logger.info("\n" + class_scores_table(names, rows))
            for name, row in zip(names, rows, strict=True):
                scores[f"{name}_precision"] = round(float(row[0]), 3)
        overall = overall_scores(arrays, rule.overlaps, limits)
        for item in self.metric_items or AVERAGES:
            scores[f"{metric}_{item}"] = round(overall[item], 3)
        copied = " ".join(f"{overall[item]:.3f}" for item in AVERAGES)
        logger.info(f"{metric}_mAP_copypaste: {copied}")
        return scores

    def _arrays(self, found: Found, rule: Rule) -> CocoArrays:
        if self.engine == "hotcoco":
            try:
                return by_hotcoco(self._truth, found, rule)
            except Exception as error:
                # A validation must not end a run because of its faster library.
                self._fall_back(f"hotcoco failed ({type(error).__name__}: {error})")
        evaluator = COCOevalMP if self.use_mp_eval else COCOeval
        return by_pycocotools(self._coco_api, found, rule, evaluator)

    def _tell_cut(self, found: Found, limit: int) -> None:
        """Say once in how many pictures there is more than what is counted."""
        if self._told_cut:
            return
        counted = set(self.img_ids)
        pictures = {
            image
            for (image, _), count in self._num_objects.items()
            if count > limit and image in counted
        }
        images, image_index = np.unique(found.image_ids, return_inverse=True)
        classes, class_index = np.unique(found.category_ids, return_inverse=True)
        numbers = np.bincount(
            image_index * len(classes) + class_index,
            minlength=len(images) * len(classes),
        ).reshape(len(images), len(classes))
        pictures |= set(images[(numbers > limit).any(axis=1)].tolist()) & counted
        if pictures:
            self._told_cut = True
            noun = "picture has" if len(pictures) == 1 else "pictures have"
            most = max(int(numbers.max()), *self._num_objects.values(), 0)
            _warn(
                f"COCO's scores count the best {limit} detections of each class in a "
                f"picture, and {len(pictures)} {noun} more detections or objects of "
                f"a class; to count them, set proposal_nums=(1, 10, {most}) in the "
                f"evaluator"
            )

    def _by_mmdet(self, metric: str, results: list) -> dict[str, float]:
        asked = self.metrics, self.outfile_prefix
        self.metrics, self.outfile_prefix = [metric], None
        try:
            return super().compute_metrics(results)
        finally:
            self.metrics, self.outfile_prefix = asked


def _warn(message: str) -> None:
    # What is printed during an evaluation goes to the log file, warnings come through.
    MMLogger.get_current_instance().warning(message)


@cache
def _warn_once(message: str) -> None:
    _warn(message)
