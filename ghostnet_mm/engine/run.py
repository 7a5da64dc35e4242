"""Training and testing from a config: every check first, then mmengine's runner."""

from __future__ import annotations

import json
import os
import re
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import torch
from ghostnet_runtime.atomic_writing import write_text
from mmdet.registry import MODELS
from mmengine.config import Config
from mmengine.logging import MMLogger
from mmengine.registry import RUNNERS
from mmengine.runner import Runner

from ..configuration.console import is_first_process, tell
from ..configuration.data.clean_data import data_report, use_clean_data
from ..configuration.data.detection_checks import check_data
from ..configuration.data.other_data import check_other_data
from ..configuration.files.work_dir import check_work_dir
from ..configuration.model.building import build_on_meta, option_error_for
from ..configuration.model.task_scopes import OPTIONAL_SCOPES, enter_scope, scope_of
from ..configuration.training.resuming import checkpoint_to_resume
from ..datasets.clean_copy.original_ids import restore_ids
from ..errors import CheckpointError, DataError, OptionError
from ..evaluation.coco_table import ask_for_full_table
from .detector_checkpoint import (
    check_fit,
    check_resumable,
    check_start_weights,
)
from .inference.published_classifier import read_tested_weights
from .quiet_runner import QuietRunner

UNREADABLE_IMAGE = re.compile(r"failed to load image: (.+)")
SYNC_BN_ON_CPU = "SyncBatchNorm expected input tensor to be on"
UNKNOWN_LABEL = re.compile(r"Target (\d+) is out of bounds")


def run_training(cfg: Config) -> dict[str, float]:
    """Train and evaluate the model of a config.

    Nothing is written before every check has passed; if a mistake of the user shows
    only later, a work dir that did not exist before is removed again.

    Args:
        cfg: The config, as `ghostnet_mm.configuration.load_config` returns it.

    Returns:
        The scores of the last validation; empty if there was none.

    Raises:
        UserError: Data, options, weights or the work dir make the run impossible.
    """
    cfg = _with_console_hooks(cfg)
    for key in ("train_dataloader", "train_cfg", "optim_wrapper"):
        if cfg.get(key) is None:
            raise OptionError(f"The config cannot be trained: it has no {key}.")
    use_clean_data(cfg, ("train", "val"))
    if is_first_process():
        # The other processes would read the same files.
        _check_data(cfg, ("train", "val"))
        _check_weights(cfg)
        check_work_dir(cfg)
    if checkpoint_to_resume(cfg) is not None:
        # The checkpoint brings the backbone's weights; do not ask the network for any.
        _forget_pretrained(cfg.model)
    ask_for_full_table(cfg.get("val_evaluator") or [])
    with _new_work_dir_removed_on_mistake(cfg.work_dir), _mistakes_told(cfg):
        runner = _build(cfg)
        _introduce(runner, cfg)
        _report_data(cfg, ("train", "val"))
        runner.train()
    return _last_scores(runner)


