"""How two models' outputs and detections are compared."""

import numpy as np
import pytest
from ghostnet_runtime import Detections

from ghostnet_mm.export.card.agreement import detection_agreement, output_differences


def detections(*rows: tuple[float, ...]) -> Detections:
    """Rows of x1, y1, x2, y2, label, score."""
    table = np.array(rows, dtype=np.float32).reshape(-1, 6)
    labels = table[:, 4].astype(int)
    return Detections(table[:, :4], table[:, 5], labels, ("a", "b", "c"))


def test_the_same_detections_in_another_order_agree():
    first = detections((0, 0, 10, 10, 1, 0.9), (20, 20, 40, 40, 2, 0.9))
    second = detections((20, 20, 40, 40, 2, 0.9), (0, 0, 10, 10, 1, 0.9))
    agreement = detection_agreement([first], [second])
    assert (agreement.pairs, agreement.unmatched) == (2, 0)
    assert agreement.box.largest == agreement.score.largest == 0


def test_gaps_are_those_of_the_pairs():
    first = detections((0, 0, 10, 10, 1, 0.9), (50, 50, 60, 60, 1, 0.5))
    second = detections((0, 0, 10.5, 10, 1, 0.8), (50, 50, 60, 60, 1, 0.5))
    agreement = detection_agreement([first], [second])
    assert agreement.box.largest == pytest.approx(0.5)
    assert agreement.box.mean == pytest.approx(0.5 / 8)
    assert agreement.score.largest == pytest.approx(0.1)


@pytest.mark.parametrize(
    "other",
    [
        detections(),
        detections((0, 0, 10, 10, 2, 0.9)),  # another class
        detections((9, 9, 19, 19, 1, 0.9)),  # another place
    ],
)
def test_a_missing_detection_is_unmatched_in_both_directions(other):
    first = detections((0, 0, 10, 10, 1, 0.9))
    expected = 1 + len(other.boxes)
    assert detection_agreement([first], [other]).unmatched == expected
    assert detection_agreement([other], [first]).unmatched == expected


def test_a_box_counts_for_one_detection_only():
    first = detections((0, 0, 10, 10, 1, 0.9), (0, 0, 10, 9, 1, 0.8))
    second = detections((0, 0, 10, 10, 1, 0.9))
    agreement = detection_agreement([first], [second])
    assert (agreement.pairs, agreement.unmatched) == (1, 1)


def test_a_score_that_crosses_the_threshold_is_no_missing_detection():
    above = detections((0, 0, 10, 10, 1, 0.0501))
    below = detections((0, 0, 10, 10, 1, 0.0499))
    assert detection_agreement([above], [below]).unmatched == 0
    assert detection_agreement([below], [above]).unmatched == 0


def test_pictures_without_detections_agree():
    agreement = detection_agreement([detections()], [detections()])
    assert (agreement.pairs, agreement.unmatched, agreement.box.largest) == (0, 0, 0)


def test_output_differences_cover_all_inputs_by_name():
    expected = [{"boxes": np.zeros((1, 2, 4))}, {"boxes": np.zeros((1, 2, 4))}]
    actual = [{"boxes": np.zeros((1, 2, 4))}, {"boxes": np.full((1, 2, 4), -0.5)}]
    gap = output_differences(expected, actual)["boxes"]
    assert gap.largest == 0.5
    assert gap.mean == 0.25


def test_nan_does_not_pass_for_a_small_difference():
    expected = [{"scores": np.zeros(3)}]
    actual = [{"scores": np.array([0, np.nan, 0])}]
    assert not output_differences(expected, actual)["scores"].largest <= 1e9


def test_gaps_at_large_numbers_are_relative():
    expected = [{"boxes": np.array([-4.0e6, -200.0, 50.0, np.inf, -np.inf])}]
    actual = [{"boxes": np.array([-4.0e6 + 8, -203.0, 50.5, np.inf, -np.inf])}]
    gap = output_differences(expected, actual, dict(boxes=100))["boxes"]
    assert gap.largest == 1.5  # 3 at twice the limit
    assert gap.mean == pytest.approx((8 / 4.0e4 + 1.5 + 0.5) / 5)
    assert output_differences(expected, actual)["boxes"].largest == 8


@pytest.mark.parametrize("relative_beyond", [None, dict(b=100)])
@pytest.mark.parametrize(
    ("mine", "other"),
    [(np.inf, np.nan), (np.inf, -np.inf), (np.inf, 1.0), (np.nan, np.nan)],
)
def test_what_is_no_number_is_no_small_difference(mine, other, relative_beyond):
    pair = [{"b": np.array([mine])}], [{"b": np.array([other])}]
    assert not output_differences(*pair, relative_beyond)["b"].largest <= 1e9


@pytest.mark.parametrize("actual", [{}, {"scores": np.zeros((1, 3))}])
def test_an_output_that_cannot_be_compared_is_an_error(actual):
    with pytest.raises(ValueError, match="scores"):
        output_differences([{"scores": np.zeros((1, 4))}], [actual])
