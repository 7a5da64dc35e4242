"""Numbers as files have them: whole, broken, as text, or not at all."""

from __future__ import annotations

import math
from collections.abc import Sequence

_NUMBERS = frozenset({int, float})


def number(value: object) -> float | None:
    """Return a finite number, also one written as text; ``None`` for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        result = float(value)
    except (ValueError, OverflowError):
        return None
    return result if math.isfinite(result) else None


def numbers(values: object, count: int | None = None) -> list[float] | None:
    """Return a list of finite numbers, ``count`` of them if given, or ``None``."""
    if not isinstance(values, Sequence) or isinstance(values, str):
        return None
    if count is not None and len(values) != count:
        return None
    if _NUMBERS.issuperset(map(type, values)):
        try:
            if math.isfinite(math.fsum(map(abs, values))):
                return list(values)
        except OverflowError:
            return None
        return None
    found = [number(value) for value in values]
    known = [value for value in found if value is not None]
    return known if len(known) == len(found) else None


def without_fraction(value: object) -> object:
    """Return a whole float, as pandas writes ids, as an int; all else as it is."""
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value


def side(value: object) -> int:
    """Return a width or height in whole pixels, 0 if it is none."""
    found = number(value)
    return int(found) if found is not None and 1 <= found < 2**31 else 0
