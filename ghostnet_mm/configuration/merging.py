"""From a config file and a command line to the config of a run."""

import copy
import importlib.util
import inspect
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from mmdet.registry import MODELS
from mmengine.config import Config

from ..errors import CheckpointError, OptionError
from .console import tell
from .data.clean_data import use_data_roots
from .data.other_data import point_at_root
from .files.option_keys import check_option_keys
from .files.reading import read_config
from .model.building import build_on_meta
from .model.checks import check_model
from .model.detection_channels import match_channels
from .model.other_heads import match_heads, name_our_scope
from .model.task_scopes import OPTIONAL_SCOPES, enter_scope, missing_package_error
from .options import LATEST, Options
from .training.options import apply_training_options

VIS_BACKENDS = {
    "tensorboard": ("TensorboardVisBackend", "tensorboard"),
    "wandb": ("WandbVisBackend", "wandb"),
}
CPU_AMP = "CpuAmpOptimWrapper"
GPU_AMP = "AmpOptimWrapper"


def load_config(
    path: str | Path, options: Options | None = None, training: bool = True
) -> Config:
    """Read a config file and apply options to it.

    Precedence: named options, over ``--cfg-options``, over the file. The neck's
    ``in_channels`` (the heads', for segmentors and classifiers) then follow the
    backbone the options ended up with, and the model is built once without memory, so
    that whatever is impossible is said now.

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
    return apply_options(cfg, options or Options(), training)


def apply_options(cfg: Config, options: Options, training: bool = True) -> Config:
    """Apply ``options`` to ``cfg``, in place, and return it; see `load_config`."""
    scope = enter_scope(cfg)
    is_other_task = scope in OPTIONAL_SCOPES
    file_model = copy.deepcopy(cfg.model)
    _merge_assignments(cfg, options)
    if options.data_root is not None and is_other_task:
        point_at_root(cfg, _only_root(options.data_root))
    elif options.data_root is not None:
        use_data_roots(
            cfg,
            options.data_root,
            training,
            strict=options.strict_data,
            crowd_as_objects=options.crowd_as_objects,
        )
    if options.backbone_weights is not None:
        _set_backbone_weights(cfg, options.backbone_weights)
    _set_work_dir(cfg, options, training)
    if options.launcher is not None:
        cfg.launcher = options.launcher
    if training:
        _set_amp(cfg, options.amp)
    if options.resume is not None:
        _set_resume(cfg, options.resume)
    if options.auto_scale_lr:
        _set_auto_scale_lr(cfg)
    if training:
        apply_training_options(cfg, options)
    if options.vis is not None:
        _add_vis_backend(cfg, options.vis)
    _fit_model_together(cfg, file_model, is_other_task)
    return cfg


def _only_root(roots: str | Sequence[str]) -> str:
    if isinstance(roots, str):
        return roots
    if len(roots) > 1:
        raise OptionError("Only detection configs join several --data-root; name one.")
    return roots[0]


def _fit_model_together(
    cfg: Config, file_model: dict[str, Any], is_other_task: bool
) -> None:
    if is_other_task:
        name_our_scope(cfg.model)
    changes = [match_channels(cfg.model, file_model)]
    if is_other_task:
        changes += match_heads(cfg.model, file_model)
    for change in filter(None, changes):
        tell(change)
    if is_other_task:
        # Anchors and their strides are a matter of detectors.
        build_on_meta(cfg.model, "model")
    else:
        check_model(cfg.model)


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


def _set_backbone_weights(cfg: Config, source: str) -> None:
    backbone = cfg.model.get("backbone")
    if not isinstance(backbone, dict):
        raise OptionError(
            "--backbone-weights needs a config with a model.backbone; use "
            "--cfg-options for this one."
        )
    if source == "none":
        backbone["init_cfg"] = None
        _unfreeze(backbone)
        return
    if "://" not in source:
        source = os.path.expanduser(source)
        if not os.path.isfile(source):
            raise CheckpointError(
                f"The backbone weights {source} do not exist; pass a file, "
                f"timm://NAME, or none to train from scratch."
            )
    backbone["init_cfg"] = dict(type="Pretrained", checkpoint=source)


def _unfreeze(backbone: dict[str, Any]) -> None:
    """Let a backbone without pretrained weights learn all it has to."""
    frozen = {"norm_eval": False, "frozen_stages": -1}
    kind = backbone.get("type")
    kind = MODELS.get(kind) if isinstance(kind, str) else kind
    # A class may freeze by default: mmdet's ResNet and our GGhostRegNet do.
    known = inspect.signature(kind).parameters if kind is not None else {}
    changed = [
        key
        for key, value in frozen.items()
        if backbone.get(key, known[key].default if key in known else value) != value
    ]
    for key in changed:
        backbone[key] = frozen[key]
    if changed:
        tell(
            "training the backbone from scratch: "
            + ", ".join(f"{key}={frozen[key]}" for key in changed)
        )


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


def _set_amp(cfg: Config, wanted: bool) -> None:
    wrapper: Any = cfg.get("optim_wrapper")
    if wrapper is None:
        if wanted:
            raise OptionError("--amp needs an optim_wrapper in the config.")
        return
    kind = wrapper.get("type", "OptimWrapper")
    has_gpu = torch.cuda.is_available()
    if not wanted:
        if kind == GPU_AMP and not has_gpu:
            raise OptionError(
                f"The config trains with {GPU_AMP}, which needs a GPU; pass --amp for "
                f"bfloat16 on this CPU, or --cfg-options "
                f"optim_wrapper.type=OptimWrapper for full precision."
            )
        return
    if kind not in ("OptimWrapper", GPU_AMP, CPU_AMP):
        raise OptionError(
            f"--amp cannot be combined with optim_wrapper.type={kind}; it replaces "
            f"OptimWrapper only."
        )
    if has_gpu:
        wrapper["type"] = GPU_AMP
        wrapper.setdefault("loss_scale", "dynamic")
    else:
        # bfloat16 has float32's range: there is no loss to scale.
        wrapper["type"] = CPU_AMP
        wrapper.pop("loss_scale", None)
        wrapper.pop("dtype", None)


def _set_resume(cfg: Config, resume: str) -> None:
    cfg.resume = True
    cfg.load_from = None
    if resume != LATEST:
        resume = os.path.expanduser(resume)
        if not os.path.isfile(resume):
            raise CheckpointError(
                f"The checkpoint {resume} to resume from does not exist; check the "
                f"path, or give --resume alone for the latest one of the work dir."
            )
        cfg.load_from = resume


def _set_auto_scale_lr(cfg: Config) -> None:
    scaling = cfg.get("auto_scale_lr")
    if not isinstance(scaling, dict) or "base_batch_size" not in scaling:
        raise OptionError(
            "--auto-scale-lr needs auto_scale_lr = dict(base_batch_size=N) in the "
            "config: the total batch size its learning rate was chosen for."
        )
    scaling["enable"] = True


def _add_vis_backend(cfg: Config, name: str) -> None:
    backend, package = VIS_BACKENDS[name]
    if importlib.util.find_spec(package) is None:
        raise OptionError(
            f"--vis {name} needs the package {package}: pip install -e '.[{name}]'."
        )
    visualizer = cfg.get("visualizer")
    if not isinstance(visualizer, dict):
        visualizer = dict(type="DetLocalVisualizer", name="visualizer")
    backends = list(visualizer.get("vis_backends") or [])
    if all(one.get("type") != backend for one in backends):
        backends.append(dict(type=backend))
    visualizer["vis_backends"] = backends
    cfg.visualizer = visualizer
