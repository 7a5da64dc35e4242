"""Prints the table of results when a run is over."""

from collections.abc import MutableMapping

from mmengine.dist import is_main_process
from mmengine.evaluator import Evaluator
from mmengine.hooks import Hook
from mmengine.registry import HOOKS
from mmengine.runner import Runner

from ...evaluation.classification_table import accuracy_table
from ...evaluation.coco_table import (
    class_table,
    overall_table,
    summary,
    take_class_scores,
)
from ...evaluation.panoptic_table import panoptic_table
from ...evaluation.segmentation_table import iou_table


@HOOKS.register_module()
class ResultTable(Hook):
    """Keeps the scores of the last evaluation and prints them at the end.

    COCO AP for detectors, IoU for segmentors, accuracy for classifiers.

    Runs before every other hook, so that the per-class scores, which
    `ask_for_full_table` turned on for the table, reach no log and no curve.

    Attributes:
        metrics: The overall scores of the last evaluation, by mmdet's names.
        class_scores: AP per class name.
    """

    priority = "HIGHEST"

    def __init__(self):
        self.metrics: dict[str, float] = {}
        self.class_scores: dict[str, float] = {}
        self.evaluated = False

    def after_val_epoch(
        self, runner: Runner, metrics: MutableMapping[str, float] | None = None
    ) -> None:
        """Keep the scores of a validation."""
        self._keep(runner.val_evaluator, metrics)

    def after_test_epoch(
        self, runner: Runner, metrics: MutableMapping[str, float] | None = None
    ) -> None:
        """Keep the scores of a test."""
        self._keep(runner.test_evaluator, metrics)

    def after_run(self, runner: Runner) -> None:
        """Print the tables, if there was an evaluation."""
        if not is_main_process() or not self.evaluated:
            return
        for table in (
            class_table(self.class_scores),
            overall_table(self.metrics)
            or iou_table(self.metrics)
            or accuracy_table(self.metrics)
            or panoptic_table(self.metrics)
            or summary(self.metrics),
        ):
            if table:
                print(f"\n{table}", flush=True)

    def _keep(
        self, evaluator: Evaluator, metrics: MutableMapping[str, float] | None
    ) -> None:
        metrics = {} if metrics is None else metrics
        classes = (evaluator.dataset_meta or {}).get("classes", ())
        self.class_scores = take_class_scores(metrics, classes)
        self.metrics = dict(metrics)
        self.evaluated = True
