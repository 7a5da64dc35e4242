"""The words of a candidate: ``[LABEL=]FILE [KEY=VALUE ...]``."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from typing import Any

from ..errors import OptionError
from .options import parse_assignments


@dataclass(frozen=True)
class CandidateWords:
    """What a user typed for one candidate of several.

    Attributes:
        label: Its name; empty where none was given.
        file: What is compared.
        settings: By key.
    """

    label: str
    file: str
    settings: dict[str, Any]


def read_candidate(text: str, file: str) -> CandidateWords:
    """Read ``[LABEL=]FILE [KEY=VALUE ...]``.

    A label with blanks stands in quotes: ``"'V2, 0.5x'=CONFIG"``.

    Args:
        text: What was typed.
        file: What the FILE is called in messages.

    Raises:
        OptionError: There is no file, or what follows is not KEY=VALUE.
    """
    try:
        words = shlex.split(text)
    except ValueError as error:
        raise OptionError(f"The quotes of {text!r} do not match.") from error
    if not words:
        raise OptionError(f"A candidate is empty; give [LABEL=]{file} [KEY=VALUE ...].")
    label, equals, path = words[0].partition("=")
    if not equals:
        label, path = "", words[0]
    elif not label or not path:
        raise OptionError(f"{words[0]!r} is not LABEL={file}.")
    settings = parse_assignments(words[1:]) if words[1:] else {}
    return CandidateWords(label, path, settings)
