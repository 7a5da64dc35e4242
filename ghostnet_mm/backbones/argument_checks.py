"""Checks of the arguments that every backbone of the package shares."""

import math
from collections.abc import Iterable, Sequence
from typing import Any, TypeVar

from ..errors import OptionError

STAGE_STRIDES = (4, 8, 16, 32)
OUTPUT_STRIDES = (8, 16, 32)

Choice = TypeVar("Choice", str, int)


def _is_integer(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def checked_widen_factor(widen_factor: float) -> float:
    """Return the width multiplier as a float, or raise ``OptionError``."""
    is_number = isinstance(widen_factor, int | float)
    if isinstance(widen_factor, bool) or not is_number:
        usable = False
    else:
        usable = math.isfinite(widen_factor) and 0 < widen_factor <= 16
    if not usable:
        raise OptionError(
            f"widen_factor={widen_factor!r} is not possible: give a number above 0 and "
            "up to 16, such as 0.5 or 1.0."
        )
    return float(widen_factor)


def checked_in_channels(in_channels: int) -> int:
    """Return the number of image channels, or raise ``OptionError``."""
    if not _is_integer(in_channels) or in_channels < 1:
        raise OptionError(
            f"in_channels={in_channels!r} is not possible: give the number of image "
            "channels, such as 3."
        )
    return in_channels


def checked_out_indices(out_indices: Sequence[int] | int) -> tuple[int, ...]:
    """Return the wanted taps as a tuple, or raise ``OptionError``."""
    indices = (
        tuple(out_indices) if isinstance(out_indices, list | tuple) else (out_indices,)
    )
    possible = range(len(STAGE_STRIDES))
    valid = all(_is_integer(index) and index in possible for index in indices)
    ascending = valid and list(indices) == sorted(set(indices))
    if not indices or not ascending:
        raise OptionError(
            f"out_indices={indices!r} is not possible: choose ascending numbers from "
            "(0, 1, 2, 3), which stand for strides 4, 8, 16 and 32."
        )
    return indices


def checked_frozen_stages(frozen_stages: int) -> int:
    """Return the number of frozen stages, or raise ``OptionError``."""
    last = len(STAGE_STRIDES)
    if not _is_integer(frozen_stages) or not -1 <= frozen_stages <= last:
        raise OptionError(
            f"frozen_stages={frozen_stages!r} is not possible: use -1 to freeze "
            f"nothing, 0 for the stem, 1 to {last} for the stem and that many stages."
        )
    return frozen_stages


def checked_output_stride(output_stride: int) -> int:
    """Return the stride of the deepest map, or raise ``OptionError``."""
    if not _is_integer(output_stride) or output_stride not in OUTPUT_STRIDES:
        raise OptionError(
            f"output_stride={output_stride!r} is not possible: use 32, or 16 or 8 to "
            "dilate the deepest stages."
        )
    return output_stride


def checked_layer_cfg(name: str, cfg: dict[str, Any]) -> dict[str, Any]:
    """Return a copy of ``norm_cfg`` or ``act_cfg``, or raise ``OptionError``."""
    if not isinstance(cfg, dict) or "type" not in cfg:
        raise OptionError(
            f"{name}={cfg!r} is not possible: give a dict with a 'type', such as "
            "dict(type='BN') or dict(type='ReLU')."
        )
    return dict(cfg)


def checked_ratio(ratio: int) -> int:
    """Return the ratio of the ghost modules, or raise ``OptionError``."""
    if not _is_integer(ratio) or ratio < 2:
        raise OptionError(
            f"ratio={ratio!r} is not possible: give a whole number of at least 2."
        )
    return ratio


def checked_cheap_kernel_size(cheap_kernel_size: int) -> int:
    """Return the kernel size of the cheap operations, or raise ``OptionError``."""
    if (
        not _is_integer(cheap_kernel_size)
        or cheap_kernel_size < 1
        or cheap_kernel_size % 2 == 0
    ):
        raise OptionError(
            f"cheap_kernel_size={cheap_kernel_size!r} is not possible: give an odd "
            "number such as 3 or 5."
        )
    return cheap_kernel_size


def checked_choice(name: str, value: Choice, choices: Iterable[Choice]) -> Choice:
    """Return the named argument if it is one of ``choices``, or raise ``OptionError``.

    50.0 is not 50, nor is True 1.
    """
    choices = tuple(choices)
    if not any(type(value) is type(choice) and value == choice for choice in choices):
        raise OptionError(
            f"{name}={value!r} is not possible: choose one of "
            f"{', '.join(str(choice) for choice in choices)}."
        )
    return value
