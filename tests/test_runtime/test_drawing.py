"""Pictures of detections: what is drawn is where it should be, in any image."""

import numpy as np
import pytest
from ghostnet_runtime import Detections
from ghostnet_runtime.drawing import class_color, draw_objects

NAMES = ("cat", "dog", "bird")


def black(height=256, width=256):
    return np.zeros((height, width, 3), np.uint8)


def draw(boxes, labels, scores, image=None, masks=None, **options):
    image = black() if image is None else image
    found = Detections(boxes, scores, labels, NAMES, masks)
    return draw_objects(image, found, **options)


def test_the_line_runs_along_the_box():
    drawn = draw([[40, 100, 120, 180]], [1], [0.9])
    color = np.array(class_color(1))
    for y, x in ((140, 40), (140, 119), (179, 80)):
        np.testing.assert_array_equal(drawn[y, x], color)
    assert not drawn[110:170, 50:110].any()  # the object itself stays visible
    assert not drawn[200:, :].any()


def test_the_input_is_left_as_it_is():
    image = black()
    draw([[40, 100, 120, 180]], [1], [0.9], image, masks=np.ones((1, 256, 256), bool))
    assert not image.any()


def test_ground_truth_has_no_score():
    drawn = draw([[40, 100, 120, 180]], [2], [1.0], with_scores=False)
    assert drawn[140, 40].any()
    with_score = draw([[40, 100, 120, 180]], [2], [1.0])
    plate = np.s_[80:100]
    assert np.count_nonzero(with_score[plate]) > np.count_nonzero(drawn[plate])


def test_the_best_detection_is_on_top():
    boxes = [[40, 100, 120, 180]] * 2
    best_first = draw(boxes, [0, 1], [0.9, 0.4])
    best_last = draw(boxes[::-1], [1, 0], [0.4, 0.9])
    np.testing.assert_array_equal(best_first, best_last)
    np.testing.assert_array_equal(best_first[140, 40], class_color(0))


def test_masks_tint_their_pixels_only():
    mask = np.zeros((1, 256, 256), bool)
    mask[0, 120:140, 60:80] = True
    drawn = draw([[40, 100, 120, 180]], [1], [0.9], masks=mask)
    assert drawn[130, 70].any()
    assert not drawn[150, 70].any()


@pytest.mark.parametrize(
    "box",
    [
        [0, 0, 256, 256],
        [-20, -20, 300, 300],
        [250, 0, 256, 5],
        [0, 250, 5, 256],
        [5.4, 5.5, 5.6, 5.7],
        [-1e30, -1e30, 1e30, 1e30],
    ],
    ids=[
        "whole image",
        "beyond it",
        "top right",
        "bottom left",
        "under a pixel",
        "far beyond it",
    ],
)
def test_labels_stay_inside_the_picture(box):
    drawn = draw([box], [1], [0.9])
    background = np.zeros_like(drawn)
    background[:] = class_color(1)
    # The plate behind the name is whole: a name's worth of pixels in its color.
    assert (drawn == background).all(axis=2).sum() > 200


@pytest.mark.parametrize("shape", [(1, 1), (8, 300), (300, 8), (1200, 1600)])
def test_images_of_any_size_can_be_drawn_on(shape):
    box = [0, 0, shape[1], shape[0]]
    drawn = draw([box], [0], [0.5], black(*shape))
    assert drawn.shape == (*shape, 3)
    assert drawn.any()


def test_no_detection_draws_nothing():
    drawn = draw(np.zeros((0, 4)), np.zeros(0, int), np.zeros(0))
    assert not drawn.any()


def test_lines_and_letters_grow_with_the_picture():
    def line_width(size):
        half = size // 2
        drawn = draw([[half, half, size, size]], [0], [0.9], black(size, size))
        return np.count_nonzero(drawn[size - size // 4, : half + half // 2].any(axis=1))

    assert line_width(1500) > 2 * line_width(256)


def test_colors_differ():
    colors = [np.array(class_color(i)) for i in range(10)]
    for i, first in enumerate(colors):
        for second in colors[:i]:
            assert np.abs(first - second).max() > 40
