"""Dataclasses that are written as JSON and read back as what they were."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, fields, is_dataclass
from pathlib import Path
from types import NoneType, UnionType
from typing import (
    Any,
    ClassVar,
    Literal,
    TypeVar,
    Union,
    get_args,
    get_origin,
    get_type_hints,
)

from ghostnet_runtime.atomic_writing import write_text

from ..errors import DataError

RecordType = TypeVar("RecordType", bound="Record")


class Record:
    """A dataclass of texts, numbers, tuples, mappings and other dataclasses.

    Attributes:
        KIND: What a file of it is called, and where one comes from, in error messages:
            ``("deploy card", "export the detector anew")``.
    """

    KIND: ClassVar[tuple[str, str]]

    def write_json(self, path: str | os.PathLike[str]) -> None:
        """Write all fields as JSON, whole or not at all.

        Raises:
            OSError: The file cannot be written.
        """
        record: Any = self  # a dataclass, which this class itself is not
        write_text(path, json.dumps(asdict(record), indent=1) + "\n")

    @classmethod
    def read(cls: type[RecordType], path: str | os.PathLike[str]) -> RecordType:
        """Read what `write_json` wrote; the result equals what was written.

        Raises:
            DataError: The file cannot be read, or a field is missing, unknown or of
                another type.
        """
        name, advice = cls.KIND
        try:
            content = json.loads(Path(path).read_text(encoding="utf-8"))
            record: RecordType = _value(cls, content, "")
            return record
        except FileNotFoundError as error:
            raise DataError(f"{path} does not exist; check the path.") from error
        except OSError as error:
            raise DataError(f"{path} cannot be read: {error.strerror}.") from error
        except _Misfit as error:
            raise DataError(f"{path} is no {name}: {error}; {advice}.") from error
        except ValueError as error:  # of the decoder, or of JSON
            raise DataError(
                f"{path} is no {name}: it is not valid JSON; {advice}."
            ) from error


class _Misfit(Exception):
    """A value is not what its field holds."""


def _value(kind: Any, value: Any, where: str) -> Any:
    """Make a value of a field's type of what JSON has in its place."""
    origin, arguments = get_origin(kind), get_args(kind)
    if is_dataclass(kind):
        return _dataclass(kind, value, where)
    if origin in (Union, UnionType):
        # Of ``float | None``, float is what says what is wrong.
        *others, last = sorted(arguments, key=lambda option: option is not NoneType)
        for option in others:
            try:
                return _value(option, value, where)
            except _Misfit:
                continue
        return _value(last, value, where)
    if origin is tuple and isinstance(value, list):
        each = enumerate(value)
        return tuple(_value(arguments[0], item, f"{where}[{i}]") for i, item in each)
    if origin is Mapping and isinstance(value, dict):
        return {k: _value(arguments[1], v, f"{where}.{k}") for k, v in value.items()}
    if origin is Literal and value in arguments:
        return value
    if kind is float and type(value) is int:
        return float(value)
    # By the type itself: a bool is no number here.
    if origin is None and type(value) is kind:
        return value
    raise _Misfit(f"{_place(where)} cannot be {_shortened(value)}")


def _dataclass(kind: Any, value: Any, where: str) -> Any:
    names = [field.name for field in fields(kind)]
    if not isinstance(value, dict):
        raise _Misfit(f"{_place(where)} has no fields")
    for name in [*names, *value]:
        if name not in value or name not in names:
            problem = "missing" if name in names else "unknown"
            raise _Misfit(f"{_place(f'{where}.{name}')} is {problem}")
    types = get_type_hints(kind)
    return kind(**{n: _value(types[n], value[n], f"{where}.{n}") for n in names})


def _place(where: str) -> str:
    return where.removeprefix(".") or "it"


def _shortened(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= 40 else f"{text[:37]}..."
