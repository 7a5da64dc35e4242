"""The tables of segmentation and classification results."""

from ghostnet_mm.evaluation.other_tables import accuracy_table, iou_table


def test_iou_in_percent_in_columns():
    table = iou_table({"aAcc": 77.0, "mIoU": 35.52, "mAcc": 46.104}).splitlines()
    assert table[0].split() == ["segmentation,", "%", "mIoU", "mAcc", "aAcc"]
    assert table[2].split() == ["all", "classes", "35.52", "46.10", "77.00"]
    assert [line.rstrip() for line in table] == table
    assert len(table[0]) == len(table[2])


def test_accuracy_in_percent_in_columns():
    table = accuracy_table({"accuracy/top1": 73.958, "accuracy/top5": 100.0})
    header, _, row = table.splitlines()
    assert header.split() == ["classification,", "%", "top-1", "top-5"]
    assert row.split() == ["all", "classes", "73.96", "100.00"]
    assert header.index("top-5") + len("top-5") == len(row)


def test_results_of_other_tasks_give_no_table():
    assert iou_table({"coco/bbox_mAP": 0.3}) == ""
    assert accuracy_table({"mIoU": 35.0}) == ""
    assert iou_table({}) == accuracy_table({}) == ""
