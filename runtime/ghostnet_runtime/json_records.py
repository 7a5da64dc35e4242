"""JSON objects as frozen dataclasses: the types of the fields say what is allowed.

Fields are text, numbers, true or false, one of some values, lists of these or of
records as tuples, objects of these as mappings, or records again; each may allow null
as ``None``. Nothing else passes. In what others may have written, numbers are finite
and whole ones 1 or more, and a field with a default may be missing.
"""

from __future__ import annotations

import reprlib
import sys
from collections.abc import Mapping
from dataclasses import MISSING, fields, is_dataclass
from types import NoneType, UnionType
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


def read_record(
    kind: type[Record], values: object, path: str = "", own: bool = False
) -> Record:
    """Make a record of a JSON object.

    Args:
        kind: A dataclass.
        values: What ``json.loads`` returned.
        path: The object's key, empty for the outermost.
        own: Whether it was made by ``asdict``: no field is missing, and numbers are
            any, such as NaN where a measurement gave none.

    Raises:
        FieldError: A field is missing, unknown, or of another type.
    """
    if not isinstance(values, dict):
        raise FieldError(f"{path or 'it'} is {reprlib.repr(values)} and not an object")
    prefix = f"{path}." if path else ""
    names = {field.name: field for field in fields(kind)}  # type: ignore[arg-type]
    for name in values:
        if name not in names:
            raise FieldError(f"{prefix}{name} is not known")
    for name, field in names.items():
        if name not in values and (own or field.default is MISSING):
            raise FieldError(f"{prefix}{name} is missing")
    types = get_type_hints(kind)
    return kind(
        **{k: _read(types[k], v, f"{prefix}{k}", own) for k, v in values.items()}
    )


def _read(kind: Any, value: object, path: str, own: bool) -> object:
    if get_origin(kind) in (Union, UnionType):
        if value is None and NoneType in get_args(kind):
            return None
        kinds = [each for each in get_args(kind) if each is not NoneType]
        kind = next((each for each in kinds if _fits(each, value, own)), kinds[0])
    if is_dataclass(kind):
        return read_record(kind, value, path, own)  # type: ignore[arg-type]
    inner = get_args(kind)
    if get_origin(kind) is Mapping and isinstance(value, dict):
        return {k: _read(inner[1], v, f"{path}.{k}", own) for k, v in value.items()}
    if inner and is_dataclass(inner[0]) and isinstance(value, list):
        items = enumerate(value)
        return tuple(_read(inner[0], each, f"{path}[{i}]", own) for i, each in items)
    if not _fits(kind, value, own):
        raise FieldError(f"{path} is {reprlib.repr(value)} and not {_words(kind)}")
    return tuple(value) if isinstance(value, list) else value


def _fits(kind: Any, value: Any, own: bool) -> bool:
    choices = get_args(kind)
    if get_origin(kind) is Literal:
        return any(type(value) is type(each) and value == each for each in choices)
    if get_origin(kind) is tuple:
        if not isinstance(value, list):
            return False
        types = choices[:1] * len(value) if choices[-1] is Ellipsis else choices
        return len(types) == len(value) and all(
            _fits(each, item, own) for each, item in zip(types, value, strict=True)
        )
    # JSON's true is no number, though Python's is.
    if kind is float:
        is_number = type(value) in (int, float)
        return is_number and (own or abs(value) <= sys.float_info.max)
    return type(value) is kind and (kind is not int or own or value >= 1)


def _words(kind: Any) -> str:
    choices = get_args(kind)
    if get_origin(kind) is Literal:
        return " or ".join(map(repr, choices))
    if get_origin(kind) is Mapping:
        return "an object"
    if get_origin(kind) is tuple:
        count = "" if choices[-1] is Ellipsis else f"{len(choices)} "
        return f"a list of {count}{WORDS.get(choices[0], ('', 'objects'))[1]}"
    return WORDS[kind][0]
