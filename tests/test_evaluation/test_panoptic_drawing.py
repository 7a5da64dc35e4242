"""Panoptic maps: their segments, their PNG and their pictures."""

import json

import cv2
import numpy as np
import pytest
import torch
from mmdet.structures import DetDataSample
from mmengine.structures import InstanceData, PixelData

from ghostnet_mm.errors import DataError
from ghostnet_mm.evaluation.detection_grid import GridEntry, draw_grid
from ghostnet_mm.evaluation.ground_truth import true_objects, true_panoptic_map
from ghostnet_mm.evaluation.panoptic_drawing import draw_panoptic, segment_color
from ghostnet_mm.evaluation.panoptic_map import Segment, coco_png, find_segments
from ghostnet_mm.evaluation.predictions import (
    PanopticMap,
    boxes_of_masks,
    found_in,
)

NAMES = ("cat", "dog", "grass", "sky")  # two things, two kinds of stuff
VOID = len(NAMES)


def a_map(height=200, width=300):
    ids = np.full((height, width), VOID, np.int32)
    ids[:100] = 3
    ids[100:180] = 2
    ids[60:140, 20:120] = 1000  # cat 1
    ids[60:140, 150:250] = 2000  # cat 2
    ids[150:155, 290:296] = 3001  # a small dog
    return ids


def test_segments_are_what_the_pixels_say():
    found = find_segments(a_map(), len(NAMES))
    assert [(s.id, s.label, s.is_thing) for s in found] == [
        (3, 3, False),
        (2, 2, False),
        (1000, 0, True),
        (2000, 0, True),
        (3001, 1, True),
    ]
    assert [s.area for s in found[2:]] == [8000, 8000, 30]
    assert sum(s.area for s in found) == 180 * 300  # the rest is void


def test_void_is_no_segment_before_and_after_evaluation():
    ids = a_map()
    evaluated = np.where(ids == VOID, 0, ids)  # as CocoPanopticMetric leaves it
    assert find_segments(evaluated, len(NAMES)) == find_segments(ids, len(NAMES))
    image = np.full((200, 300, 3), 90, np.uint8)
    np.testing.assert_array_equal(
        draw_panoptic(image, evaluated, NAMES), draw_panoptic(image, ids, NAMES)
    )


def test_the_png_holds_the_ids(tmp_path):
    cv2.imwrite(str(tmp_path / "x.png"), coco_png(a_map(), len(NAMES)))
    blue, green, red = cv2.split(cv2.imread(str(tmp_path / "x.png")).astype(int))
    read = red + 256 * green + 65536 * blue
    np.testing.assert_array_equal(read, np.where(a_map() == VOID, 0, a_map()))


def test_more_objects_than_a_png_can_number_are_an_error():
    ids = np.array([[16_777_000, 16_778_000]])
    with pytest.raises(DataError, match="objects"):
        coco_png(ids, len(NAMES))


def test_segments_are_tinted_and_void_is_not():
    image = np.full((200, 300, 3), 90, np.uint8)
    drawn = draw_panoptic(image, a_map(), NAMES)
    assert (image == 90).all()
    np.testing.assert_array_equal(drawn[195, 150], [90, 90, 90])
    for (y, x), segment in {
        (10, 10): Segment(3, 3, 1),
        (170, 30): Segment(2, 2, 1),
        (65, 25): Segment(1000, 0, 1),
        (65, 245): Segment(2000, 0, 1),
    }.items():
        expected = 45 + np.array(segment_color(segment)) / 2
        assert np.abs(drawn[y, x] - expected).max() <= 1
    assert (drawn[100, 60:70] != drawn[90, 60:70]).any()  # the name of the cat


def test_segments_are_outlined():
    ids = np.full((200, 300), 3)
    ids[:, 150:] = 2
    drawn = draw_panoptic(np.zeros((200, 300, 3), np.uint8), ids, NAMES)
    np.testing.assert_array_equal(drawn[5, 150], [255, 255, 255])
    assert (drawn[5, :149] != 255).any(axis=1).all()


def test_objects_of_a_class_differ_in_color():
    colors = {segment_color(Segment(1000 * n, 0, 1)) for n in range(1, 5)}
    assert len(colors) == 4


@pytest.mark.parametrize("label", range(4))
def test_a_name_is_written_where_there_is_room(label):
    image = np.zeros((200, 300, 3), np.uint8)
    ids = np.full((200, 300), VOID)
    ids[90:94, 100:110] = label if label > 1 else label + 1000
    small = draw_panoptic(image, ids, NAMES)
    assert small[91, 101:109].any()
    small[88:96, 98:112] = 0  # the segment and its outline
    assert not small.any()
    ids[60:140, 200:] = ids[90, 100]
    assert draw_panoptic(image, ids, NAMES)[60:140, 200:].any()


