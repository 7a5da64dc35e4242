import pytest

from ghostnet_mm.evaluation.coco_table import (
    ask_for_full_table,
    class_table,
    overall_table,
    summary,
    take_class_scores,
)

METRICS = {
    "coco/bbox_mAP": 0.312,
    "coco/bbox_mAP_50": 0.5,
    "coco/bbox_mAP_75": 0.333,
    "coco/bbox_mAP_s": -1.0,
    "coco/bbox_mAP_m": 0.2,
    "coco/bbox_mAP_l": 0.45,
    "coco/bbox_AR@100": 0.41,
}


def test_numbers_stand_below_their_names():
    header, rule, row = overall_table(METRICS).splitlines()
    assert set(rule) == {"-", " "}
    assert row.split() == [
        "boxes",
        "0.312",
        "0.500",
        "0.333",
        "-",
        "0.200",
        *row[-14:].split(),
    ]
    for name, value in (("AP50", "0.500"), ("AP large", "0.450"), ("AR", "0.410")):
        assert header.index(name) + len(name) == row.index(value) + len(value)


def test_masks_get_a_row_of_their_own():
    metrics = {**METRICS, "coco/segm_mAP": 0.28}
    lines = overall_table(metrics).splitlines()
    assert [line.split()[0] for line in lines[2:]] == ["boxes", "masks"]


def test_classes_come_best_first_and_absent_ones_last():
    scores = {"cat": 0.1, "dog": float("nan"), "bird": 0.7}
    lines = class_table(scores).splitlines()[2:]
    assert [line.split() for line in lines] == [
        ["bird", "0.700"],
        ["cat", "0.100"],
        ["dog", "-"],
    ]
    assert len({len(line.rstrip()) for line in lines}) == 1


def test_eighty_classes_fit_on_a_screen():
    scores = {f"class {index:02d}": 1 - index / 100 for index in range(80)}
    lines = class_table(scores).splitlines()
    assert len(lines) == 2 + 27
    assert max(map(len, lines)) < 80
    text = "\n".join(lines)
    assert all(name in text for name in scores)
    assert lines[2].startswith("class 00")  # the best one, read downwards
    assert lines[3].startswith("class 01")


def test_class_scores_leave_the_metrics():
    metrics = {
        "coco/cat_precision": 0.5,
        "coco/hot dog_precision": float("nan"),
        **METRICS,
    }
    scores = take_class_scores(metrics, ["cat", "hot dog", "bird"])
    assert scores["cat"] == 0.5
    assert set(scores) == {"cat", "hot dog"}
    # save_best='auto' of mmengine takes the first metric there is.
    assert metrics == METRICS


def test_the_full_table_is_asked_for():
    evaluator = dict(type="CocoMetric", metric="bbox")
    ask_for_full_table(evaluator)
    assert evaluator["classwise"]
    assert evaluator["metric_items"][0] == "mAP"
    assert "AR@100" in evaluator["metric_items"]


@pytest.mark.parametrize(
    ("evaluator", "unchanged"),
    [
        (dict(type="VOCMetric"), {"type"}),
        (dict(type="CocoMetric", metric="proposal"), {"type", "metric"}),
        (dict(type="CocoMetric", metric_items=["mAP"]), {"metric_items"}),
        (dict(type="CocoMetric", proposal_nums=(1, 10, 100)), {"proposal_nums"}),
    ],
)
def test_other_evaluators_keep_their_items(evaluator, unchanged):
    before = dict(evaluator)
    ask_for_full_table([evaluator])
    assert {key: evaluator[key] for key in unchanged} == {
        key: before[key] for key in unchanged
    }
    assert evaluator.get("metric_items") == before.get("metric_items")


def test_a_detector_that_found_nothing_has_ap_zero():
    assert "AP 0.000" in summary({})
    assert overall_table({}) == ""
    assert class_table({}) == ""


def test_the_summary_of_an_epoch():
    assert summary(METRICS) == "boxes AP 0.312  boxes AP50 0.500"
    assert summary({"pascal_voc/mAP": 0.25}) == "pascal_voc/mAP 0.250"
