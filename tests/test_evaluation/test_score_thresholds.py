"""Which score to cut at, against scikit-learn and by hand."""

import numpy as np
import pytest
from sklearn.metrics import precision_recall_curve
from support.known_errors import CUP, FOUND, OBJECTS, PLATE, box, judged

from ghostnet_mm.evaluation.score_thresholds import (
    picture_outcomes,
    threshold_curve,
    verdicts_of,
)


def test_each_detection_is_right_or_wrong():
    verdicts = verdicts_of(judged(OBJECTS, FOUND))
    assert verdicts.is_right.tolist() == [True] + [False] * 5 + [True]
    assert verdicts.scores.tolist() == [found[3] for found in FOUND]
    assert verdicts.objects == {1: 4, 2: 2}


def test_the_curve_is_that_of_scikit_learn():
    """Where every object is found at last, recall of the two means the same."""
    places = [(0, 0.9), (6, 0.8), (1, 0.8), (2, 0.6), (7, 0.5), (3, 0.4)]
    found = [(1, CUP, box(50 * place), score) for place, score in places]
    found += [(2, PLATE, box(0), 0.7), (2, PLATE, box(50), 0.3)]
    verdicts = verdicts_of(judged(OBJECTS, found))
    curve = threshold_curve(verdicts)
    precision, recall, thresholds = precision_recall_curve(
        verdicts.is_right, verdicts.scores
    )
    np.testing.assert_allclose(curve.thresholds[::-1], thresholds)
    np.testing.assert_allclose(curve.precision[::-1], precision[:-1])
    np.testing.assert_allclose(curve.recall[::-1], recall[:-1])
    f1 = 2 * precision * recall / (precision + recall)
    assert curve.f1[curve.best] == pytest.approx(f1.max())
    assert curve.thresholds[curve.best] == thresholds[f1.argmax()]


def test_nothing_found_or_nothing_there_has_no_curve():
    assert threshold_curve(verdicts_of(judged([], FOUND))) is None


def test_pictures_are_sorted_from_the_worst():
    verdicts = verdicts_of(judged(OBJECTS, FOUND))
    first, second = picture_outcomes(verdicts, 0.3)
    assert (first.image_id, first.right, first.wrong, first.missed) == (2, 0, 1, 2)
    assert (second.image_id, second.right, second.wrong, second.missed) == (1, 1, 4, 3)
    assert first.f1 == 0
    assert second.f1 == pytest.approx(2 / (2 + 4 + 3))
    lower = picture_outcomes(verdicts, 0.1)
    assert {item.image_id: item.right for item in lower} == {1: 1, 2: 1}