@pytest.mark.parametrize("shape", [(1, 1), (8, 300), (300, 8), (1200, 1600)])
def test_pictures_of_any_size_can_be_drawn_on(shape):
    drawn = draw_panoptic(np.zeros((*shape, 3), np.uint8), np.full(shape, 3), NAMES)
    assert drawn.shape == (*shape, 3)
    nothing = draw_panoptic(
        np.zeros((*shape, 3), np.uint8), np.full(shape, VOID), NAMES
    )
    assert not nothing.any()


def test_a_grid_of_maps_has_found_left_and_truth_right():
    image = np.zeros((200, 300, 3), np.uint8)
    cats, sky = np.full((200, 300), 1000), np.full((200, 300), 3)
    entry = GridEntry(image, PanopticMap(cats, NAMES), PanopticMap(sky, NAMES))
    grid = draw_grid([entry])
    assert grid.shape[0] >= 320  # enlarged
    for half, label in ((np.s_[:, :480], 1000), (np.s_[:, 488:], 3)):
        color = segment_color(Segment(label, label % 1000, 1))
        middle = grid[half][60:80, 20:40].reshape(-1, 3)
        assert np.abs(middle - np.array(color) / 2).max() <= 1


def test_predictions_are_taken_by_their_kind():
    sample = DetDataSample()
    masks = torch.zeros(2, 20, 30, dtype=torch.bool)
    masks[0, 3:9, 5:6] = True
    masks[1, 19, 29] = True
    sample.pred_instances = InstanceData(
        bboxes=torch.zeros(2, 4),
        labels=torch.tensor([0, 1]),
        scores=torch.tensor([0.2, 0.7]),
        masks=masks,
    )
    found = found_in(sample, NAMES)
    np.testing.assert_array_equal(found.labels, [1, 0])
    # A model without boxes, such as SOLO: they are those of the masks.
    np.testing.assert_array_equal(found.boxes, [[29, 19, 30, 20], [5, 3, 6, 9]])
    np.testing.assert_array_equal(found.masks, masks.numpy()[::-1])
    sample.pred_panoptic_seg = PixelData(sem_seg=torch.full((1, 20, 30), 1000))
    segments = found_in(sample, NAMES)
    np.testing.assert_array_equal(segments.ids, np.full((20, 30), 1000))
    assert segments.names == NAMES


def test_an_empty_mask_has_no_box():
    assert not boxes_of_masks(np.zeros((1, 4, 4), bool)).any()
    assert boxes_of_masks(np.zeros((0, 4, 4), bool)).shape == (0, 4)


def test_true_segments_are_those_of_the_real_annotations(coco_subset):
    from mmdet.datasets import CocoPanopticDataset

    folder = coco_subset / "annotations"
    dataset = CocoPanopticDataset(
        ann_file=str(folder / "panoptic_val2017.json"),
        data_prefix=dict(
            img=str(coco_subset / "val2017"), seg=str(folder / "panoptic_val2017")
        ),
        test_mode=True,
    )
    content = json.loads((folder / "panoptic_val2017.json").read_text())
    names = {category["id"]: category["name"] for category in content["categories"]}
    classes = dataset.metainfo["classes"]
    annotated = {
        annotation["image_id"]: annotation["segments_info"]
        for annotation in content["annotations"]
    }
    crowded = [
        index
        for index in range(len(dataset))
        if any(s["iscrowd"] for s in annotated[dataset.get_data_info(index)["img_id"]])
    ]
    assert crowded
    for index in (*crowded, 0, 8, 16):
        info = dataset.get_data_info(index)
        found = find_segments(true_panoptic_map(info, 80, classes).ids, len(classes))
        wanted = [s for s in annotated[info["img_id"]] if not s["iscrowd"]]
        assert sorted((classes[s.label], s.area) for s in found) == sorted(
            (names[s["category_id"]], s["area"]) for s in wanted
        )


def test_true_masks_are_those_of_the_annotation():
    square = [[2, 1, 6, 1, 6, 5, 2, 5]]
    runs = dict(size=[10, 12], counts=[0, 3, 117])  # the first column's upper pixels
    info = dict(
        instances=[
            dict(bbox=[2, 1, 6, 5], bbox_label=0, ignore_flag=0, mask=square),
            dict(bbox=[0, 0, 1, 3], bbox_label=1, ignore_flag=0, mask=runs),
            dict(bbox=[0, 0, 9, 9], bbox_label=1, ignore_flag=1, mask=runs),
            dict(bbox=[0, 0, 9, 9], bbox_label=1, ignore_flag=0),
        ]
    )
    assert true_objects(info, (10, 12), NAMES).masks is None
    truth = true_objects(info, (10, 12), NAMES, with_masks=True)
    expected = np.zeros((3, 10, 12), bool)
    expected[0, 1:5, 2:6] = True
    expected[1, :3, 0] = True
    np.testing.assert_array_equal(truth.masks, expected)
    np.testing.assert_array_equal(truth.labels, [0, 1, 1])
    np.testing.assert_array_equal(truth.scores, 1)
