"""Picture grids: detections and truth are where they should be."""

import cv2
import numpy as np
import pytest
from ghostnet_runtime import Detections
from ghostnet_runtime.drawing import class_color

from ghostnet_mm.datasets.digits.dataset import make_digits_dataset
from ghostnet_mm.errors import DataError
from ghostnet_mm.evaluation.detection_grid import (
    GridEntry,
    draw_grid,
    write_detector_grid,
    write_grid,
)

NAMES = ("cat", "dog", "bird")
NOTHING = Detections.none(NAMES)


def black(height=256, width=256):
    return np.zeros((height, width, 3), np.uint8)


def test_grid_puts_detections_left_and_truth_right():
    found = Detections([[40, 100, 120, 180]], [0.9], [0], NAMES)
    truth = Detections([[40, 100, 120, 180]], [1.0], [1], NAMES)
    grid = draw_grid([GridEntry(black(), found, truth)])
    half = grid.shape[1] // 2
    assert (grid[:, :half] == class_color(0)).all(axis=2).any()
    assert not (grid[:, :half] == class_color(1)).all(axis=2).any()
    assert (grid[:, half:] == class_color(1)).all(axis=2).any()
    assert not (grid[:, half:] == class_color(0)).all(axis=2).any()


def test_small_pictures_are_enlarged_with_their_boxes():
    truth = Detections([[64, 64, 128, 128]], [1.0], [1], NAMES)
    masks = np.zeros((1, 256, 256), bool)
    masks[0, 64:128, 64:128] = True
    found = Detections(truth.boxes, [0.9], truth.labels, NAMES, masks)
    grid = draw_grid([GridEntry(black(), found, truth)])
    factor = 480 / 256
    assert grid.shape[0] >= 480
    rows, columns = np.nonzero((grid == class_color(1)).all(axis=2))
    right = columns > grid.shape[1] // 2
    width = columns[right].max() - columns[right].min()
    assert abs(width - 64 * factor) < 12
    assert rows.max() < 28 + 128 * factor + 6


@pytest.mark.parametrize("count", [1, 2, 3, 5])
def test_grid_holds_images_of_different_sizes(count):
    shapes = [(256, 256), (100, 640), (640, 100), (30, 30), (500, 500)]
    entries = [GridEntry(black(*s), NOTHING, NOTHING, "x.jpg") for s in shapes[:count]]
    grid = draw_grid(entries, columns=2)
    assert grid.dtype == np.uint8
    # Every picture appears twice: its black pixels, at least as many as it had.
    assert (grid == 0).all(axis=2).sum() > 2 * sum(h * w for h, w in shapes[:count])


def test_write_grid_writes_the_drawing(tmp_path):
    entries = [GridEntry(black(), NOTHING, NOTHING)]
    path = write_grid(tmp_path / "new" / "grid.png", entries)
    np.testing.assert_array_equal(cv2.imread(str(path)), draw_grid(entries))


def test_errors_are_one_sentence(tmp_path):
    with pytest.raises(DataError, match="no image"):
        draw_grid([])
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match="cannot be written"):
        write_grid(tmp_path / "file/x.png", [GridEntry(black(), NOTHING, NOTHING)])


def test_only_what_was_found_has_a_threshold():
    box, low = [[40, 100, 120, 180]], [0.29]
    found = Detections(box, low, [0], NAMES)
    unsure = draw_grid([GridEntry(black(), found, NOTHING)], score_threshold=0.3)
    nothing = draw_grid([GridEntry(black(), NOTHING, NOTHING)])
    np.testing.assert_array_equal(unsure, nothing)
    both = draw_grid([GridEntry(black(), found, found)], score_threshold=0.29)
    left, right = np.array_split(both[30:], 2, axis=1)
    assert (left == class_color(0)).all(axis=2).any()
    assert (right == class_color(0)).all(axis=2).any()


@pytest.fixture(scope="module")
def digits(tmp_path_factory):
    return make_digits_dataset(tmp_path_factory.mktemp("data") / "digits", 1, 6)


class PerfectDetector:
    """Returns the ground truth its samples carry, in original pixels."""

    training = True

    def eval(self):
        self.training = False

    def train(self, mode):
        self.training = mode

    def test_step(self, batch):
        from mmengine.structures import InstanceData

        assert not self.training
        (sample,) = batch["data_samples"]
        truth = sample.gt_instances
        scale = np.tile(sample.scale_factor, 2).astype(np.float32)
        assert scale[0] == np.float32(0.625)
        sample.pred_instances = InstanceData(
            bboxes=truth.bboxes.tensor / truth.bboxes.tensor.new_tensor(scale),
            labels=truth.labels,
            scores=truth.bboxes.tensor.new_full((len(truth.labels),), 0.9),
        )
        return [sample]


def test_a_perfect_detector_gives_equal_halves(digits, tmp_path):
    # The pipeline resizes: a drawing in the wrong pixels would not line up.
    from mmdet.datasets import CocoDataset
    from mmdet.utils import register_all_modules

    register_all_modules()
    dataset = CocoDataset(
        data_root=str(digits),
        ann_file="annotations/instances_val2017.json",
        data_prefix=dict(img="val2017"),
        metainfo=dict(classes=tuple("0123456789")),
        test_mode=True,
        pipeline=[
            dict(type="LoadImageFromFile"),
            dict(type="LoadAnnotations", with_bbox=True),
            dict(type="Resize", scale=(160, 160), keep_ratio=True),
            dict(type="PackDetInputs"),
        ],
    )
    detector = PerfectDetector()
    path = write_detector_grid(detector, dataset, tmp_path / "grid.png", num_images=4)
    assert detector.training
    grid = cv2.imread(str(path))
    assert grid.shape[0] > 2 * 480
    assert grid.shape[1] > 4 * 480
    left, right = grid[60:530, :480], grid[60:530, 488:968]
    # They differ by the scores on the plates alone.
    different = (left != right).any(axis=2).mean()

    assert 0 < different < 0.03  # wrong pixels give 0.09
    everything = write_detector_grid(
        detector, dataset, tmp_path / "all.png", num_images=100
    )
    assert cv2.imread(str(everything)).shape[0] > 3 * 480
