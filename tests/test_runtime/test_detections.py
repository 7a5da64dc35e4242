"""Detections: what fits together, what is chosen, and what is written of them."""

import csv
import json
import pickle
import sys
from types import ModuleType

import numpy as np
import pytest
from ghostnet_runtime import DataError, Detections, OptionError
from ghostnet_runtime.detected_object import DetectedObject
from ghostnet_runtime.drawing import draw_objects
from pycocotools import mask as coco_mask
from pycocotools.coco import COCO

NAMES = ("cat", "dog", "grass")


@pytest.fixture
def found():
    masks = np.zeros((3, 7, 11), bool)
    masks[0, 2:5, 1:9] = True
    masks[0, 3, 4] = False
    masks[1, :, 0] = True
    return Detections(
        np.array([[1, 2, 9, 5], [0, 0, 1, 7], [3, 3, 4, 4]], np.float32),
        np.array([0.9, 0.3, 0.2], np.float32),
        np.array([1, 0, 1]),
        NAMES,
        masks,
        {"track": np.array([7, 8, 9]), "keypoints": np.arange(12).reshape(3, 2, 2)},
    )


def rows_of(detections):
    """Which rows of the fixture these are, by every array."""
    rows = detections.data["track"] - 7
    np.testing.assert_array_equal(
        detections.scores, np.float32([0.9, 0.3, 0.2])[rows].reshape(-1)
    )
    assert detections.boxes.shape == (len(rows), 4)
    assert detections.masks.shape == (len(rows), 7, 11)
    assert detections.data["keypoints"].shape == (len(rows), 2, 2)
    np.testing.assert_array_equal(detections.data["keypoints"][:, 0, 0], 4 * rows)
    np.testing.assert_array_equal(detections.labels, np.array([1, 0, 1])[rows])
    assert detections.names == NAMES
    return rows.tolist()


@pytest.mark.parametrize(
    ("index", "rows"),
    [
        (slice(None, None, -1), [2, 1, 0]),
        (slice(1, 1), []),
        (np.array([True, False, True]), [0, 2]),
        ([True, False, True], [0, 2]),
        (np.array([2, 0, 2]), [2, 0, 2]),
        ([1], [1]),
        ([], []),
        (np.array([False] * 3), []),
    ],
)
def test_rows_are_chosen_in_every_array(found, index, rows):
    assert rows_of(found[index]) == rows


def test_an_index_gives_one_object(found):
    last = found[-1]
    assert isinstance(last, DetectedObject)
    assert (last.label, last.name, last.data["track"]) == (1, "dog", 9)
    assert type(last.score) is float
    assert last.box.tolist() == [3, 3, 4, 4]
    assert not last.mask.any()
    assert found[np.int64(1)].name == "cat"
    with pytest.raises(IndexError):
        found[3]
    with pytest.raises(IndexError):
        found[[True, False]]


def test_going_through_gives_every_object_once(found):
    assert [item.data["track"] for item in found] == [7, 8, 9]
    assert [item.name for item in found] == ["dog", "cat", "dog"]
    assert len(found) == 3
    assert not list(Detections.none(NAMES))


def test_a_score_at_the_threshold_stays(found):
    assert rows_of(found.above(0.3)) == [0, 1]
    assert rows_of(found.above(0.31)) == [0]
    assert rows_of(found.above(0)) == [0, 1, 2]


def test_classes_are_chosen_by_name(found):
    assert rows_of(found.of_class("dog")) == [0, 2]
    assert rows_of(found.of_class("grass")) == []
    assert rows_of(found.of_class("dog", "cat")) == [0, 1, 2]
    with pytest.raises(OptionError, match="no class 'dgo'; there are cat, dog, grass"):
        found.of_class("dgo")


def test_lists_and_nothing_are_taken():
    found = Detections([[1, 2, 9, 5]], [1], [2], ["a", "b", "c"])
    assert found.boxes.dtype.kind == found.scores.dtype.kind == "f"
    assert found.names == ("a", "b", "c")
    nothing = Detections([], [], [], NAMES)
    assert nothing.boxes.shape == (0, 4)
    assert nothing.labels.dtype.kind == "i"


def test_precision_is_left_as_it_is(found):
    """Catches a conversion that would round what the model computed."""
    assert found.boxes.dtype == found.scores.dtype == np.float32
    double = Detections(found.boxes.astype(float), found.scores, found.labels, NAMES)
    assert double.boxes.dtype == np.float64


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (dict(boxes=np.zeros((2, 4))), r"boxes .* \(2, 4\), where \(3, 4\)"),
        (dict(boxes=np.zeros((3, 5))), r"boxes .* \(3, 5\)"),
        (dict(boxes=np.zeros(12)), r"boxes .* \(12,\)"),
        (dict(scores=np.zeros((3, 1))), r"scores .* \(3, 1\)"),
        (dict(scores=0.5), r"scores .* \(\)"),
        (dict(labels=np.zeros(2, int)), r"labels .* \(2,\)"),
        (dict(labels=np.zeros(3)), "whole numbers, and these are float64"),
        (dict(labels=[0, 3, 1]), "label 3, and there are 3 class names"),
        (dict(labels=[0, -1, 1]), "label -1, "),
        (dict(masks=np.zeros((2, 7, 11), bool)), r"masks .* 3 rows"),
        (dict(masks=np.zeros((3, 7), bool)), r"masks .* \(3, 7\) bool"),
        (dict(masks=np.zeros((3, 7, 11))), r"masks .* float64"),
        (dict(data={"track": np.zeros(4)}), r"data\['track'\] .* 3 rows"),
        (dict(data={"track": 5}), r"data\['track'\]"),
        (dict(scores=[0.5, np.nan, 0.4]), "Of 3 detections 1 have .* no number"),
        (dict(boxes=np.full((3, 4), np.inf)), "Of 3 detections 3 have"),
    ],
    ids=str,
)
def test_what_does_not_fit_together_is_refused(found, change, says):
    fields = {name: getattr(found, name) for name in Detections.__dataclass_fields__}
    with pytest.raises(DataError, match=says):
        Detections(**{**fields, **change})


