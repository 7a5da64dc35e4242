"""What a checkpoint's pickle may refer to besides tensors: a closed list.

``torch.load(weights_only=True)`` reads a pickle with an interpreter of its own that
calls nothing but an allow-list. mmengine's checkpoints need a little more than torch's
default list: numpy arrays and scalars, ``HistoryBuffer``, one function of
``OneCycleLR``, and the builtin ``getattr``, with which pickle protocol 2 spells
"method ``min`` of ``HistoryBuffer``".

Allowing the real objects would open doors. ``getattr`` reaches every attribute of
everything allowed; ``numpy.dtype.__setstate__`` takes the dtype's memory layout from
the file, so that raw bytes pass for object pointers; ``HistoryBuffer.__setstate__``
writes into its class, so that one file changes the logging of the whole process.
So every name is resolved to a stand-in from this module, which accepts what honest
files contain and refuses the rest. ``restore_plain_objects`` turns the stand-ins into
the real objects after the pickle has been read.
"""

import argparse
import re
from collections.abc import Callable
from typing import Any, Literal

import numpy as np
from mmengine.logging.history_buffer import HistoryBuffer
from mmengine.optim.scheduler.param_scheduler import OneCycleParamScheduler


class RefusedReferenceError(Exception):
    """A pickle asked for something outside the closed list; the text names it."""


class _DtypeRecord:
    """Stands in for ``numpy.dtype``: plain numbers, booleans and strings only."""

    _PLAIN = re.compile(r"[biufc]\d+|[SU]\d+|bool")

    def __init__(self, name: str, align: bool = False, copy: bool = False):
        if not isinstance(name, str) or not self._PLAIN.fullmatch(name):
            raise RefusedReferenceError(f"numpy.dtype({name!r})")
        self.value = np.dtype(name)

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        # (version, byte order, subarray, names, fields, ...): the name already fixes
        # everything but the byte order.
        if any(part is not None for part in state[2:5]):
            raise RefusedReferenceError("numpy.dtype with fields")
        self.value = self.value.newbyteorder(state[1])


class _ArrayRecord:
    """Stands in for ``numpy.ndarray``."""

    value: np.ndarray

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        _version, shape, dtype, is_fortran, data = state
        if not isinstance(dtype, _DtypeRecord) or not isinstance(data, bytes):
            raise RefusedReferenceError("numpy.ndarray of objects")
        order: Literal["F", "C"] = "F" if is_fortran else "C"
        view = np.ndarray(shape, dtype.value, buffer=data, order=order)
        if view.nbytes != len(data):
            raise ValueError(f"{len(data)} bytes for an array of {view.nbytes}")
        self.value = view.copy(order="K")  # a view of bytes would be read-only


def _reconstruct_array(
    array_type: type, shape: tuple[int, ...], typecode: bytes
) -> _ArrayRecord:
    """Stand in for ``numpy``'s maker of the empty array that the state then fills."""
    if array_type is not _ArrayRecord:
        raise RefusedReferenceError("numpy.ndarray of another class")
    return _ArrayRecord()


def _make_scalar(dtype: _DtypeRecord, data: bytes) -> np.generic:
    """Stand in for ``numpy``'s maker of scalars such as ``numpy.float64(0.5)``."""
    if not isinstance(dtype, _DtypeRecord) or not isinstance(data, bytes):
        raise RefusedReferenceError("numpy scalar of an object")
    scalar: np.generic = np.frombuffer(data, dtype.value, count=1)[0]
    return scalar


def _make_empty_bytes(*content: Any) -> bytes:
    """Stand in for ``bytes``, which protocol 2 calls for the empty string only."""
    if content:
        raise RefusedReferenceError("builtins.bytes with arguments")
    return b""


