"""JSON objects as frozen dataclasses: the types of the fields say what is allowed.

Fields are text, numbers (finite), whole numbers (1 or more), true or false, one of some
values, lists of these as tuples, or records again; each may allow null as ``None``. A
field with a default may be missing. Nothing else passes.
"""

from __future__ import annotations

import reprlib
import sys
from dataclasses import MISSING, fields, is_dataclass
from types import UnionType
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

# A value of the type, and several of them.
WORDS = {
    str: ("text", "texts"),
    bool: ("true or false", "true or false each"),
    int: ("a whole number of 1 or more", "whole numbers of 1 or more"),
    float: ("a number", "numbers"),
}

Record = TypeVar("Record")


class FieldError(ValueError):
    """A sentence without its period, on a field that has no such value."""


def read_record(kind: type[Record], values: object, path: str = "") -> Record:
    """Make a record of a JSON object.

    Args:
        kind: A dataclass.
        values: What ``json.loads`` returned.
        path: The object's key, empty for the outermost.

    Raises:
        FieldError: A field is missing, unknown, or of another type.
    """
    if not isinstance(values, dict):
        raise FieldError(f"{path} is {reprlib.repr(values)} and not an object")
    prefix = f"{path}." if path else ""
    types = get_type_hints(kind)
    for name in values:
        if name not in types:
            raise FieldError(f"{prefix}{name} is not known")
    for field in fields(kind):  # type: ignore[arg-type]
        if field.name not in values and field.default is MISSING:
            raise FieldError(f"{prefix}{field.name} is missing")
    return kind(**{k: _read(types[k], v, f"{prefix}{k}") for k, v in values.items()})


def _read(kind: Any, value: object, path: str) -> object:
    if get_origin(kind) in (Union, UnionType):
        if value is None:
            return None
        kind = get_args(kind)[0]
    if is_dataclass(kind):
        return read_record(kind, value, path)  # type: ignore[arg-type]
    if not _fits(kind, value):
        raise FieldError(f"{path} is {reprlib.repr(value)} and not {_words(kind)}")
    return tuple(value) if isinstance(value, list) else value


def _fits(kind: Any, value: Any) -> bool:
    choices = get_args(kind)
    if get_origin(kind) is Literal:
        return any(type(value) is type(each) and value == each for each in choices)
    if get_origin(kind) is tuple:
        if not isinstance(value, list):
            return False
        types = choices[:1] * len(value) if choices[-1] is Ellipsis else choices
        return len(types) == len(value) and all(map(_fits, types, value))
    # JSON's true is no number, though Python's is.
    if kind is float:
        return type(value) in (int, float) and abs(value) <= sys.float_info.max
    return type(value) is kind and (kind is not int or value >= 1)


def _words(kind: Any) -> str:
    choices = get_args(kind)
    if get_origin(kind) is Literal:
        return " or ".join(map(repr, choices))
    if get_origin(kind) is tuple:
        count = "" if choices[-1] is Ellipsis else f"{len(choices)} "
        return f"a list of {count}{WORDS[choices[0]][1]}"
    return WORDS[kind][0]
