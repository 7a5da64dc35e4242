"""The table of classification results."""

from ghostnet_mm.evaluation.classification_table import accuracy_table


def test_accuracy_in_percent_in_columns():
    table = accuracy_table({"accuracy/top1": 73.958, "accuracy/top5": 100.0})
    header, _, row = table.splitlines()
    assert header.split() == ["classification,", "%", "top-1", "top-5"]
    assert row.split() == ["all", "classes", "73.96", "100.00"]
    assert header.index("top-5") + len("top-5") == len(row)


def test_results_of_other_tasks_give_no_table():
    assert accuracy_table({"mIoU": 35.0}) == ""
    assert accuracy_table({}) == ""
