"""Gradient accumulation, and what counts iterations instead of optimizer steps.

A recipe counts optimizer steps. With accumulation a step takes several iterations, and
mmengine counts iterations, so every length in iterations has to grow with it, and an
average of the weights has to wait for the step.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from mmengine.config import Config

from ...errors import OptionError
from ..console import tell

WRAPPERS = ("OptimWrapper", "AmpOptimWrapper", "CpuAmpOptimWrapper")
LENGTHS = (
    *("begin", "end", "T_max", "step_size", "milestones", "periods"),
    *("total_steps", "num_steps"),
)
# mmengine's hook, which averages after every batch, and ours.
EMA_HOOKS = ("EMAHook", "StepEMAHook")
LOOP_LENGTHS = ("max_iters", "val_begin", "val_interval")


def accumulate_batches(cfg: Config, batches: int) -> None:
    """Let ``batches`` batches make one optimizer step.

    Raises:
        OptionError: The number, the optimizer wrapper or a schedule does not allow it.
    """
    wrapper = cfg.get("optim_wrapper")
    kind = wrapper.get("type", "OptimWrapper") if isinstance(wrapper, dict) else None
    if batches < 1:
        raise OptionError(
            f"--accumulate {batches} is not possible: give the number of batches of an "
            f"optimizer step, 1 or more."
        )
    if kind not in WRAPPERS:
        raise OptionError(
            f"--accumulate cannot be combined with optim_wrapper.type={kind}; it needs "
            f"one of {', '.join(WRAPPERS)}."
        )
    # The config's own lengths are for the config's own number.
    before = wrapper.get("accumulative_counts", 1)
    wrapper["accumulative_counts"] = batches
    if batches > 1:
        _average_per_step(cfg)
    if batches != before and _stretch(cfg, batches, before):
        tell(
            f"{batches} batches make a step: lengths in iterations are "
            f"{batches / before:g} times the config's"
        )


def _stretch(cfg: Config, batches: int, before: int) -> bool:
    schedulers = cfg.get("param_scheduler") or []
    schedulers = [schedulers] if isinstance(schedulers, Mapping) else schedulers
    stretched = False
    for scheduler in schedulers:
        if scheduler.get("by_epoch", True):
            continue
        if "Exponential" in scheduler["type"]:
            raise OptionError(
                f"--accumulate cannot stretch {scheduler['type']}, which decays at "
                f"every iteration; use another param_scheduler, or by_epoch=True."
            )
        stretched |= _multiply(scheduler, LENGTHS, batches, before)
    loop = cfg.get("train_cfg") or {}
    if "max_iters" in loop:
        loop.setdefault("val_interval", 1000)  # mmengine's default
        stretched |= _multiply(loop, LOOP_LENGTHS, batches, before)
        if loop.get("dynamic_intervals"):
            loop["dynamic_intervals"] = [
                tuple(_times(number, batches, before) for number in pair)
                for pair in loop["dynamic_intervals"]
            ]
    for hook in cfg.get("custom_hooks") or []:
        if hook.get("type") in EMA_HOOKS:
            _multiply(hook, ("begin_iter",), batches, before)
    checkpoint = (cfg.get("default_hooks") or {}).get("checkpoint") or {}
    if not checkpoint.get("by_epoch", True):
        _multiply(checkpoint, ("interval",), batches, before)
    return stretched


def _average_per_step(cfg: Config) -> None:
    theirs, ours = EMA_HOOKS
    for hook in cfg.get("custom_hooks") or []:
        if hook.get("type") == theirs:
            hook["type"] = ours


def _multiply(
    node: dict[str, Any], keys: Sequence[str], batches: int, before: int
) -> bool:
    present = [key for key in keys if node.get(key) is not None]
    for key in present:
        value = node[key]
        node[key] = (
            [_times(length, batches, before) for length in value]
            if isinstance(value, (list, tuple))
            else _times(value, batches, before)
        )
    return bool(present)


def _times(length: int, batches: int, before: int) -> int:
    return round(length * batches / before)
