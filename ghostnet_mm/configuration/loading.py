"""From a config file and a command line to the config of a run."""

from __future__ import annotations

import copy
import importlib.util
import os
from dataclasses import dataclass
from pathlib import Path

from mmengine.config import Config
from torch import nn

from ..errors import OptionError
from .data.data_root import point_at_data_root
from .data.dataloaders import cap_workers, drop_settings_of_absent_workers
from .files.option_keys import check_option_keys
from .files.reading import read_config
from .model.fitting import fit_model_together
from .model.task_scopes import enter_scope, missing_package_error
from .options import Options
from .training.options import apply_training_options
from .training.precision import set_precision
from .training.resuming import set_resume
from .training.starting_weights import set_backbone_weights, tell_frozen_random_weights

VIS_BACKENDS = {
    "tensorboard": ("TensorboardVisBackend", "tensorboard"),
    "wandb": ("WandbVisBackend", "wandb"),
}


@dataclass(frozen=True)
class PreparedRun:
    """What a command works with.

    Attributes:
        cfg: The config after all options.
        model: Its model, built once for all checks, in eval mode, with its tensors on
            the meta device: it has names and shapes, but no numbers.
    """

    cfg: Config
    model: nn.Module


def prepare_run(
    path: str | Path, options: Options | None = None, training: bool = True
) -> PreparedRun:
    """Read a config file, apply options to it, and build its model without memory.

    Precedence: named options, over ``--cfg-options``, over the file. The neck's
    ``in_channels`` (the heads', for segmentors and classifiers) then follow the
    backbone the options ended up with. Whatever is impossible is said now.

    Args:
        path: The config file.
        options: What the command line asks for.
        training: Whether the run needs a training split.

    Raises:
        OptionError: The file or an option is impossible, or the config is for a package
            that is not installed.
        DataError: ``options.data_root`` is not in COCO layout; for segmentation and
            classification, where the layout is the config's, not a folder.
        CheckpointError: A named checkpoint does not exist.
    """
    try:
        cfg = read_config(path)
    except OptionError as error:
        missing = missing_package_error(error.__cause__)
        if missing is None:
            raise
        raise missing from error
    return prepare_config(cfg, options, training=training)


def prepare_config(
    cfg: Config, options: Options | None = None, *, training: bool = True
) -> PreparedRun:
    """Do as `prepare_run` with a config that is read already, in place."""
    return PreparedRun(cfg, _apply(cfg, options or Options(), training))


def load_config(
    path: str | Path, options: Options | None = None, training: bool = True
) -> Config:
    """Return the config of `prepare_run` alone."""
    return prepare_run(path, options, training).cfg


def apply_options(cfg: Config, options: Options, training: bool = True) -> Config:
    """Apply ``options`` to ``cfg``, in place, and return it; see `prepare_run`."""
    _apply(cfg, options, training)
    return cfg


def _apply(cfg: Config, options: Options, training: bool) -> nn.Module:
    enter_scope(cfg)
    file_model = copy.deepcopy(cfg.model)
    _merge_assignments(cfg, options)
    cap_workers(cfg, options.cfg_options, told=training)
    drop_settings_of_absent_workers(cfg)
    point_at_data_root(cfg, options, training=training)
    if options.backbone_weights is not None:
        set_backbone_weights(cfg, options.backbone_weights)
    _set_work_dir(cfg, options, training)
    if options.launcher is not None:
        cfg.launcher = options.launcher
    if training:
        set_precision(cfg, options.amp)
    if options.resume is not None:
        set_resume(cfg, options.resume)
    if options.auto_scale_lr:
        _set_auto_scale_lr(cfg)
    if training:
        apply_training_options(cfg, options)
        tell_frozen_random_weights(cfg)
    if options.vis is not None:
        _add_vis_backend(cfg, options.vis)
    return fit_model_together(cfg, file_model)


def _merge_assignments(cfg: Config, options: Options) -> None:
    if not options.cfg_options:
        return
    check_option_keys(cfg, options.cfg_options)
    try:
        cfg.merge_from_dict(dict(options.cfg_options))
    except (KeyError, TypeError) as error:
        raise OptionError(
            f"--cfg-options does not fit the config: {str(error).strip(chr(34))}."
        ) from error


def _set_work_dir(cfg: Config, options: Options, training: bool) -> None:
    if options.work_dir is not None:
        cfg.work_dir = os.path.expanduser(options.work_dir)
        return
    if cfg.get("work_dir") is None:
        name = Path(cfg.filename).stem if cfg.filename else "detector"
        cfg.work_dir = os.path.join("./work_dirs", name)
    if not training:
        # A test must not overwrite the config that the training has left there.
        cfg.work_dir = os.path.join(cfg.work_dir, "test")


def _set_auto_scale_lr(cfg: Config) -> None:
    scaling = cfg.get("auto_scale_lr")
    if not isinstance(scaling, dict) or "base_batch_size" not in scaling:
        raise OptionError(
            "--auto-scale-lr needs auto_scale_lr = dict(base_batch_size=N) in the "
            "config: the total batch size its learning rate was chosen for."
        )
    scaling["enable"] = True


def _add_vis_backend(cfg: Config, name: str) -> None:
    kind, package = VIS_BACKENDS[name]
    if importlib.util.find_spec(package) is None:
        raise OptionError(
            f"--vis {name} needs the package {package}: pip install {package}."
        )
    visualizer = cfg.get("visualizer")
    if not isinstance(visualizer, dict):
        visualizer = dict(type="DetLocalVisualizer", name="visualizer")
    backends = list(visualizer.get("vis_backends") or [])
    if all(backend.get("type") != kind for backend in backends):
        backends.append(dict(type=kind))
    visualizer["vis_backends"] = backends
    cfg.visualizer = visualizer
