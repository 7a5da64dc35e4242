"""Training and testing from a config: every check first, then mmengine's runner."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import torch
from ghostnet_runtime.atomic_writing import write_text
from mmengine.config import Config
from mmengine.hooks import Hook
from mmengine.registry import RUNNERS
from mmengine.runner import Runner
from torch import nn

from ..configuration.console import is_first_process, tell
from ..configuration.data.checks import check_data
from ..configuration.data.clean_data import data_report, use_clean_data
from ..configuration.data.contents import tell_contents
from ..configuration.files.work_dir import check_work_dir, remove_left_overs
from ..configuration.model.building import build_on_meta
from ..configuration.model.task_scopes import OPTIONAL_SCOPES, enter_scope, scope_of
from ..configuration.training.resuming import checkpoint_to_resume
from ..datasets.wrappers import datasets_of
from ..errors import OptionError
from ..evaluation.coco_table import ask_for_full_table, use_fast_metric
from .detector_checkpoint import check_fit
from .evaluation import Evaluation, judged_by, tell_errors
from .hooks.result_table import ResultTable
from .hooks.run_report import RunReport
from .hooks.stop_on_signal import StopOnSignal, stop_signals
from .hooks.training_record import TrainingRecord
from .inference.published_classifier import read_tested_weights
from .loading.signals import end_workers
from .mistakes import mistakes_told, new_work_dir_removed_on_mistake
from .one_run import the_only_run
from .own_instances import own_instances
from .quiet_runner import QuietRunner
from .result_files import (
    check_outputs,
    is_unscored,
    move_results,
    write_results_to,
)
from .run_files import finished_run, keep_best
from .run_record import Callbacks, Run, StopTraining
from .start_checks import check_weights, forget_pretrained
from .tested_classes import weights_for_classes

AnyHook = TypeVar("AnyHook", bound=Hook)
CONSOLE_HOOKS = ("ProgressLine", "ResultTable", "UnreadablePictures", "RunReport")
GUARDS = ("LoneNormValues", "NonFiniteLoss", "ExactState", "OutOfMemory")


@the_only_run()
def run_training(
    cfg: Config, model: nn.Module | None = None, callbacks: Callbacks | None = None
) -> Run:
    """Train and evaluate the model of a config.

    Nothing is written before every check has passed; if a mistake of the user shows
    only later, a work dir that did not exist before is removed again.

    Args:
        cfg: The config, as `ghostnet_mm.configuration.prepare_run` returns it.
        model: Its model without memory, from there too; ``None`` to build it here.
        callbacks: Functions that are told how it goes, see `Callbacks`.

    Returns:
        The checkpoints, scores and curves.

    Raises:
        UserError: Data, options, weights or the work dir make the run impossible, or
            another thread has one.
    """
    cfg = _with_hooks(cfg, *CONSOLE_HOOKS, *GUARDS)
    if scope_of(cfg) not in OPTIONAL_SCOPES and cfg.get("val_evaluator") is not None:
        cfg = _with_hooks(cfg, "ValidationLosses")
    for key in ("train_dataloader", "train_cfg", "optim_wrapper"):
        if cfg.get(key) is None:
            raise OptionError(f"The config cannot be trained: it has no {key}.")
    use_clean_data(cfg, ("train", "val"))
    tell_contents(cfg)
    if is_first_process():
        # The other processes would read the same files.
        check_data(cfg, ("train", "val"))
        check_weights(_built(cfg, model), cfg)
        check_work_dir(cfg)
        remove_left_overs(cfg.work_dir)
    resumed = checkpoint_to_resume(cfg)
    if resumed is not None:
        # The checkpoint brings the backbone's weights; do not ask the network for any.
        forget_pretrained(cfg.model)
    _make_interruptible(cfg)
    keep_best(cfg)
    ask_for_full_table(cfg.get("val_evaluator") or [])
    use_fast_metric(cfg.get("val_evaluator") or [], keep=True)
    with (
        own_instances(),
        new_work_dir_removed_on_mistake(cfg.work_dir),
        mistakes_told(cfg),
    ):
        runner = _build_runner(cfg)
        if resumed is not None:
            # mmengine would take what last_checkpoint names, whole or not.
            runner._load_from = resumed
        _introduce(runner, cfg)
        _report_data(cfg, ("train", "val"))
        with stop_signals() as request:
            states = StopOnSignal(request)
            record = TrainingRecord(callbacks or Callbacks(), states)
            runner.register_hook(states)
            runner.register_hook(record)
            try:
                runner.train()
            except StopTraining:
                tell("stopped early, as a callback asked for; what was trained is kept")
                runner.call_hook("after_run")
            finally:
                end_workers(_loaders(runner))
        run = finished_run(runner, record, _results(runner).metrics)
        if is_first_process():
            report = _hook(runner, RunReport)
            report.write_training(runner, cfg, run.curves, run.scores, run.best)
        return run


@the_only_run()
def run_testing(
    cfg: Config,
    checkpoint: str | os.PathLike[str],
    out: str | os.PathLike[str] | None = None,
    show_dir: str | os.PathLike[str] | None = None,
    score_threshold: float = 0.3,
    model: nn.Module | None = None,
) -> Evaluation:
    """Evaluate a checkpoint on the test split of a config.

    Args:
        cfg: The config, as `ghostnet_mm.configuration.prepare_run` returns it.
        checkpoint: The model's weights; they must fit in full. A classifier may also
            be given published ones: ``timm://NAME`` or a file in timm's layout.
        out: Where to write the detections as COCO results JSON. Masks, if there are
            any, go beside it as ``NAME.segm.json``.
        show_dir: Folder for the pictures with their detections.
        score_threshold: Detections below this score are left out of the pictures.
        model: The config's model without memory; ``None`` to build it here.

    Returns:
        The scores, COCO's for each class too.

    Raises:
        UserError: Data, options or the checkpoint make the test impossible, or another
            thread has a run.
    """
    cfg = _with_hooks(cfg, *CONSOLE_HOOKS)
    if cfg.get("test_dataloader") is None or cfg.get("test_evaluator") is None:
        raise OptionError("The config cannot be tested: it has no test_dataloader.")
    check_outputs(out, show_dir)
    if show_dir is not None and scope_of(cfg) in OPTIONAL_SCOPES:
        raise OptionError(
            "--show-dir draws detections, and this config has none; use "
            "ghostnet segment for the pictures of a segmentor."
        )
    model = _built(cfg, model)
    weights, meta = read_tested_weights(model, checkpoint, scope_of(cfg))
    check_fit(model, weights, checkpoint)
    use_clean_data(cfg, ("test",))
    if is_first_process():
        check_data(cfg, ("test",))
    if out is None and is_unscored(cfg.test_evaluator):
        raise OptionError(
            "The test split has no annotations, so there is nothing to score; pass "
            "--out FILE for the detections."
        )
    turned = weights_for_classes(model, cfg, weights, meta or {}, checkpoint)
    cfg.load_from, cfg.resume = str(checkpoint), False
    ask_for_full_table(cfg.test_evaluator)
    use_fast_metric(cfg.test_evaluator, keep=True)
    if show_dir is not None:
        cfg.custom_hooks.append(
            dict(type="SavePictures", folder=str(show_dir), threshold=score_threshold)
        )
    with (
        tempfile.TemporaryDirectory() as scratch,
        own_instances(),
        new_work_dir_removed_on_mistake(cfg.work_dir),
        mistakes_told(cfg),
    ):
        if meta is None or turned is not None:
            cfg.load_from = os.path.join(scratch, "converted.pth")
            torch.save({"meta": {}, "state_dict": turned or weights}, cfg.load_from)
        results = Path(scratch, "results")
        if out is not None:
            write_results_to(cfg.test_evaluator, str(results))
        runner = _build_runner(cfg)
        tell(
            f"testing {checkpoint}{_source(cfg.test_dataloader)}; log in "
            f"{runner.log_dir}"
        )
        metrics = runner.test()
        class_scores = dict(_results(runner).class_scores)
        judged = judged_by(runner.test_evaluator)  # in the first process
        errors = tell_errors(judged, score_threshold)
        evaluation = Evaluation(metrics, class_scores, errors, judged)
        if is_first_process():
            write_text(Path(cfg.work_dir) / "evaluation.json", evaluation.as_json())
            _hook(runner, RunReport).write_test(runner, cfg, metrics, checkpoint)
        if out is not None and is_first_process():
            for file in move_results(results, Path(out), file_tested_on(cfg)):
                tell(f"detections: {file}")
    if show_dir is not None:
        tell(f"pictures: {show_dir}")
    return evaluation


def file_tested_on(cfg: Config) -> str | None:
    """Return the annotation file of the one dataset that is tested on, in any wrapper.

    Several are read as they are: their ids are the user's own already.
    """
    tested = [dataset for _, dataset in datasets_of(cfg, "test")]
    return tested[0].get("ann_file") if len(tested) == 1 else None


def _with_hooks(cfg: Config, *names: str) -> Config:
    """Return a copy of a config that has these hooks, with its own settings of them."""
    cfg = Config(cfg.to_dict(), cfg_text=cfg.text or None, filename=cfg.filename)
    enter_scope(cfg)
    hooks = list(cfg.get("custom_hooks") or [])
    present = {hook["type"] for hook in hooks}
    cfg.custom_hooks = hooks + [
        dict(type=name) for name in names if name not in present
    ]
    return cfg


def _make_interruptible(cfg: Config) -> None:
    """Choose our forms of mmengine's parts that a run can be resumed from any time."""
    loop = cfg.train_cfg
    by_epoch = loop.get("by_epoch") if "type" not in loop else None
    if by_epoch or loop.get("type") == "EpochBasedTrainLoop":
        loop.pop("by_epoch", None)
        loop["type"] = "ResumableEpochLoop"
    elif by_epoch is False or loop.get("type") == "IterBasedTrainLoop":
        loop.pop("by_epoch", None)
        loop["type"] = "ResumableIterationLoop"
    hooks = cfg.get("default_hooks") or {}
    hook = hooks.setdefault("checkpoint", dict(type="CheckpointHook", interval=1))
    if hook is not None and hook["type"] == "CheckpointHook":
        hook["type"] = "WholeCheckpoints"
    cfg.default_hooks = hooks