def run_testing(
    cfg: Config,
    checkpoint: str | os.PathLike,
    out: str | os.PathLike | None = None,
    show_dir: str | os.PathLike | None = None,
    score_threshold: float = 0.3,
) -> dict[str, float]:
    """Evaluate a checkpoint on the test split of a config.

    Args:
        cfg: The config, as `ghostnet_mm.configuration.load_config` returns it.
        checkpoint: The model's weights; they must fit in full. A classifier may also
            be given published ones: ``timm://NAME`` or a file in timm's layout.
        out: Where to write the detections as COCO results JSON. Masks, if there are
            any, go beside it as ``NAME.segm.json``.
        show_dir: Folder for the pictures with their detections.
        score_threshold: Detections below this score are left out of the pictures.

    Returns:
        The scores by the names of mmdet, mmseg or mmpretrain.

    Raises:
        UserError: Data, options or the checkpoint make the test impossible.
    """
    cfg = _with_console_hooks(cfg)
    if cfg.get("test_dataloader") is None or cfg.get("test_evaluator") is None:
        raise OptionError("The config cannot be tested: it has no test_dataloader.")
    _check_outputs(out, show_dir)
    if show_dir is not None and scope_of(cfg) in OPTIONAL_SCOPES:
        raise OptionError(
            "--show-dir draws detections, and this config has none; use "
            "tools/segment.py for the pictures of a segmentor."
        )
    model = build_on_meta(cfg.model, "model")
    weights, is_converted = read_tested_weights(model, checkpoint, scope_of(cfg))
    check_fit(model, weights, checkpoint)
    use_clean_data(cfg, ("test",))
    if is_first_process():
        _check_data(cfg, ("test",))
    if out is None and _is_unscored(cfg.test_evaluator):
        raise OptionError(
            "The test split has no annotations, so there is nothing to score; pass "
            "--out FILE for the detections."
        )
    cfg.load_from, cfg.resume = str(checkpoint), False
    ask_for_full_table(cfg.test_evaluator)
    if show_dir is not None:
        cfg.custom_hooks.append(
            dict(type="SavePictures", folder=str(show_dir), threshold=score_threshold)
        )
    with (
        tempfile.TemporaryDirectory() as scratch,
        _new_work_dir_removed_on_mistake(cfg.work_dir),
        _mistakes_told(cfg),
    ):
        if is_converted:
            cfg.load_from = os.path.join(scratch, "converted.pth")
            torch.save({"meta": {}, "state_dict": weights}, cfg.load_from)
        if out is not None:
            _set_results_prefix(cfg.test_evaluator, os.path.join(scratch, "results"))
        runner = _build(cfg)
        tell(
            f"testing {checkpoint}{_source(cfg.test_dataloader)}; log in "
            f"{runner.log_dir}"
        )
        metrics = runner.test()
        if out is not None and is_first_process():
            test_file = cfg.test_dataloader.dataset.get("ann_file")
            for file in _move_results(Path(scratch), Path(out), test_file):
                tell(f"detections: {file}")
    if show_dir is not None:
        tell(f"pictures: {show_dir}")
    return metrics


def _with_console_hooks(cfg: Config) -> Config:
    cfg = Config(cfg.to_dict(), filename=cfg.filename)
    enter_scope(cfg)
    hooks = list(cfg.get("custom_hooks") or [])
    present = {hook["type"] for hook in hooks}
    hooks += [
        dict(type=name)
        for name in ("ProgressLine", "ResultTable", "UnreadablePictures")
        if name not in present
    ]
    cfg.custom_hooks = hooks
    return cfg


def _check_data(cfg: Config, splits: Sequence[str]) -> None:
    check = check_other_data if scope_of(cfg) in OPTIONAL_SCOPES else check_data
    check(cfg, splits)


def _build(cfg: Config) -> Runner:
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


def _check_weights(cfg: Config) -> None:
    """Find out now whether the weights that the run starts from can be had and fit."""
    detector = build_on_meta(cfg.model, "model")
    resumed = checkpoint_to_resume(cfg)
    if resumed is not None:
        check_resumable(detector, resumed, cfg)
        tell(f"resuming from {resumed}")
        return
    if cfg.get("resume"):
        tell(f"{cfg.work_dir} has no checkpoint to resume: starting from the beginning")
    if cfg.get("load_from"):
        check_start_weights(detector, cfg.load_from)
    _check_backbone_weights(cfg.model)


def _check_backbone_weights(model: Mapping[str, Any]) -> None:
    backbone = model.get("backbone")
    init_cfg = backbone.get("init_cfg") if isinstance(backbone, Mapping) else None
    if not isinstance(init_cfg, Mapping) or init_cfg.get("type") != "Pretrained":
        return
    source = str(init_cfg["checkpoint"])
    built = MODELS.build(dict(backbone))
    if type(built).__module__.partition(".")[0] == __name__.partition(".")[0]:
        built.init_weights()
    elif source.startswith("timm://"):
        raise OptionError(
            f"{source} is for the GhostNet backbones of this package; give "
            f"{type(built).__name__} a file or none with --backbone-weights."
        )
    elif "://" not in source and not os.path.isfile(source):
        raise CheckpointError(
            f"The backbone weights {source} do not exist; pass a file, timm://NAME, or "
            f"none with --backbone-weights."
        )


def _forget_pretrained(model: dict[str, Any]) -> None:
    backbone = model.get("backbone")
    if isinstance(backbone, dict) and isinstance(backbone.get("init_cfg"), Mapping):
        if backbone["init_cfg"].get("type") == "Pretrained":
            backbone["init_cfg"] = None


