"""The table of panoptic quality, from the metrics mmdet returns."""

import math

from mmdet.evaluation.metrics.coco_panoptic_metric import parse_pq_results

from ghostnet_mm.evaluation.panoptic_table import panoptic_table


def metrics():
    scores = parse_pq_results(
        dict(
            All=dict(pq=0.3125, sq=0.75, rq=1.0),
            Things=dict(pq=0.402, sq=0.8, rq=0.5),
            Stuff=dict(pq=math.nan, sq=math.nan, rq=math.nan),
        )
    )
    return {f"coco_panoptic/{key}": value for key, value in scores.items()}


def test_every_group_has_its_row():
    header, _, *rows = panoptic_table(metrics()).splitlines()
    assert header.split() == ["COCO", "panoptic", "PQ", "SQ", "RQ"]
    assert [row.split() for row in rows] == [
        ["all", "31.2", "75.0", "100.0"],
        ["things", "40.2", "80.0", "50.0"],
        ["stuff", "-", "-", "-"],
    ]
    ends = [line.rstrip().rfind("Q") for line in (header,)]
    assert {len(row) - 1 for row in rows} == set(ends)


def test_other_metrics_give_no_table():
    assert panoptic_table({"coco/bbox_mAP": 0.3}) == ""
    assert panoptic_table({}) == ""
