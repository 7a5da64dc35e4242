"""What to try next, each from a figure that the run has measured."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ...datasets.annotations.findings import printable
from ...evaluation.coco_errors import KINDS, CocoErrors

MOST = 3
# Below this AP50 a detector has learned next to nothing.
NOTHING = 0.05
# AP that counts as a gain, or as a cost worth naming.
NOTICEABLE = 0.02
REMEDIES = {
    "Cls": "add pictures of the classes that are mixed up (the matrix shows which), or "
    "join classes that nobody needs apart",
    "Loc": "look at how tight the labels are (ghostnet check), and train longer or at "
    "a larger input",
    "Both": "add pictures of the classes that are mixed up, and look at their labels",
    "Dupe": "lower the overlap of NMS (model.test_cfg.nms.iou_threshold)",
    "Bkg": "add pictures without objects to the training, and look whether what it "
    "finds there is an object that nobody labelled",
    "Miss": "try a larger input, and look whether the training pictures are labelled "
    "in full",
}


@dataclass(frozen=True)
class Advice:
    """One thing to try.

    Attributes:
        text: What was measured, and what to do.
        weight: How much AP it may bring, roughly: the larger comes first.
    """

    text: str
    weight: float


def next_steps(
    rows: Sequence[Mapping[str, float]],
    score: str | None,
    errors: CocoErrors | None,
    class_scores: Mapping[str, float],
    train_counts: Mapping[str, int],
    scores: Mapping[str, float],
) -> list[str]:
    """Return at most three things to try, the most promising first.

    Args:
        rows: The curves, a row per epoch.
        score: The main score's name in them.
        errors: Where the detector errs.
        class_scores: AP by class.
        train_counts: Boxes to learn from, by class.
        scores: COCO's, by mmdet's names.
    """
    advice = [
        *_about_learning(rows),
        *_about_length(rows, score),
        *_about_overfitting(rows, score),
        *_about_errors(errors),
        *_about_sizes(scores),
        *_about_classes(class_scores, train_counts),
    ]
    advice.sort(key=lambda item: -item.weight)
    return [item.text for item in advice[:MOST]]


def _about_learning(rows: Sequence[Mapping[str, float]]) -> Iterator[Advice]:
    if rows and rows[0]["epoch"] > 1:
        return  # A resumed run has learnt before.
    losses = [row["loss"] for row in rows if "loss" in row]
    if len(losses) > 1 and losses[-1] > 0.9 * losses[0]:
        yield Advice(
            f"The training loss hardly fell ({losses[0]:.3g} to {losses[-1]:.3g}): "
            f"train for more epochs (this run had {len(losses)}), start from published "
            f"backbone weights, or raise optim_wrapper.optimizer.lr.",
            0.6,
        )


def _about_length(
    rows: Sequence[Mapping[str, float]], score: str | None
) -> Iterator[Advice]:
    known = [(row["epoch"], row[score]) for row in rows if score and score in row]
    if len(known) < 4:
        return
    values = [value for _, value in known]
    before = max(values[: len(values) * 3 // 4])
    gain = max(values) - before
    if gain >= NOTICEABLE and values.index(max(values)) >= len(values) - 2:
        epochs = int(known[-1][0])
        longer = f" with --epochs {2 * epochs}" if epochs else ""
        yield Advice(
            f"The score still rose by {gain:.3f} in the last quarter of the run: train "
            f"about twice as long{longer}.",
            gain + 0.1,
        )


def _about_overfitting(
    rows: Sequence[Mapping[str, float]], score: str | None
) -> Iterator[Advice]:
    known = [row for row in rows if "val_loss" in row and "loss" in row]
    if len(known) < 4:
        return
    losses = [row["val_loss"] for row in known]
    least = int(np.argmin(losses))
    has_learned = known[-1]["loss"] < known[least]["loss"]
    if losses[-1] > 1.1 * losses[least] and has_learned:
        text = (
            f"The loss of the validation pictures rose again, from {losses[least]:.3g} "
            f"to {losses[-1]:.3g}, while the training's fell: the detector learns its "
            f"training pictures by heart. More pictures help most, then stronger "
            f"augmentation, --freeze or --early-stop."
        )
        yield Advice(text, 0.15)


def _about_errors(errors: CocoErrors | None) -> Iterator[Advice]:
    if errors is None:
        return
    for kind in errors.kinds:
        if kind.cost < NOTICEABLE:
            continue
        yield Advice(
            f'The error "{KINDS[kind.name]}" costs {kind.cost:.3f} of AP50 '
            f"({kind.count:,} times): {REMEDIES[kind.name]}.",
            kind.cost,
        )


def _about_sizes(scores: Mapping[str, float]) -> Iterator[Advice]:
    small, rest = (_score(scores, name) for name in ("mAP_s", "mAP"))
    if small is not None and rest is not None and rest > NOTHING and small < rest / 2:
        yield Advice(
            f"AP of small objects (under 32 x 32 pixels) is {small:.3f}, of all "
            f"{rest:.3f}: try a larger input, or cut the pictures into tiles.",
            rest - small,
        )


def _score(scores: Mapping[str, float], item: str) -> float | None:
    for name, value in scores.items():
        if name.endswith(f"bbox_{item}") and value >= 0:
            return float(value)
    return None


def _about_classes(
    class_scores: Mapping[str, float], train_counts: Mapping[str, int]
) -> Iterator[Advice]:
    known = {n: s for n, s in class_scores.items() if s == s and n in train_counts}
    if len(known) < 2:
        return
    weakest = min(known, key=lambda name: known[name])
    others = np.mean([score for name, score in known.items() if name != weakest])
    middle = float(np.median([train_counts[name] for name in known]))
    if known[weakest] < others / 2 and train_counts[weakest] < middle / 2:
        yield Advice(
            f"{printable(weakest, 40)} has AP {known[weakest]:.3f} where the other "
            f"classes have {others:.3f}, and {train_counts[weakest]:,} boxes to learn "
            f"from where half of the classes have {middle:,.0f}: label more of it.",
            float(others - known[weakest]) / len(known),
        )
