"""What is timed: a label, a file, and how it is run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..configuration.candidate_words import read_candidate
from ..configuration.files.reading import SUFFIXES as CONFIG_SUFFIXES
from ..configuration.files.reading import named_config
from ..errors import OptionError

CHECKPOINT_SUFFIXES = (".pth",)
# What the runtime without training libraries opens, and what only its own tool does.
RUNTIME_SUFFIXES = (".onnx", ".xml", ".param")
OTHER_EXPORTS = (".pt", ".pt2", ".pte", ".tflite")
EXPORT_SUFFIXES = RUNTIME_SUFFIXES + OTHER_EXPORTS
EAGER = "eager"
DEPLOYED = "deploy"
FORMS = (EAGER, DEPLOYED)


@dataclass(frozen=True)
class BenchmarkCandidate:
    """One detector of a benchmark.

    Attributes:
        label: Its name in the table.
        path: A config, ``PACKAGE::PATH`` of an installed package's config, a checkpoint
            of ghostnet train, or an exported file.
        checkpoint: Weights for a config; None leaves them random.
        form: ``eager`` as it was trained, or ``deploy``: fused for inference.
        cfg_options: Dotted config keys and their new values.
    """

    label: str
    path: str
    checkpoint: str | None = None
    form: str = EAGER
    cfg_options: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def parse(cls, text: str) -> BenchmarkCandidate:
        """Read ``[LABEL=]FILE [checkpoint=FILE] [form=deploy] [KEY=VALUE ...]``.

        Raises:
            OptionError: There is no file, it is of no known kind, or what follows does
                not fit it.
        """
        words = read_candidate(text, "FILE")
        path, settings = named_config(words.file), words.settings
        checkpoint = settings.pop("checkpoint", None)
        form = str(settings.pop("form", EAGER))
        candidate = cls(
            words.label or Path(path).stem,
            path,
            None if checkpoint is None else str(checkpoint),
            form,
            settings,
        )
        _check(candidate)
        return candidate

    @property
    def is_config(self) -> bool:
        """Whether it is a config, with or without weights."""
        return "::" in self.path or Path(self.path).suffix in CONFIG_SUFFIXES

    @property
    def is_exported(self) -> bool:
        """Whether a runtime other than eager PyTorch runs it."""
        return not self.is_config and Path(self.path).suffix in EXPORT_SUFFIXES

    @property
    def has_weights(self) -> bool:
        """Whether its weights are trained ones, as far as one can tell."""
        return not self.is_config or self.checkpoint is not None

    @property
    def runs_in(self) -> str:
        """The form and the runtime, in two or three words."""
        if self.is_exported:
            return Path(self.path).suffix.removeprefix(".")
        return "torch, fused" if self.form == DEPLOYED else "torch, eager"


def _check(candidate: BenchmarkCandidate) -> None:
    path, suffix = candidate.path, Path(candidate.path).suffix
    if suffix not in CONFIG_SUFFIXES + CHECKPOINT_SUFFIXES + EXPORT_SUFFIXES:
        raise OptionError(
            f"{path} is neither a config ({', '.join(CONFIG_SUFFIXES)}) nor a "
            f"checkpoint ({', '.join(CHECKPOINT_SUFFIXES)}) nor an exported model "
            f"({', '.join(EXPORT_SUFFIXES)})."
        )
    if "::" not in path and not Path(path).exists():
        raise OptionError(f"{path} of {candidate.label!r} does not exist.")
    if candidate.form not in FORMS:
        raise OptionError(
            f"form={candidate.form} of {candidate.label!r} is not known; choose from "
            f"{', '.join(FORMS)}."
        )
    if candidate.checkpoint is not None and not candidate.is_config:
        raise OptionError(
            f"checkpoint= of {candidate.label!r} goes with a config, and {path} is "
            f"none; name the file alone."
        )
    if candidate.is_exported and (candidate.cfg_options or candidate.form != EAGER):
        raise OptionError(
            f"{path} is exported and cannot be changed any more; give "
            f"{candidate.label!r} no settings."
        )


def refuse_equal_labels(candidates: Sequence[BenchmarkCandidate]) -> None:
    """Refuse candidates that the table could not tell apart.

    Raises:
        OptionError: Two labels are the same.
    """
    labels = [candidate.label for candidate in candidates]
    doubles = sorted({label for label in labels if labels.count(label) > 1})
    if doubles:
        raise OptionError(
            f"Two candidates are called {doubles[0]!r}; give each a label of its own, "
            f"as in LABEL=FILE."
        )
