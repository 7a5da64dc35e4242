"""What a run gives back, and what it tells on its way."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path


class StopTraining(Exception):
    """Raised by a callback to end a run early; what was trained is kept."""


@dataclass(frozen=True)
class Progress:
    """How far a run is, as callbacks are told.

    Attributes:
        epoch: The epoch, counted from 1; 0 in a run that counts iterations only.
        max_epochs: How many there will be; None in such a run.
        iteration: Iterations done.
        max_iterations: How many there will be.
        losses: ``loss`` and its parts by mmdet's names: of the iteration, or their
            means over the epoch.
        scores: Of a validation, by mmdet's names; empty where there was none.
        learning_rate: The highest of all parameters.
        work_dir: Where the run's files are.
        validation_losses: Of the same validation, ``val_loss`` and its parts, see
            `ValidationLosses`.
    """

    epoch: int
    max_epochs: int | None
    iteration: int
    max_iterations: int
    losses: Mapping[str, float]
    scores: Mapping[str, float]
    learning_rate: float
    work_dir: Path
    validation_losses: Mapping[str, float] = field(default_factory=dict)

    def row(self) -> dict[str, float]:
        """Return the record as a row of a table."""
        place = dict(epoch=self.epoch, iteration=self.iteration)
        losses = {**self.losses, **self.validation_losses}
        return {**place, "lr": self.learning_rate, **losses, **self.scores}


Callback = Callable[[Progress], object]


@dataclass(frozen=True)
class Callbacks:
    """Functions that a run calls with its `Progress`.

    One that raises `StopTraining` ends the run early. Any other exception ends it too
    and passes through; a checkpoint to resume from is written first.

    Attributes:
        on_iteration_end: After every iteration.
        on_epoch_end: After every epoch and, where it has one, its validation.
        on_validation_end: After every validation.
    """

    on_iteration_end: Callback | None = None
    on_epoch_end: Callback | None = None
    on_validation_end: Callback | None = None


@dataclass(frozen=True)
class Run:
    """A finished training.

    Attributes:
        work_dir: Where its files are.
        best: The checkpoint with the best main score, or the last one where there was
            no validation; None where none was written.
        scores: Of ``best``, by mmdet's names; empty where there was no validation.
        last_scores: Of the last validation.
        curves: A row for each epoch (each validation, in a run that counts iterations):
            ``epoch``, ``iteration``, ``lr``, the mean losses and, where it was
            validated, ``val_loss`` with its parts and the scores. Of a resumed run,
            since then.
        plots: Pictures of the curves.
    """

    work_dir: Path
    best: Path | None
    scores: Mapping[str, float]
    last_scores: Mapping[str, float]
    curves: tuple[Mapping[str, float], ...]
    plots: tuple[Path, ...]
