"""The table of segmentation results."""

from ghostnet_mm.evaluation.segmentation_table import iou_table


def test_iou_in_percent_in_columns():
    table = iou_table({"aAcc": 77.0, "mIoU": 35.52, "mAcc": 46.104}).splitlines()
    assert table[0].split() == ["segmentation,", "%", "mIoU", "mAcc", "aAcc"]
    assert table[2].split() == ["all", "classes", "35.52", "46.10", "77.00"]
    assert [line.rstrip() for line in table] == table
    assert len(table[0]) == len(table[2])


def test_results_of_other_tasks_give_no_table():
    assert iou_table({"coco/bbox_mAP": 0.3}) == ""
    assert iou_table({"accuracy/top1": 73.9}) == ""
    assert iou_table({}) == ""
