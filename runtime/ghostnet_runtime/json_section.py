"""Reads values of a JSON object with their types."""

from __future__ import annotations

from typing import Any, NoReturn

from .errors import ModelError


class JsonSection:
    """One object of a description, whose values are read with their types.

    Every method raises a `ModelError` that names the key where a value is missing or of
    another kind than asked for.

    Args:
        values: The object.
        path: Its key in the description, empty for the outermost.
        origin: The file, for messages.
    """

    def __init__(self, values: dict[str, Any], path: str, origin: str):
        self.values, self.path, self.origin = values, path, origin

    def refuse(self, key: str, reason: str) -> NoReturn:
        """Raise the error: ``reason`` goes on after the key's name."""
        where = f"{self.path}.{key}" if self.path else key
        raise ModelError(
            f"The description in {self.origin} cannot be followed: {where} {reason}."
        )

    def section(self, key: str) -> JsonSection:
        """Read an object."""
        return JsonSection(self._value(key, dict, "an object"), key, self.origin)

    def allow_only(self, *known: str) -> None:
        """Refuse every key that is not known."""
        for key in self.values:
            if key not in known:
                self.refuse(
                    key,
                    "is not known to this version of ghostnet-runtime; install the "
                    "version of the export",
                )

    def text(self, key: str, *choices: str) -> str:
        """Read a text, one of ``choices`` where there are any."""
        value = self._value(key, str, "text")
        if choices and value not in choices:
            self.refuse(key, f"is {value!r} and not {' or '.join(map(repr, choices))}")
        return value

    def flag(self, key: str) -> bool:
        """Read true or false."""
        return self._value(key, bool, "true or false")

    def number(self, key: str, optional: bool = False) -> float | None:
        """Read a number; null gives ``None`` where it is optional."""
        return self._value(key, (int, float), "a number", optional)

    def integer(self, key: str, optional: bool = False) -> int | None:
        """Read a whole number of 1 or more."""
        value = self._value(key, int, "a whole number", optional)
        if value is not None and value < 1:
            self.refuse(key, f"is {value} and must be 1 or more")
        return value

    def texts(self, key: str) -> tuple[str, ...]:
        """Read a list of texts."""
        return self._values(key, str, "texts", None, False)

    def numbers(self, key: str, length: int) -> tuple[float, ...]:
        """Read a list of so many numbers."""
        return self._values(key, (int, float), "numbers", length, False)

    def integers(
        self, key: str, length: int | None = None, optional: bool = False
    ) -> tuple[int, ...] | None:
        """Read a list of whole numbers of 1 or more."""
        values = self._values(key, int, "whole numbers", length, optional)
        if values and min(values) < 1:
            self.refuse(key, f"is {list(values)} and must be 1 or more")
        return values

    def _values(self, key, kind, named, length, optional):
        many = "" if length is None else f"{length} "
        value = self._value(key, list, f"a list of {many}{named}", optional)
        if value is None:
            return None
        fits = all(_is_a(one, kind) for one in value)
        if not fits or length not in (None, len(value)):
            self.refuse(key, f"is {value} and not a list of {many}{named}")
        return tuple(value)

    def _value(self, key, kind, named, optional=False):
        if key not in self.values:
            self.refuse(key, "is missing")
        value = self.values[key]
        if not (optional and value is None) and not _is_a(value, kind):
            self.refuse(key, f"is {value!r} and not {named}")
        return value


def _is_a(value: Any, kind: type | tuple[type, ...]) -> bool:
    # JSON's true is no number, though Python's is.
    return isinstance(value, kind) and (kind is bool or not isinstance(value, bool))
