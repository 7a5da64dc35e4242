"""What is shown of the photos: what differs first, and in red what one has alone."""

import base64

import cv2
import numpy as np
import pytest
from ghostnet_runtime import Detections

from ghostnet_mm.export.card.deploy_card import Tolerances
from ghostnet_mm.export.card.sightings import MOST_SHOWN, look, photo_sections

PHOTOS = [np.full((40, 80, 3), 128, np.uint8) for _ in range(6)]
FED = "mmdet fed 320x320"


def found(*rows):
    """Rows of x1, y1, x2, y2, score."""
    table = np.array(rows, dtype=np.float32).reshape(-1, 5)
    return Detections(table[:, :4], table[:, 4], np.zeros(len(table), int), ("cup",))


TWO = found((5, 15, 25, 35, 0.9), (50, 15, 75, 35, 0.8))


def sighting(*each, reference=None):
    answers = iter(each)
    return look(lambda photo: next(answers), PHOTOS[: len(each)], reference)


def pixels_of(address):
    content = base64.b64decode(address.partition(",")[2])
    return cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR).astype(int)


def red_share(address, box):
    """How much of the edges of a box of the photo is red."""
    pixels = pixels_of(address)
    scale = pixels.shape[1] / PHOTOS[0].shape[1]
    x1, y1, x2, y2 = (round(edge * scale) for edge in box)
    edges = np.concatenate([pixels[y1:y2, x1], pixels[y1:y2, x2]])
    return np.mean((edges[:, 2] > 200) & (edges[:, :2] < 80).all(axis=1))


def test_photos_on_which_formats_differ_come_first():
    reference = sighting(*[TWO] * 6)
    onnx = [TWO, TWO[::-1], TWO, TWO, TWO, TWO[:1]]
    ncnn = [TWO, TWO, TWO, TWO, TWO[:1], TWO[1:]]
    files = {
        "onnx": (FED, sighting(*onnx, reference=reference)),
        "ncnn": (FED, sighting(*ncnn, reference=reference)),
    }
    _, first, second, others = photo_sections({FED: reference}, files, Tolerances())
    assert (first.title, second.title) == ("Photo 6", "Photo 5")
    assert first.lines[0].text == "Not as in mmdet: onnx, ncnn."
    captions = [caption for caption, _ in second.pictures]
    assert captions[0] == f"Photo 5: {FED}, onnx"
    assert captions[1].startswith("ncnn: 1 found by one alone, 1 by both")
    # The order of detections is no difference.
    assert [caption for caption, _ in others.pictures] == [
        f"Photo {number}: {FED}, onnx, ncnn" for number in (1, 2)
    ]


@pytest.mark.parametrize(("first", "second"), [(TWO, TWO[:1]), (TWO[:1], TWO)])
def test_what_one_has_alone_is_red(first, second):
    reference = sighting(first)
    drawn = sighting(second, reference=reference).drawn[0]
    assert red_share(drawn, (50, 15, 75, 35)) > 0.9
    assert red_share(drawn, (5, 15, 25, 35)) < 0.1
    assert red_share(reference.drawn[0], (50, 15, 75, 35)) < 0.1


def test_where_nothing_is_sure_the_best_three_are_drawn():
    rows = [(20 * i, 15, 20 * i + 15, 35, 0.2 - 0.01 * i) for i in range(4)]
    drawn = pixels_of(sighting(found(*rows)).drawn[0])
    plain = pixels_of(sighting(found()).drawn[0])
    changed = np.abs(drawn - plain).max(axis=(0, 2)) > 60
    assert changed[: 2 * 128].any()
    assert not changed[3 * 128 + 64 :].any()


def test_files_fed_otherwise_are_compared_with_mmdet_fed_alike():
    padded, plain = sighting(TWO), sighting(TWO[:1])
    files = {
        "onnx": ("mmdet", sighting(TWO[:1], reference=plain)),
        "ncnn": (FED, sighting(TWO, reference=padded)),
    }
    sections = photo_sections({"mmdet": plain, FED: padded}, files, Tolerances())
    captions = [caption for caption, _ in sections[1].pictures]
    assert captions == ["Photo 1: mmdet, onnx", f"Photo 1: {FED}, ncnn"]


def test_only_some_photos_are_shown_and_no_mask_is_kept():
    masks = np.zeros((2, 40, 80), bool)
    masks[0, 20:30, 10:20] = True
    with_masks = Detections(TWO.boxes, TWO.scores, TWO.labels, TWO.names, masks)
    reference = sighting(*[with_masks] * len(PHOTOS))
    assert all(each.masks is None for each in reference.found)
    scale = 512 / 80
    inside = pixels_of(reference.drawn[0])[round(28 * scale), round(18 * scale)]
    assert np.ptp(inside) > 20  # tinted, where the photo is grey
    _, alike = photo_sections({FED: reference}, {}, Tolerances())
    assert len(alike.pictures) == MOST_SHOWN
