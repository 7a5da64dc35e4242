"""Is B better than A: against a bootstrap through pycocotools."""

import copy

import numpy as np
import pytest
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval
from support.random_coco import random_annotations, random_predictions

from ghostnet_mm.errors import OptionError
from ghostnet_mm.evaluation.coco_engines import Found, Judged, Rule, hotcoco_truth
from ghostnet_mm.evaluation.coco_scores import with_standard_limits
from ghostnet_mm.evaluation.model_difference import model_difference
from ghostnet_mm.evaluation.redrawn_pictures import RedrawnPictures
from ghostnet_mm.evaluation.without_prints import without_prints

OVERLAPS = np.linspace(0.5, 0.95, 10)


@pytest.fixture(scope="module")
def truth():
    content = random_annotations(np.random.default_rng(3), 30, 2, 8)
    content["categories"].sort(key=lambda category: category["id"])
    return content


def findings(truth, seed, kept=1.0):
    generator = np.random.default_rng(seed)
    rows = []
    for sample in random_predictions(generator, truth, 25, 10**6):
        found = sample["pred_instances"]
        for corners, score, label in zip(
            found["bboxes"].numpy(), found["scores"], found["labels"], strict=True
        ):
            if generator.random() < kept:
                box = [*corners[:2], *(corners[2:] - corners[:2])]
                category = truth["categories"][int(label)]["id"]
                rows.append((sample["img_id"], category, box, float(score)))
    images, categories, boxes, scores = (
        np.asarray(column) for column in zip(*rows, strict=True)
    )
    return Found(images, categories, boxes.astype(float), scores)


def judged(truth, found):
    rule = Rule(
        sorted(image["id"] for image in truth["images"]),
        [category["id"] for category in truth["categories"]],
        OVERLAPS.tolist(),
        [100, 300, 1000],
    )
    names = [category["name"] for category in truth["categories"]]
    return Judged(hotcoco_truth(truth), found, rule, names)


def redrawn_scores(truth, found, draws):
    """Return AP of each draw of pictures, by pycocotools alone."""
    api = COCO()
    api.dataset = copy.deepcopy(truth)
    rows = [
        dict(image_id=int(i), category_id=int(c), bbox=b.tolist(), score=float(s))
        for i, c, b, s in zip(
            found.image_ids, found.category_ids, found.boxes, found.scores, strict=True
        )
    ]
    with without_prints():
        api.createIndex()
        judge = COCOeval(api, api.loadRes(rows), "bbox")
        judge.evaluate()
        parts = np.array(judge.evalImgs, dtype=object).reshape(
            len(truth["categories"]), 4, len(truth["images"])
        )
        scores = []
        for draw in draws:
            judge.evalImgs = parts[..., draw].ravel().tolist()
            judge.accumulate()
            precision = judge.eval["precision"][..., 0, 2]
            scores.append(precision[precision > -1].mean())
    return np.array(scores)


def test_each_draw_has_the_score_that_pycocotools_gives_it(truth):
    found = findings(truth, 1)
    draws = np.sort(np.random.default_rng(0).integers(0, 30, (40, 30)))
    counted = RedrawnPictures(with_standard_limits(judged(truth, found)))
    scores = [counted.scores(np.bincount(draw, minlength=30))["AP"] for draw in draws]
    expected = redrawn_scores(truth, found, draws)
    assert expected.std() > 0.01
    np.testing.assert_allclose(scores, expected, atol=1e-12)


def test_the_interval_is_the_middle_of_the_draws(truth):
    a, b = findings(truth, 1), findings(truth, 2, kept=0.7)
    compared = model_difference(judged(truth, a), judged(truth, b))
    draws = np.random.default_rng(5).integers(0, 30, (500, 30))
    differences = redrawn_scores(truth, b, draws) - redrawn_scores(truth, a, draws)
    low, high = np.quantile(differences, [0.025, 0.975])
    main = compared.scores[0]
    every = np.arange(30)[None]
    assert main.first == pytest.approx(redrawn_scores(truth, a, every)[0], abs=1e-12)
    assert main.second == pytest.approx(redrawn_scores(truth, b, every)[0], abs=1e-12)
    # Other draws, of the same distribution.
    assert main.low == pytest.approx(low, abs=0.1 * (high - low))
    assert main.high == pytest.approx(high, abs=0.1 * (high - low))
    assert compared.num_pictures == 30


def test_pictures_are_drawn_in_pairs(truth):
    """Of two detectors that differ nowhere the difference is 0 in every draw."""
    found = findings(truth, 1)
    compared = model_difference(judged(truth, found), judged(truth, found))
    for score in compared.scores:
        assert score.low == score.high == score.difference == 0
    assert "b.pth and a.pth score the same" in compared.verdict("a.pth", "b.pth")


def test_a_clear_difference_is_sure_and_said(truth):
    found = findings(truth, 1)
    worse = Found(
        found.image_ids,
        found.category_ids,
        found.boxes + np.array([40, 40, 0, 0]),
        found.scores,
    )
    compared = model_difference(judged(truth, found), judged(truth, worse))
    main = compared.scores[0]
    assert main.is_sure
    assert main.difference == main.second - main.first < 0
    assert main.low <= main.difference <= main.high
    assert compared.verdict("a", "b").startswith("b is worse than a: ")
    turned = model_difference(judged(truth, worse), judged(truth, found))
    assert turned.verdict("a", "b").startswith("b is better than a: ")
    assert f"{main.difference:+.3f}" in compared.table("a", "b")


def test_what_cannot_be_told_apart_is_left_undecided(truth):
    compared = model_difference(
        judged(truth, findings(truth, 1)), judged(truth, findings(truth, 4))
    )
    assert not compared.scores[0].is_sure
    assert "do not decide between b and a" in compared.verdict("a", "b")


def test_other_pictures_or_classes_are_refused(truth):
    first = judged(truth, findings(truth, 1))
    fewer = dict(truth, images=truth["images"][1:])
    with pytest.raises(OptionError, match="other pictures"):
        model_difference(first, judged(fewer, findings(truth, 1)))
    lone = dict(truth, categories=truth["categories"][:1])
    with pytest.raises(OptionError, match="other classes"):
        model_difference(first, judged(lone, findings(truth, 1)))
