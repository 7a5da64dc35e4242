"""The length of a run: a recipe made shorter or longer as a whole."""

from __future__ import annotations

from typing import Any

from mmengine.config import Config

from ...errors import OptionError

# Of schedulers: when they begin, end or change.
TIMES = ("begin", "end", "T_max", "step_size")
# Of mmdet's hooks that change something in the course of a run.
HOOK_TIMES = ("num_last_epochs", "switch_epoch", "stop_epoch")


def set_epochs(cfg: Config, epochs: int) -> None:
    """Train for so many epochs, in place, with the whole schedule scaled to them.

    Warm-ups counted in iterations are scaled too: one made for 300 epochs would last
    longer than a run of 10. Validations and checkpoints keep their number.

    Raises:
        OptionError: The run is not counted in epochs, or there would be none.
    """
    loop = cfg.get("train_cfg")
    if not isinstance(loop, dict) or not loop.get("max_epochs"):
        raise OptionError(
            "--epochs needs a config that counts in epochs (train_cfg.max_epochs); "
            "for this one set train_cfg.max_iters with --cfg-options."
        )
    if epochs < 1:
        raise OptionError(f"--epochs {epochs} is not possible: give 1 or more.")
    before = loop["max_epochs"]
    if epochs == before:
        return
    factor = epochs / before
    loop["max_epochs"] = epochs
    if "val_interval" in loop:
        loop["val_interval"] = _scaled(loop["val_interval"], factor)
    if loop.get("dynamic_intervals"):
        loop["dynamic_intervals"] = [
            (_scaled(start, factor), _scaled(interval, factor))
            for start, interval in loop["dynamic_intervals"]
        ]
    for scheduler in _listed(cfg.get("param_scheduler")):
        _scale(scheduler, TIMES, factor)
        if scheduler.get("milestones"):
            scheduler["milestones"] = [
                _scaled(time, factor) for time in scheduler["milestones"]
            ]
    for hook in cfg.get("custom_hooks") or []:
        _scale(hook, HOOK_TIMES, factor)
    checkpoints = (cfg.get("default_hooks") or {}).get("checkpoint") or {}
    if checkpoints.get("by_epoch", True):
        _scale(checkpoints, ("interval",), factor)


def _listed(schedulers: Any) -> list[dict[str, Any]]:
    if schedulers is None:
        return []
    return [schedulers] if isinstance(schedulers, dict) else list(schedulers)


def _scale(settings: dict[str, Any], names: tuple[str, ...], factor: float) -> None:
    for name in names:
        if isinstance(settings.get(name), int) and settings[name] > 0:
            settings[name] = _scaled(settings[name], factor)


def _scaled(time: int, factor: float) -> int:
    return max(1, round(time * factor))
