"""The best checkpoint of a run and the files of its curves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ghostnet_runtime.atomic_writing import write_text
from mmengine.config import Config
from mmengine.hooks import CheckpointHook
from mmengine.runner import Runner

from ..configuration.console import is_first_process, tell
from ..configuration.training.early_stopping import main_score
from ..configuration.training.resuming import find_checkpoint
from ..errors import OptionError
from ..reporting.curves_plot import draw_curves
from .hooks.training_record import TrainingRecord
from .run_record import Run
from .run_report.writing import rows_as_csv

CURVES = "curves.csv"
CURVES_PLOT = "curves.png"


def keep_best(cfg: Config) -> None:
    """Have the checkpoint with the best main score kept, in place.

    A config that chose its own ``save_best``, or whose scores have no main one that is
    known here, stays as it is.
    """
    hook = (cfg.get("default_hooks") or {}).get("checkpoint")
    if hook is None or "save_best" in hook or cfg.get("val_evaluator") is None:
        return
    try:
        hook.update(save_best=main_score(cfg.val_evaluator), rule="greater")
    except OptionError:
        return


def finished_run(
    runner: Runner, record: TrainingRecord, last_scores: Mapping[str, float]
) -> Run:
    """Write the curves of a run that has ended, and return what it gave."""
    rows = tuple(progress.row() for progress in record.epochs)
    work_dir = Path(runner.work_dir)
    best, monitor = _best_checkpoint(runner)
    scores = dict(last_scores)
    if monitor is not None:
        judged = [item.scores for item in record.epochs if monitor in item.scores]
        best_score = runner.message_hub.get_info("best_score")
        equal = [entry for entry in judged if entry[monitor] == best_score]
        # A run that was resumed may have had its best epoch before.
        scores = dict(equal[0]) if equal else {monitor: float(best_score)}
    plots: tuple[Path, ...] = ()
    if is_first_process() and rows:
        try:
            plots = _write_curves(work_dir, rows)
        except OSError as error:
            tell(f"{work_dir} takes no curves: {error.strerror or error}")
    return Run(work_dir, best, scores, dict(last_scores), rows, plots)


def _best_checkpoint(runner: Runner) -> tuple[Path | None, str | None]:
    """Return the checkpoint to use, and the score that it is the best by."""
    for hook in runner.hooks:
        if not isinstance(hook, CheckpointHook) or not hook.save_best:
            continue
        best = getattr(hook, "best_ckpt_path", None)
        best = best or runner.message_hub.runtime_info.get("best_ckpt")
        if len(hook.key_indicators) == 1 and best and Path(best).is_file():
            return Path(best), hook.key_indicators[0]
    newest = find_checkpoint(runner.work_dir).newest
    return (None if newest is None else Path(newest)), None


def _write_curves(work_dir: Path, rows: Sequence[Mapping[str, Any]]) -> tuple[Path]:
    write_text(work_dir / CURVES, rows_as_csv(rows))
    plot = work_dir / CURVES_PLOT
    draw_curves(rows, plot)
    return (plot,)