def test_detections_go_through_a_process_pool(found):
    assert rows_of(pickle.loads(pickle.dumps(found))) == [0, 1, 2]


def test_boxes_as_in_detections_json(found):
    without = Detections(found.boxes, found.scores, found.labels, NAMES)
    assert json.loads(json.dumps(without.above(0.25).to_json())) == {
        "detections": [
            {"class": "dog", "label": 1, "score": 0.9, "bbox": [1, 2, 9, 5]},
            {"class": "cat", "label": 0, "score": 0.3, "bbox": [0, 0, 1, 7]},
        ]
    }
    assert without.above(1.0).to_json() == {"detections": []}


def test_masks_are_read_back_by_pycocotools(found):
    written = json.loads(json.dumps(found.to_json()))["detections"]
    assert len(written) == 3
    for detection, mask in zip(written, found.masks, strict=True):
        assert detection["segmentation"]["size"] == [7, 11]
        assert isinstance(detection["segmentation"]["counts"], str)
        decoded = coco_mask.decode(detection["segmentation"])
        np.testing.assert_array_equal(decoded.astype(bool), mask)


def test_coco_takes_the_results(found, tmp_path):
    truth = COCO()
    truth.dataset = {
        "images": [{"id": 7, "width": 11, "height": 7}],
        "categories": [{"id": id_, "name": name} for id_, name in enumerate(NAMES, 18)],
        "annotations": [],
    }
    truth.createIndex()
    results = json.loads(json.dumps(found.to_coco(7, (18, 19, 20))))
    assert [entry["bbox"] for entry in results] == [
        *([1, 2, 8, 3], [0, 0, 1, 7], [3, 3, 1, 1])
    ]
    loaded = list(truth.loadRes(results).anns.values())
    assert [entry["category_id"] for entry in loaded] == [19, 18, 19]
    assert [entry["area"] for entry in loaded] == [24, 7, 1]
    assert results[0]["score"] == float(np.float32(0.9))  # not rounded
    assert [entry["category_id"] for entry in found.to_coco(7)] == [1, 0, 1]


COLUMNS = ["class", "label", "score", "x1", "y1", "x2", "y2", "track"]


def test_a_table_has_a_row_for_each_object(found, tmp_path):
    found.save(tmp_path / "new" / "a.csv")
    with open(tmp_path / "new" / "a.csv", newline="", encoding="utf-8") as file:
        header, *rows = csv.reader(file)
    assert header == COLUMNS
    assert [row[:2] for row in rows] == [["dog", "1"], ["cat", "0"], ["dog", "1"]]
    read = [[float(cell) for cell in row[2:]] for row in rows]
    np.testing.assert_array_equal(np.float32(read)[:, 0], found.scores)
    np.testing.assert_array_equal(np.float32(read)[:, 1:5], found.boxes)
    assert [row[-1] for row in read] == [7, 8, 9]
    Detections.none(NAMES).save(tmp_path / "empty.csv")
    assert (tmp_path / "empty.csv").read_text() == ",".join(COLUMNS[:-1]) + "\n"


def test_json_is_written_and_other_files_are_refused(found, tmp_path):
    found.save(tmp_path / "a.json")
    assert json.loads((tmp_path / "a.json").read_text()) == found.to_json()
    with pytest.raises(OptionError, match=r"a\.xml is neither \.json nor \.csv"):
        found.save(tmp_path / "a.xml")


def test_dataframes_are_made_of_the_table(found, monkeypatch):
    seen = ModuleType("pandas")
    seen.DataFrame = dict
    monkeypatch.setitem(sys.modules, "pandas", seen)
    assert found.to_dataframe() == found.to_columns()
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(OptionError, match="pip install pandas"):
        found.to_dataframe()


def test_supervision_is_given_every_array(found, monkeypatch):
    seen = ModuleType("supervision")
    seen.Detections = dict
    monkeypatch.setitem(sys.modules, "supervision", seen)
    given = found.to_supervision()
    assert given["xyxy"] is found.boxes
    assert given["confidence"] is found.scores
    assert given["class_id"] is found.labels
    assert given["mask"] is found.masks
    assert given["data"]["class_name"].tolist() == ["dog", "cat", "dog"]
    assert given["data"]["track"].tolist() == [7, 8, 9]
    assert Detections.none(NAMES).to_supervision()["data"]["class_name"].shape == (0,)


def test_a_plot_is_the_drawing(found):
    picture = np.full((7, 11, 3), 90, np.uint8)
    drawn = found.plot(picture)
    np.testing.assert_array_equal(drawn, draw_objects(picture, found))
    assert (picture == 90).all()
    assert (drawn != 90).any()
