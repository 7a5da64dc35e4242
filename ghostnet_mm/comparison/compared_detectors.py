"""What is compared: a label, a config, and what is changed in it."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ..configuration.candidate_words import read_candidate
from ..errors import OptionError
from ..shipped_configs import config_name

WEIGHTS_KEY = "backbone_weights"
UNFIT_FOR_A_FOLDER = re.compile(r"[^\w.+-]+")


@dataclass(frozen=True)
class ComparedDetector:
    """One detector of a comparison.

    Attributes:
        label: Its name in the table.
        config: Its config file, or ``PACKAGE::PATH`` of an installed package. Only the
            model is used.
        cfg_options: Dotted config keys and their new values.
        backbone_weights: ``timm://NAME``, a file, or ``none`` for scratch.
    """

    label: str
    config: str
    cfg_options: Mapping[str, Any] = field(default_factory=dict)
    backbone_weights: str = "none"

    @property
    def folder(self) -> str:
        """The label as a folder name."""
        return UNFIT_FOR_A_FOLDER.sub("-", self.label).strip("-")


def parse_candidate(text: str) -> ComparedDetector:
    """Read ``[LABEL=]CONFIG [KEY=VALUE ...]``.

    ``backbone_weights=SOURCE`` starts the backbone from weights; other keys are the
    config's own. A label with blanks stands in quotes: ``"'V2, 0.5x'=CONFIG"``.

    Raises:
        OptionError: There is no config, or what follows is not KEY=VALUE.
    """
    words = read_candidate(text, "CONFIG")
    label, settings = words.label or config_name(words.file), words.settings
    weights = str(settings.pop(WEIGHTS_KEY, "none"))
    foreign = [key for key in settings if not key.startswith("model.")]
    if foreign:
        raise OptionError(
            f"{', '.join(foreign)} of the candidate {label!r} would have no effect: "
            f"only the model is the candidate's own; change the --recipe instead."
        )
    return ComparedDetector(label, words.file, settings, weights)


def refuse_doubles(candidates: Iterable[ComparedDetector]) -> None:
    """Refuse candidates whose runs would share a folder.

    Raises:
        OptionError: Two labels are the same, or differ by punctuation alone.
    """
    seen: dict[str, str] = {}
    for candidate in candidates:
        if candidate.folder in seen:
            raise OptionError(
                f"Two candidates are called {seen[candidate.folder]!r} and "
                f"{candidate.label!r}; give each a label of its own, as in "
                f"LABEL=CONFIG."
            )
        seen[candidate.folder] = candidate.label