def _built(cfg: Config, model: nn.Module | None) -> nn.Module:
    return build_on_meta(cfg.model, "model") if model is None else model


def _build_runner(cfg: Config) -> Runner:
    kind = cfg.get("runner_type")
    return RUNNERS.build(cfg) if kind is not None else QuietRunner.from_cfg(cfg)


def _introduce(runner: Runner, cfg: Config) -> None:
    device = next(runner.model.parameters()).device.type
    tell(
        f"training {Path(cfg.filename).stem} on {runner.world_size} x {device}, "
        f"{cfg.train_dataloader.get('batch_size', 1)} images each; checkpoints in "
        f"{cfg.work_dir}, log in {runner.log_dir}"
    )


def _source(loader: Mapping[str, Any]) -> str:
    dataset = loader["dataset"]
    source = dataset.get("ann_file") or dataset.get("data_root")
    return f" on {source}" if source else ""


def _report_data(cfg: Config, splits: Sequence[str]) -> None:
    if is_first_process() and scope_of(cfg) not in OPTIONAL_SCOPES:
        report = data_report(cfg, splits)
        text = json.dumps(report, indent=1, ensure_ascii=False)
        write_text(Path(cfg.work_dir) / "data_report.json", text)


def _loaders(runner: Runner) -> list[Any]:
    loops = (runner._train_loop, runner._val_loop, runner._test_loop)
    return [getattr(loop, "dataloader", None) for loop in loops]


def _results(runner: Runner) -> ResultTable:
    return _hook(runner, ResultTable)


def _hook(runner: Runner, kind: type[AnyHook]) -> AnyHook:
    return next(hook for hook in runner.hooks if isinstance(hook, kind))
