"""Mixed precision: which optimizer wrapper and number format ``--amp`` means here."""

from __future__ import annotations

from typing import Any

import torch
from mmengine.config import Config

from ...errors import OptionError

CPU_AMP = "CpuAmpOptimWrapper"
GPU_AMP = "AmpOptimWrapper"


def set_precision(cfg: Config, wanted: bool | str) -> None:
    """Do what ``--amp`` asks, or make sure that a config's own wrapper can run.

    Args:
        cfg: The config to change.
        wanted: False, True or ``auto`` (float16 on a GPU, bfloat16 on a CPU), ``fp16``
            or ``bf16``.

    Raises:
        OptionError: The machine or the config does not allow it.
    """
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
        _set_gpu_format(wrapper, wanted)
        return
    if wanted == "fp16":
        raise OptionError(
            "--amp fp16 needs a GPU: on a CPU float16 is slow and overflows; use "
            "--amp or --amp bf16."
        )
    # bfloat16 has float32's range: there is no loss to scale.
    wrapper["type"] = CPU_AMP
    wrapper.pop("loss_scale", None)
    wrapper.pop("dtype", None)


def _set_gpu_format(wrapper: dict[str, Any], wanted: bool | str) -> None:
    if wanted == "fp16":
        wrapper["dtype"] = "float16"
    elif wanted == "bf16":
        if not torch.cuda.is_bf16_supported(including_emulation=False):
            raise OptionError(
                "--amp bf16 needs a GPU with bfloat16 (Ampere or newer); use --amp "
                "fp16 on this one."
            )
        wrapper["dtype"] = "bfloat16"
        # As on a CPU: nothing to scale.
        wrapper["loss_scale"] = dict(enabled=False)
