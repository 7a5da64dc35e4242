"""Keeps what the report of a run shows, and writes it at the end."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from mmengine.config import Config
from mmengine.hooks import Hook
from mmengine.logging import MMLogger
from mmengine.registry import HOOKS
from mmengine.runner import Runner

from ...configuration.console import tell
from ...configuration.training.early_stopping import main_score
from ...errors import DataError, OptionError
from ...evaluation.coco_engines import Judged
from ..evaluation import judged_by
from ..run_report.samples import batch_pictures
from ..run_report.sections import Recorded
from ..run_report.writing import write_report
from .result_table import ResultTable
from .unreadable_pictures import infos_of

KEPT_BATCHES = 3


@HOOKS.register_module()
class RunReport(Hook):
    """Writes ``report/report.html`` at the end of a training or a test.

    Args:
        write: Whether to write it at all.
    """

    priority = "LOWEST"

    def __init__(self, write: bool = True):
        self._write = write
        self._started = time.monotonic()
        self._batch: list[np.ndarray] = []
        self._best: float | None = None
        self._judged: dict[str, Judged] = {}
        self._class_scores: dict[str, float] = {}

    def before_run(self, runner: Runner) -> None:
        """Start the clock."""
        self._started = time.monotonic()

    def after_train_iter(
        self,
        runner: Runner,
        batch_idx: int,
        data_batch: Any = None,
        outputs: Mapping[str, Any] | None = None,
    ) -> None:
        """Keep some pictures of the first batches."""
        if not self._write or batch_idx >= KEPT_BATCHES or len(self._batch) >= 12:
            return
        is_packed = isinstance(data_batch, Mapping)
        samples = data_batch.get("data_samples") if is_packed else None
        if samples and all(hasattr(sample, "gt_instances") for sample in samples):
            metainfo = getattr(runner.train_dataloader.dataset, "metainfo", {})
            try:
                self._batch += batch_pictures(data_batch, metainfo.get("classes", ()))
            except DataError as error:  # such as labels without a name
                runner.logger.info("No training pictures in the report: %s", error)

    def after_val_epoch(
        self, runner: Runner, metrics: Mapping[str, float] | None = None
    ) -> None:
        """Keep what was found if it is the best so far."""
        if not self._write:
            return
        score = _main_score(runner.cfg.val_evaluator, metrics or {})
        if self._best is None or score >= self._best:
            self._best = score
            self._judged = judged_by(runner.val_evaluator)
            self._class_scores = _class_scores(runner)

    def write_training(
        self,
        runner: Runner,
        cfg: Config,
        rows: Sequence[Mapping[str, float]],
        scores: Mapping[str, float],
        checkpoint: Path | None,
    ) -> None:
        """Write the report of a training.

        Args:
            runner: That has trained.
            cfg: The config as the user knows it.
            rows: The curves.
            scores: Of the best epoch.
            checkpoint: The best one.
        """
        loader = runner.val_dataloader if runner.cfg.get("val_dataloader") else None
        recorded = Recorded(
            cfg,
            ("train", "val"),
            time.monotonic() - self._started,
            rows,
            scores,
            self._class_scores,
            self._judged,
            {} if loader is None else _paths(loader.dataset),
            self._batch,
            "" if checkpoint is None else str(checkpoint),
        )
        self._leave(recorded, f"Training of {Path(cfg.filename or '').stem}")

    def write_test(
        self,
        runner: Runner,
        cfg: Config,
        scores: Mapping[str, float],
        checkpoint: str | os.PathLike[str],
    ) -> None:
        """Write the report of a test.

        Args:
            runner: That has tested.
            cfg: The config as the user knows it.
            scores: What it gave.
            checkpoint: The weights.
        """
        recorded = Recorded(
            cfg,
            ("test",),
            time.monotonic() - self._started,
            scores=scores,
            class_scores=_class_scores(runner),
            judged=judged_by(runner.test_evaluator),
            paths=_paths(runner.test_dataloader.dataset),
            checkpoint=os.fspath(checkpoint),
        )
        self._leave(recorded, f"Test of {Path(cfg.filename or '').stem}")

    def _leave(self, recorded: Recorded, title: str) -> None:
        if not self._write:
            return
        try:
            tell(f"report: {write_report(recorded, title)}")
        except OSError as error:
            place = recorded.cfg.work_dir
            tell(f"{place} takes no report: {error.strerror or error}")
        except Exception as error:
            # What was trained or tested must not be lost to its page.
            MMLogger.get_current_instance().exception("The report failed")
            tell(f"no report ({type(error).__name__}: {error}); the log has more")


def _main_score(evaluators: Any, metrics: Mapping[str, float]) -> float:
    try:
        return float(metrics.get(main_score(evaluators), -1.0))
    except OptionError:
        return 0.0  # Of scores that are not known here the last counts.


def _class_scores(runner: Runner) -> dict[str, float]:
    tables = [hook for hook in runner.hooks if isinstance(hook, ResultTable)]
    return dict(tables[0].class_scores) if tables else {}


def _paths(dataset: Any) -> dict[int, str]:
    return {
        info["img_id"]: info["img_path"]
        for info in infos_of(dataset)
        if "img_id" in info
    }
