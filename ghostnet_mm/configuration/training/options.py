"""The options of training: what each sets in a config, and what it cannot do.

Each sets ordinary settings of mmengine and mmdet, so the config that a run dumps says
everything and trains the same without the options.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

import torch
from mmdet.registry import MODELS
from mmengine.config import Config

from ...backbones.base import MultiScaleBackbone
from ...errors import OptionError
from ..console import tell
from .accumulation import EMA_HOOKS, accumulate_batches
from .compiler import check_compiler
from .early_stopping import stop_early
from .resuming import checkpoint_to_resume

CPU_AMP = "CpuAmpOptimWrapper"
LAYER_DECAY = "GhostLayerDecayOptimWrapperConstructor"
RUNNER = "BatchScalingRunner"
US = "ghostnet_mm"

# Each freezes what the ones before it do, and more.
FREEZING: dict[str, dict[str, Any]] = {
    "none": dict(frozen_stages=-1, norm_eval=False),
    "norms": dict(frozen_stages=-1, norm_eval=True),
    "stem": dict(frozen_stages=0, norm_eval=True),
    "backbone": dict(frozen_stages=4, norm_eval=True),
}


def apply_training_options(cfg: Config, options: Any) -> None:
    """Apply the options that only training has to ``cfg``, in place.

    Args:
        cfg: The config after ``--cfg-options``, data root, weights and resuming.
        options: An `Options`.

    Raises:
        OptionError: An option is impossible, alone or with another or this config.
    """
    if options.amp:
        _set_precision(cfg, options.amp)
    if options.freeze is not None:
        _freeze(cfg, options.freeze)
    if options.layer_decay is not None:
        _set_layer_decay(cfg, options.layer_decay)
    if options.accumulate is not None:
        accumulate_batches(cfg, options.accumulate)
        _declare_us(cfg)  # of us may be the hook that averages the weights
    if options.auto_scale_lr:
        _count_accumulated_images(cfg)
    if options.ema is not False:
        _average_weights(cfg, options.ema)
    if options.early_stop is not False:
        _declare_us(cfg)
        stop_early(cfg, options.early_stop)
    if options.channels_last:
        _needs_backbone(cfg, "--channels-last")
        _add_hook(cfg, "ChannelsLast")
    if options.compile:
        _compile(cfg)
    if options.seed is not None or options.deterministic:
        _set_randomness(cfg, options)


def _declare_us(cfg: Config) -> None:
    """Have the dumped config import the package that registers what it now names."""
    custom = dict(cfg.get("custom_imports") or {"allow_failed_imports": False})
    imports = custom.get("imports") or []
    imports = [imports] if isinstance(imports, str) else list(imports)
    custom["imports"] = imports if US in imports else [*imports, US]
    cfg.custom_imports = custom


def _add_hook(cfg: Config, kind: str, **settings: Any) -> None:
    """Add a hook, or change the settings of the one that the config has."""
    _declare_us(cfg)
    hooks = list(cfg.get("custom_hooks") or [])
    for hook in hooks:
        if hook.get("type") == kind:
            hook.update(settings)
            break
    else:
        hooks.append(dict(type=kind, **settings))
    cfg.custom_hooks = hooks


def _wrapper(cfg: Config, flag: str) -> dict[str, Any]:
    wrapper = cfg.get("optim_wrapper")
    if not isinstance(wrapper, dict):
        raise OptionError(f"{flag} needs an optim_wrapper in the config.")
    return wrapper


def _needs_backbone(cfg: Config, flag: str) -> Mapping[str, Any]:
    backbone = cfg.model.get("backbone")
    if not isinstance(backbone, Mapping):
        raise OptionError(f"{flag} needs a config with a model.backbone.")
    return backbone


def _is_ours(backbone: Mapping[str, Any]) -> bool:
    kind = backbone.get("type")
    kind = MODELS.get(kind) if isinstance(kind, str) else kind
    return isinstance(kind, type) and issubclass(kind, MultiScaleBackbone)


def _set_precision(cfg: Config, wanted: bool | str) -> None:
    """Choose the number format; the wrapper itself has been chosen before."""
    wrapper = _wrapper(cfg, "--amp")
    if wrapper["type"] == CPU_AMP:
        if wanted == "fp16":
            raise OptionError(
                "--amp fp16 needs a GPU: on a CPU float16 is slow and overflows; use "
                "--amp or --amp bf16."
            )
    elif wanted == "fp16":
        wrapper["dtype"] = "float16"
    elif wanted == "bf16":
        if not torch.cuda.is_bf16_supported(including_emulation=False):
            raise OptionError(
                "--amp bf16 needs a GPU with bfloat16 (Ampere or newer); use --amp "
                "fp16 on this one."
            )
        wrapper["dtype"] = "bfloat16"
        # bfloat16 has float32's range: there is no loss to scale.
        wrapper["loss_scale"] = dict(enabled=False)


def _freeze(cfg: Config, what: str) -> None:
    backbone: Any = _needs_backbone(cfg, "--freeze")
    if not _is_ours(backbone):
        raise OptionError(
            f"--freeze knows the backbones of ghostnet_mm, not {backbone.get('type')}; "
            f"set its model.backbone.frozen_stages with --cfg-options."
        )
    init_cfg = backbone.get("init_cfg") or {}
    all_cfgs = init_cfg if isinstance(init_cfg, (list, tuple)) else [init_cfg]
    pretrained = any(one.get("type") == "Pretrained" for one in all_cfgs)
    given = pretrained or cfg.get("load_from") or checkpoint_to_resume(cfg)
    if what != "none" and not given:
        detector = "the detector with --cfg-options load_from=PATH"
        if cfg.get("resume"):
            detector = (
                f"a checkpoint to resume with --resume PATH ({cfg.work_dir} has none)"
            )
        raise OptionError(
            f"--freeze {what} would keep random weights as they are; give the backbone "
            f"weights with --backbone-weights, or {detector}."
        )
    backbone.update(FREEZING[what])


def _set_layer_decay(cfg: Config, rate: float) -> None:
    wrapper = _wrapper(cfg, "--layer-decay")
    backbone = _needs_backbone(cfg, "--layer-decay")
    if not 0 < rate <= 1:
        raise OptionError(
            f"--layer-decay {rate} is not possible: give a number above 0 and up to 1, "
            f"such as 0.8."
        )
    if not _is_ours(backbone):
        raise OptionError(
            f"--layer-decay knows the backbones of ghostnet_mm, not "
            f"{backbone.get('type')}; use optim_wrapper.paramwise_cfg.custom_keys."
        )
    if backbone.get("frozen_stages", -1) >= FREEZING["backbone"]["frozen_stages"]:
        raise OptionError(
            "--layer-decay has no effect on a backbone that is frozen in full; leave "
            "it out, or freeze less of the backbone."
        )
    constructor = wrapper.get("constructor") or LAYER_DECAY
    if constructor not in (LAYER_DECAY, "DefaultOptimWrapperConstructor"):
        raise OptionError(
            f"--layer-decay cannot be combined with optim_wrapper.constructor="
            f"{constructor}; it brings its own."
        )
    if "lr" not in (wrapper.get("optimizer") or {}):
        raise OptionError("--layer-decay needs optim_wrapper.optimizer.lr.")
    _declare_us(cfg)
    wrapper["constructor"] = LAYER_DECAY
    settings = dict(wrapper.get("paramwise_cfg") or {})
    wrapper["paramwise_cfg"] = dict(settings, decay_rate=rate)


def _count_accumulated_images(cfg: Config) -> None:
    if cfg.get("runner_type") not in (None, "QuietRunner", RUNNER):
        raise OptionError(
            f"--auto-scale-lr cannot be combined with runner_type={cfg.runner_type}; "
            f"set optim_wrapper.optimizer.lr yourself."
        )
    _declare_us(cfg)
    cfg.runner_type = RUNNER


def _average_weights(cfg: Config, momentum: bool | float) -> None:
    settings = {} if momentum is True else dict(momentum=momentum)
    if settings and not 0 < momentum < 1:
        raise OptionError(
            f"--ema {momentum} is not possible: the momentum is the weight of the "
            f"newest weights in the average, above 0 and below 1, such as 0.0002."
        )
    for hook in cfg.get("custom_hooks") or []:
        if hook.get("type") in EMA_HOOKS:
            hook.update(settings)
            if not settings:
                tell("--ema: the config averages the weights already")
            return
    _add_hook(cfg, "WeightAverage", **settings)


def _compile(cfg: Config) -> None:
    if cfg.get("compile"):
        raise OptionError(
            "--compile cannot be combined with compile in the config, which compiles "
            "the whole training step; take one of them out."
        )
    if _needs_backbone(cfg, "--compile").get("with_cp"):
        raise OptionError(
            "--compile cannot be combined with model.backbone.with_cp=True, whose "
            "second forward pass no compiler follows; take one of them out."
        )
    check_compiler()
    _add_hook(cfg, "CompileParts")


def _set_randomness(cfg: Config, options: Any) -> None:
    randomness = dict(cfg.get("randomness") or {})
    if options.seed is not None:
        if not 0 <= options.seed < 2**32:
            raise OptionError(
                f"--seed {options.seed} is not possible: NumPy takes 0 to 4294967295."
            )
        randomness["seed"] = options.seed
    if options.deterministic:
        randomness["deterministic"] = True
        # cuBLAS reads it when CUDA starts, which is later.
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    cfg.randomness = randomness
