"""The options of training: what each sets in a config, and what it cannot do.

Each sets ordinary settings of mmengine and mmdet, so the config that a run dumps says
everything and trains the same without the options.
"""

from __future__ import annotations

import os
from typing import Any

from mmengine.config import Config

from ...errors import OptionError
from ..console import tell
from ..options import Options
from .accumulation import EMA_HOOKS, accumulate_batches
from .compiler import check_compiler
from .early_stopping import stop_early
from .length import set_epochs
from .starting_weights import FREEZING, backbone_of, freeze, is_multi_scale

LAYER_DECAY = "GhostLayerDecayOptimWrapperConstructor"
RUNNER = "BatchScalingRunner"
US = "ghostnet_mm"


def apply_training_options(cfg: Config, options: Options) -> None:
    """Apply the options that only training has to ``cfg``, in place.

    Args:
        cfg: The config after ``--cfg-options``, data root, weights and resuming.
        options: What the command line asks for.

    Raises:
        OptionError: An option is impossible, alone or with another or this config.
    """
    if options.epochs is not None:
        set_epochs(cfg, options.epochs)
    if options.freeze is not None:
        freeze(cfg, options.freeze)
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
    if options.on_nan is not None:
        _add_hook(cfg, "NonFiniteLoss", on_nan=options.on_nan)
    if options.keep is not None:
        _keep_last(cfg, options.keep)
    if options.channels_last:
        backbone_of(cfg, "--channels-last")
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


def _keep_last(cfg: Config, number: int) -> None:
    if number < 1:
        raise OptionError(
            f"--keep {number} is not possible: a run goes on from its last checkpoint; "
            f"keep 1 or more."
        )
    hooks = cfg.get("default_hooks") or {}
    hook = hooks.get("checkpoint", dict(type="CheckpointHook", interval=1))
    if hook is None:
        raise OptionError(
            "--keep has no meaning where default_hooks.checkpoint is None; take that "
            "setting out of the config."
        )
    hook["max_keep_ckpts"] = number
    hooks["checkpoint"] = hook
    cfg.default_hooks = hooks


def _wrapper(cfg: Config, flag: str) -> dict[str, Any]:
    wrapper = cfg.get("optim_wrapper")
    if not isinstance(wrapper, dict):
        raise OptionError(f"{flag} needs an optim_wrapper in the config.")
    return wrapper


def _set_layer_decay(cfg: Config, rate: float) -> None:
    wrapper = _wrapper(cfg, "--layer-decay")
    backbone = backbone_of(cfg, "--layer-decay")
    if not 0 < rate <= 1:
        raise OptionError(
            f"--layer-decay {rate} is not possible: give a number above 0 and up to 1, "
            f"such as 0.8."
        )
    if not is_multi_scale(backbone):
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
    if backbone_of(cfg, "--compile").get("with_cp"):
        raise OptionError(
            "--compile cannot be combined with model.backbone.with_cp=True, whose "
            "second forward pass no compiler follows; take one of them out."
        )
    check_compiler()
    _add_hook(cfg, "CompileParts")


def _set_randomness(cfg: Config, options: Options) -> None:
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
