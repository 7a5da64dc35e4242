"""Whether one detector is better than another, and how sure that is.

The pictures are drawn again at random, the same ones for both detectors, many times
over (the paired bootstrap; Efron and Tibshirani, 1993, chapter 13): the interval holds
the differences of the middle 95 % of these draws.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ..errors import OptionError
from ..reporting.tables import Table
from .coco_engines import Judged
from .coco_scores import with_standard_limits
from .redrawn_pictures import RedrawnPictures

ROUNDS = 1000
TAILS = (0.025, 0.975)
NAMES = ("AP", "AP50", "AP75")


@dataclass(frozen=True)
class ScoreDifference:
    """One score of two detectors on the same pictures.

    Attributes:
        name: COCO's: AP, AP50 or AP75.
        first: Of the first detector, 0 to 1.
        second: Of the other.
        low: The interval of ``second - first``: its lower end,
        high: and its upper end.
    """

    name: str
    first: float
    second: float
    low: float
    high: float

    @property
    def difference(self) -> float:
        """``second - first``; above 0 the second is better."""
        return self.second - self.first

    @property
    def is_sure(self) -> bool:
        """Whether the interval leaves 0 out."""
        return self.low > 0 or self.high < 0


@dataclass(frozen=True)
class ModelDifference:
    """Two detectors on the same pictures.

    Attributes:
        scores: AP first; empty where there is nothing to find.
        num_pictures: How many pictures.
        rounds: How often they were drawn again.
        kind: ``bbox`` or ``segm``.
    """

    scores: tuple[ScoreDifference, ...]
    num_pictures: int
    rounds: int
    kind: str

    def table(self, first: str, second: str) -> str:
        """Return the scores as a table for the console; the names head the columns."""
        head = [f"COCO {self.kind}", first, second, "difference", "95 % interval"]
        rows = [
            [
                score.name,
                f"{score.first:.3f}",
                f"{score.second:.3f}",
                f"{score.difference:+.3f}",
                f"{score.low:+.3f} to {score.high:+.3f}",
            ]
            for score in self.scores
        ]
        return Table.of(head, rows).plain()

    def verdict(self, first: str, second: str) -> str:
        """Say in a sentence whether the second is better, and what that leaves out."""
        if not self.scores:
            return "There is nothing to find in these pictures, so nothing to compare."
        main = self.scores[0]
        interval = f"95 % interval of AP {main.low:+.3f} to {main.high:+.3f}"
        pictures = f"{self.num_pictures} pictures drawn again {self.rounds} times"
        if main.difference == main.low == main.high == 0:
            text = f"{second} and {first} score the same"
        elif main.is_sure:
            word = "better" if main.difference > 0 else "worse"
            text = f"{second} is {word} than {first}"
        else:
            text = f"These pictures do not decide between {second} and {first}"
        return (
            f"{text}: {interval} ({pictures}). Another seed of the training may change "
            f"more than that."
        )


def model_difference(
    first: Judged,
    second: Judged,
    rounds: int = ROUNDS,
    seed: int = 0,
    status: Callable[[int, int], object] | None = None,
) -> ModelDifference:
    """Compare two detectors on the same labelled pictures.

    Args:
        first: What the one found.
        second: What the other found.
        rounds: How often the pictures are drawn again.
        seed: Of the drawing.
        status: Called with the rounds that are done and their number.

    Raises:
        OptionError: They were not judged on the same pictures and classes.
    """
    for what in ("image_ids", "category_ids"):
        if list(getattr(first.rule, what)) != list(getattr(second.rule, what)):
            noun = "pictures" if what == "image_ids" else "classes"
            raise OptionError(
                f"The two detectors were tested on other {noun}; test both on one "
                f"split with the same classes."
            )
    if first.found.kind != second.found.kind:
        raise OptionError(
            "Boxes cannot be compared with masks; compare like with like."
        )
    detectors = [
        RedrawnPictures(with_standard_limits(judged)) for judged in (first, second)
    ]
    count = detectors[0].num_pictures
    whole = [detector.scores(np.ones(count)) for detector in detectors]
    generator = np.random.default_rng(seed)
    draws: dict[str, list[float]] = {name: [] for name in NAMES}
    for done in range(rounds):
        if status is not None:
            status(done, rounds)
        times = np.bincount(generator.integers(0, count, count), minlength=count)
        one, other = (detector.scores(times) for detector in detectors)
        for name, differences in draws.items():
            differences.append(other[name] - one[name])
    scores = []
    for name, differences in draws.items():
        one_score, other_score = whole[0][name], whole[1][name]
        if not np.isnan([one_score, other_score]).any():
            # A draw of pictures without any object says nothing.
            low, high = (float(end) for end in np.nanquantile(differences, TAILS))
            scores.append(ScoreDifference(name, one_score, other_score, low, high))
    return ModelDifference(tuple(scores), count, rounds, first.found.kind)
