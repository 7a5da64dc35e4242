"""Detecting in slices, with a detector that is simple enough to know the answer."""

from itertools import pairwise

import cv2
import numpy as np
import pytest
import torch
from ghostnet_runtime import Detections
from ghostnet_runtime.errors import OptionError
from ghostnet_runtime.slicing import (
    _merged,
    detect_in_slices,
    sliced,
    slices_of,
)
from torchvision.ops import batched_nms

NAMES = ("red", "green")
SIDE = 200


def finds_spots(pixels, least=8 / SIDE, with_masks=False):
    """Find filled spots of two colors that are not too small for the picture.

    As a network does that shrinks what it is given to one size; the surer the larger.
    """
    boxes, scores, labels, masks = [], [], [], []
    longest = max(pixels.shape[:2])
    for label, channel in enumerate((2, 1)):
        spots = np.uint8(pixels[..., channel] > 128)
        _, areas, stats, _ = cv2.connectedComponentsWithStats(spots)
        for number, (left, top, width, height, _) in enumerate(stats[1:], 1):
            if min(width, height) >= least * longest:
                boxes.append([left, top, left + width, top + height])
                scores.append(min(0.99, 0.5 + width * height / longest**2))
                labels.append(label)
                masks.append(areas == number)
    return Detections(
        np.array(boxes, np.float32).reshape(-1, 4),
        np.array(scores, np.float32),
        np.array(labels, np.int64),
        NAMES,
        np.array(masks, bool).reshape(-1, *pixels.shape[:2]) if with_masks else None,
    )


def picture(spots, size=(500, 700)):
    pixels = np.zeros((*size, 3), np.uint8)
    for (left, top, right, bottom), label in spots:
        pixels[top:bottom, left:right, 2 if label == 0 else 1] = 255
    return pixels


SPOTS = [
    ((3, 4, 15, 16), 0),  # small: too small for the whole picture
    ((150, 155, 170, 175), 0),  # across the edges of four slices
    ((640, 480, 652, 492), 1),
    ((195, 300, 215, 312), 1),
    ((250, 60, 610, 440), 0),  # larger than a slice
    ((210, 320, 222, 332), 0),
]


def by_place(found):
    rows = zip(found.boxes.tolist(), found.labels.tolist(), strict=True)
    return sorted((tuple(int(v) for v in box), label) for box, label in rows)


@pytest.mark.parametrize("with_masks", [False, True])
def test_every_object_is_found_once_and_whole(with_masks):
    def detect(pixels):
        return finds_spots(pixels, with_masks=with_masks)

    pixels = picture(SPOTS)
    assert len(detect(pixels)) < len(SPOTS)
    found = detect_in_slices(detect, pixels, SIDE)
    assert by_place(found) == sorted(SPOTS)
    assert found.scores.tolist() == sorted(found.scores.tolist(), reverse=True)
    if with_masks:
        for spot, mask in zip(found.boxes.astype(int), found.masks, strict=True):
            left, top, right, bottom = spot
            assert mask[top:bottom, left:right].all()
            assert mask.sum() == (right - left) * (bottom - top)


def test_a_piece_never_takes_the_place_of_the_object():
    """Two slices see a long object's halves, surer than the whole picture sees it."""

    def detect(pixels):
        found = finds_spots(pixels, least=0.01)
        sure = 0.4 if pixels.shape[1] > SIDE else 0.9
        return Detections(found.boxes, found.scores * 0 + sure, found.labels, NAMES)

    spots = [((20, 30, 480, 90), 1)]
    found = detect_in_slices(detect, picture(spots), SIDE)
    assert by_place(found) == spots


def test_objects_of_two_classes_stay_apart():
    spots = [((150, 155, 170, 175), 0), ((300, 300, 330, 330), 0)]
    pixels = picture(spots)
    pixels[150:180, 150:180, 1] = 255  # a green one around the red one
    found = detect_in_slices(finds_spots, pixels, SIDE)
    assert by_place(found) == sorted([*spots, ((150, 150, 180, 180), 1)])


@pytest.mark.parametrize("size", [(200, 200), (201, 200), (500, 700), (90, 1000)])
def test_slices_cover_the_picture_and_overlap(size):
    places = slices_of(*size, SIDE)
    seen = np.zeros(size, int)
    for place in places:
        assert 0 <= place.left < place.right <= size[1]
        assert 0 <= place.top < place.bottom <= size[0]
        assert place.right - place.left == min(SIDE, size[1])
        seen[place.top : place.bottom, place.left : place.right] += 1
    assert seen.min() >= 1
    rows = sorted({place.left for place in places})
    assert all(b - a <= 0.8 * SIDE for a, b in pairwise(rows))


def test_a_small_picture_is_looked_at_once():
    calls = []

    def detect(pixels):
        calls.append(pixels.shape)
        return finds_spots(pixels)

    detect_in_slices(detect, picture([], (SIDE, SIDE)), SIDE)
    assert calls == [(SIDE, SIDE, 3)]


def test_boxes_that_no_edge_has_cut_are_merged_as_torchvision_does():
    generator = np.random.default_rng(0)
    corners = generator.integers(0, 80, (200, 2))
    boxes = np.concatenate([corners, corners + generator.integers(5, 40, (200, 2))], 1)
    scores, labels = generator.random(200), generator.integers(0, 2, 200)
    found = Detections(boxes.astype(np.float32), scores, labels, NAMES)
    kept = _merged(found, np.zeros(200, bool))
    expected = batched_nms(
        torch.tensor(boxes, dtype=torch.float32),
        torch.tensor(scores.astype(np.float32)),
        torch.tensor(labels),
        0.5,
    )
    assert kept.tolist() == expected.tolist()
    assert len(kept) < 200


def test_what_cannot_be_sliced_is_refused():
    with pytest.raises(OptionError, match="panoptic"):
        detect_in_slices(lambda pixels: object(), picture(SPOTS), SIDE)
    with pytest.raises(OptionError, match="give 32 or more"):
        sliced(finds_spots, 8, 320)
    assert sliced(finds_spots, None, 320) is finds_spots
