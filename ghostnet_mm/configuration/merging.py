"""From a config file and a command line to the config of a run."""

import copy
import importlib.util
import os
from pathlib import Path
from typing import Any

import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope

from ..datasets.coco_layout import point_config_at
from ..errors import CheckpointError, OptionError
from .backbone_channels import match_channels
from .config_files import read_config
from .config_keys import check_option_keys
from .console import tell
from .model_checks import check_model
from .options import LATEST, Options

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
    ``in_channels`` then follow the backbone the options ended up with, and the model is
    built once without memory, so that whatever is impossible is said now.

    Args:
        path: The config file.
        options: What the command line asks for.
        training: Whether the run needs a training split.

    Raises:
        OptionError: The file or an option is impossible.
        DataError: ``options.data_root`` is not in COCO layout.
        CheckpointError: A named checkpoint does not exist.
    """
    return apply_options(read_config(path), options or Options(), training)


def apply_options(cfg: Config, options: Options, training: bool = True) -> Config:
    """Apply ``options`` to ``cfg``, in place, and return it; see `load_config`."""
    # Parts of a model are looked up in mmdet's registry.
    init_default_scope(cfg.get("default_scope") or "mmdet")
    file_model = copy.deepcopy(cfg.model)
    _merge_assignments(cfg, options)
    if options.data_root is not None:
        point_config_at(cfg, options.data_root, training=training)
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
    if options.vis is not None:
        _add_vis_backend(cfg, options.vis)
    changed = match_channels(cfg.model, file_model)
    if changed:
        tell(changed)
    check_model(cfg.model)
    return cfg


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
    changed = [
        key for key, value in frozen.items() if backbone.get(key, value) != value
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
