"""The table, the CSV and the plot say what the runs came to."""

import csv
import statistics

import cv2

from ghostnet_mm.comparison.costs import Cost
from ghostnet_mm.comparison.report import write_report
from ghostnet_mm.comparison.runs import RunResult

AP = "coco/bbox_mAP"
RESULTS = [
    RunResult("small", 0, {AP: 0.2, "coco/bbox_mAP_50": 0.4}, 60.0),
    RunResult("small", 1, {AP: 0.26, "coco/bbox_mAP_50": 0.5}, 120.0),
    RunResult("large", 0, {AP: 0.3, "coco/bbox_mAP_50": 0.6}, 600.0),
    RunResult("large", 1, {}, 600.0),
]
COSTS = {"small": Cost(1_234_567, 345_678_900, 12.34), "large": Cost(9, 10**9, 50.0)}


def test_the_table_orders_by_mean_and_shows_the_spread(tmp_path):
    table = write_report(RESULTS, COSTS, tmp_path, ["How it was made."])
    head, _, first, second, *_ = table.splitlines()
    assert head.split("|")[2].strip() == "bbox_mAP"
    spread = statistics.stdev([0.2, 0.26])
    assert [cell.strip() for cell in first.split("|")[1:-1]] == [
        *("small", "0.230", f"{spread:.3f}", "0.200, 0.260"),
        *("1.23", "0.346", "12.3", "1.5"),
    ]
    # A detector that found nothing has no scores: that is 0, not a missing run.
    assert second.split("|")[2].strip() == "0.150"
    assert second.split("|")[4].strip() == "0.300, 0.000"
    assert "How it was made." in (tmp_path / "comparison.md").read_text()


def test_one_run_has_no_spread_and_latency_may_be_missing(tmp_path):
    costs = {"small": Cost(1, 1, None)}
    table = write_report(RESULTS[:1], costs, tmp_path, [])
    cells = [cell.strip() for cell in table.splitlines()[2].split("|")]
    assert cells[3] == "-"
    assert cells[7] == "-"


def test_the_csv_has_every_run_and_the_plot_can_be_read(tmp_path):
    write_report(RESULTS, COSTS, tmp_path, [])
    with (tmp_path / "runs.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [(row["model"], row["seed"], row[AP]) for row in rows] == [
        ("small", "0", "0.2"),
        ("small", "1", "0.26"),
        ("large", "0", "0.3"),
        ("large", "1", ""),
    ]
    picture = cv2.imread(str(tmp_path / "comparison.png"))
    # Three panels side by side, with something drawn.
    assert picture.shape[1] > 2 * picture.shape[0]
    assert picture.std() > 5