class _RestoredHistoryBuffer(HistoryBuffer):
    """Reads mmengine's record of a log value, then is a plain ``HistoryBuffer``."""

    def __setstate__(self, state: dict[str, Any]) -> None:
        # The file's table of statistics methods is left out: HistoryBuffer shares it
        # between all instances, and sets its own four by itself.
        log, counts = (state[name].value for name in ("_log_history", "_count_history"))
        HistoryBuffer.__init__(self, log, counts, int(state["max_length"]))
        self.__class__ = HistoryBuffer


class _RestoredNamespace(argparse.Namespace):
    """Reads the command line that training scripts store beside the weights."""

    def __setstate__(self, state: object) -> None:
        if not isinstance(state, dict) or not all(isinstance(k, str) for k in state):
            raise RefusedReferenceError("argparse.Namespace with slots")
        self.__dict__.update(state)
        self.__class__ = argparse.Namespace  # type: ignore[assignment]


class _OneCycleOwner:
    """Stands in for ``OneCycleParamScheduler``, of which two functions are named."""


_NAMED_FUNCTIONS = {
    (_RestoredHistoryBuffer, "min"): HistoryBuffer.min,
    (_RestoredHistoryBuffer, "max"): HistoryBuffer.max,
    (_RestoredHistoryBuffer, "mean"): HistoryBuffer.mean,
    (_RestoredHistoryBuffer, "current"): HistoryBuffer.current,
    (_OneCycleOwner, "_annealing_cos"): OneCycleParamScheduler._annealing_cos,
    (_OneCycleOwner, "_annealing_linear"): OneCycleParamScheduler._annealing_linear,
}


def _get_named_function(owner: Any, name: str) -> Any:
    """Stand in for ``getattr``: six known functions, no look-up of any attribute."""
    for (known_owner, known_name), function in _NAMED_FUNCTIONS.items():
        if owner is known_owner and name == known_name:
            return function
    raise RefusedReferenceError(
        f"builtins.getattr({getattr(owner, '__name__', type(owner).__name__)}, {name})"
    )


HARMLESS_REFERENCES: list[Callable[..., Any] | tuple[Callable[..., Any], str]] = [
    (_RestoredHistoryBuffer, "mmengine.logging.history_buffer.HistoryBuffer"),
    (
        _OneCycleOwner,
        "mmengine.optim.scheduler.param_scheduler.OneCycleParamScheduler",
    ),
    (_get_named_function, "builtins.getattr"),
    (_make_empty_bytes, "builtins.bytes"),
    (_RestoredNamespace, "argparse.Namespace"),
    (_ArrayRecord, "numpy.ndarray"),
    (_DtypeRecord, "numpy.dtype"),
    # numpy 2 renamed numpy.core to numpy._core; files written by either are around.
    (_reconstruct_array, "numpy.core.multiarray._reconstruct"),
    (_reconstruct_array, "numpy._core.multiarray._reconstruct"),
    (_make_scalar, "numpy.core.multiarray.scalar"),
    (_make_scalar, "numpy._core.multiarray.scalar"),
]
"""Pairs (stand-in, name in the file), as ``torch.serialization`` takes them."""


def restore_plain_objects(value: Any, _seen: set[int] | None = None) -> Any:
    """Replace the stand-ins for numpy arrays and dtypes inside what a pickle gave.

    Dicts, lists and namespaces are changed in place, tuples rebuilt where needed.
    """
    seen = set() if _seen is None else _seen
    if isinstance(value, (_ArrayRecord, _DtypeRecord)):
        return value.value
    if type(value) is tuple:
        items = [restore_plain_objects(item, seen) for item in value]
        changed = any(new is not old for new, old in zip(items, value, strict=True))
        return tuple(items) if changed else value
    if not isinstance(value, (dict, list, argparse.Namespace)) or id(value) in seen:
        return value
    seen.add(id(value))
    if isinstance(value, list):
        value[:] = [restore_plain_objects(item, seen) for item in value]
    else:
        entries = value if isinstance(value, dict) else vars(value)
        for key, item in entries.items():
            entries[key] = restore_plain_objects(item, seen)
    return value
