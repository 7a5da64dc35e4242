"""Errors by kind, on detections whose kind is known."""

import json

import pytest
from support.known_errors import CUP, FOUND, OBJECTS, box, judged

from ghostnet_mm.evaluation.coco_errors import (
    KINDS,
    errors_of,
    kinds_table,
    mistaken_table,
)


@pytest.mark.parametrize("with_masks", [False, True])
def test_each_error_is_of_its_kind(with_masks):
    errors = errors_of(judged(OBJECTS, FOUND, with_masks=with_masks))
    assert {kind.name: kind.count for kind in errors.kinds} == dict(
        Cls=1, Loc=1, Both=1, Dupe=1, Bkg=1, Miss=2
    )
    costs = [kind.cost for kind in errors.kinds]
    assert costs == sorted(costs, reverse=True)
    assert 0 < errors.average_precision < 1


def test_classes_taken_for_another_are_counted_from_the_least_score():
    errors = errors_of(judged(OBJECTS, FOUND), least_score=0.3)
    # cup: one found, one as a plate, two not. plate: none found at 0.3 or more.
    # There were five left: a cup twice, off, and where nothing is, and a plate off.
    assert errors.confusion.tolist() == [[1, 1, 2], [0, 0, 2], [3, 1, 0]]
    assert errors.mistaken() == [("cup", "plate", 1)]
    lower = errors_of(judged(OBJECTS, FOUND), least_score=0.1)
    assert lower.confusion[1].tolist() == [0, 1, 1]
    assert "cup" in mistaken_table(errors)
    assert mistaken_table(errors_of(judged(OBJECTS, FOUND[:1]))) == ""


def test_calibration_is_the_distance_of_score_and_precision():
    found = [(1, CUP, box(50 * i), 0.72) for i in range(3)]
    found += [(1, CUP, box(200 + 50 * i), 0.78) for i in range(3)]
    errors = errors_of(judged(OBJECTS, found))
    (step,) = errors.calibration
    assert step["count"] == 6
    assert step["precision"] == 0.5
    assert step["score"] == pytest.approx(0.75)
    assert errors.calibration_error == pytest.approx(0.25)


def test_the_costs_are_what_mending_them_gives():
    """Take each error away by hand, as TIDE says, and compute AP50 anew."""
    errors = errors_of(judged(OBJECTS, FOUND))
    mended = {
        "Cls": [*FOUND[:2], (1, CUP, box(50), 0.9), *FOUND[3:]],
        "Loc": [*FOUND[:3], (1, CUP, box(100), 0.8), *FOUND[4:]],
        "Both": FOUND[:4] + FOUND[5:],
        "Dupe": FOUND[:1] + FOUND[2:],
        "Bkg": FOUND[:5] + FOUND[6:],
    }
    costs = {kind.name: kind.cost for kind in errors.kinds}
    for name, found in mended.items():
        better = errors_of(judged(OBJECTS, found)).average_precision
        assert costs[name] == pytest.approx(better - errors.average_precision), name
    without = OBJECTS[:3] + OBJECTS[4:5]
    better = errors_of(judged(without, FOUND)).average_precision
    assert costs["Miss"] == pytest.approx(better - errors.average_precision)


def test_what_the_limit_cuts_is_no_error():
    found = [(1, CUP, box(0), 0.9)] + [(1, CUP, box(300), 0.8)] * 5
    errors = errors_of(judged(OBJECTS, found, limits=(1, 2, 3)))
    counts = {kind.name: kind.count for kind in errors.kinds}
    assert counts["Bkg"] == 2


def test_tables_and_json_have_every_kind():
    errors = errors_of(judged(OBJECTS, FOUND))
    table = kinds_table(errors).plain()
    for name, meaning in KINDS.items():
        assert f"{meaning} ({name})" in table
    content = json.loads(json.dumps(errors.as_json()))
    assert {kind["name"] for kind in content["kinds"]} == set(KINDS)
    assert content["confusion"]["counts"] == errors.confusion.tolist()