def _check_outputs(
    out: str | os.PathLike | None, show_dir: str | os.PathLike | None
) -> None:
    if out is not None and Path(out).is_dir():
        raise OptionError(f"--out {out} is a folder; name a file such as results.json.")
    if out is not None and not Path(out).resolve().parent.is_dir():
        raise OptionError(f"The folder of --out {out} does not exist; create it.")
    if show_dir is not None and Path(show_dir).exists() and not Path(show_dir).is_dir():
        raise OptionError(f"--show-dir {show_dir} is a file; name a folder.")


def _set_results_prefix(evaluators: Any, prefix: str) -> None:
    for one in evaluators if isinstance(evaluators, list) else [evaluators]:
        if str(one.get("type")).rpartition(".")[2] == "CocoMetric":
            one["outfile_prefix"] = prefix
            return
    raise OptionError("--out needs a CocoMetric as test_evaluator in the config.")


def _is_unscored(evaluators: Any) -> bool:
    listed = evaluators if isinstance(evaluators, list) else [evaluators]
    return any(evaluator.get("format_only") for evaluator in listed)


def _move_results(scratch: Path, out: Path, test_file: str | None) -> list[Path]:
    """Write the results under their names, in the ids of the user's own file."""
    written = []
    for kind, target in (("bbox", out), ("segm", out.with_suffix(".segm.json"))):
        source = scratch / f"results.{kind}.json"
        if source.is_file():
            if test_file is not None:
                restore_ids(source, test_file)
            shutil.move(source, target)
            written.append(target)
    return written


def _report_data(cfg: Config, splits: Sequence[str]) -> None:
    if is_first_process() and scope_of(cfg) not in OPTIONAL_SCOPES:
        report = data_report(cfg, splits)
        text = json.dumps(report, indent=1, ensure_ascii=False)
        write_text(Path(cfg.work_dir) / "data_report.json", text)


def _last_scores(runner: Runner) -> dict[str, float]:
    for hook in runner.hooks:
        if type(hook).__name__ == "ResultTable":
            return hook.metrics
    return {}


@contextmanager
def _new_work_dir_removed_on_mistake(work_dir: str) -> Iterator[None]:
    """Leave no empty run behind when a mistake shows only once the runner is built."""
    folder = Path(work_dir).resolve()
    is_new = not folder.exists()
    new_parents = [parent for parent in folder.parents if not parent.exists()]
    try:
        yield
    except (OptionError, DataError, CheckpointError):
        if is_new and is_first_process() and not any(folder.glob("*.pth")):
            shutil.rmtree(folder, ignore_errors=True)
            # Another run may have moved into a parent meanwhile: only empty ones go.
            for parent in new_parents:
                with suppress(OSError):
                    parent.rmdir()
        raise


@contextmanager
def _mistakes_told(cfg: Config) -> Iterator[None]:
    """Translate what libraries raise for a user's mistake that only a run reveals."""
    try:
        yield
    except ValueError as error:
        if SYNC_BN_ON_CPU not in str(error):
            raise
        raise OptionError(
            "SyncBN cannot join the statistics of several CPU processes; set the type "
            "of every norm_cfg of the model to BN with --cfg-options."
        ) from error
    except (AssertionError, IndexError, KeyError, TypeError) as error:
        label = UNKNOWN_LABEL.search(str(error))
        if label:
            raise DataError(
                f"The data has label {label[1]}, which is not below the model's "
                f"num_classes; correct the labels, or set num_classes."
            ) from error
        image = UNREADABLE_IMAGE.search(str(error))
        if image:
            name = image[1].splitlines()[0].strip("'\"")
            raise DataError(
                f"{name} cannot be read as an image; replace it, or take it out of the "
                f"annotation file."
            ) from error
        if isinstance(error, (KeyError, TypeError)):
            mistake = option_error_for(error, cfg.to_dict(), "the config")
            if mistake is not None:
                raise mistake from error
        raise
    finally:
        # A later run in this process must not log into this one's file.
        for logger in list(MMLogger._instance_dict.values()):
            for handler in logger.handlers:
                handler.flush()
