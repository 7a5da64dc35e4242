"""Pictures of segmentation: colors, shares, and what is left alone."""

import cv2
import numpy as np
import pytest

from ghostnet_mm.evaluation.semantic_drawing import draw_semantic

NAMES = ("sky", "tree", "car")
PALETTE = [[0, 0, 255], [0, 255, 0], [255, 0, 0]]  # RGB


def make():
    pixels = np.full((480, 600, 3), 100, np.uint8)
    labels = np.full((480, 600), 255, np.uint8)
    labels[:240] = 0
    labels[240:360, :300] = 2
    return pixels, labels


def test_each_class_gets_its_rgb_color_and_ignored_pixels_keep_theirs():
    pixels, labels = make()
    before = pixels.copy()
    drawn = draw_semantic(pixels, labels, NAMES, PALETTE)
    assert (pixels == before).all()
    blue, green, red = drawn[100, 300].astype(int)  # sky
    assert blue > 150 > 60 > max(green, red)
    blue, green, red = drawn[300, 100].astype(int)  # car
    assert red > 150 > 60 > max(green, blue)
    assert drawn[400, 300].tolist() == [100, 100, 100]


def test_the_legend_has_the_classes_that_occur_the_largest_first():
    pixels, labels = make()
    legend = draw_semantic(pixels, labels, NAMES, PALETTE)[:, 600:]
    solid = [
        next((y for y in range(480) if (legend[y] == color).all(1).sum() > 10), None)
        for color in ([255, 0, 0], [0, 0, 255], [0, 255, 0])  # sky, car, tree
    ]
    assert solid[0] < solid[1]
    assert solid[2] is None


def test_texts_say_the_share_of_the_whole_picture(monkeypatch):
    texts = []
    monkeypatch.setattr(cv2, "putText", lambda canvas, text, *rest: texts.append(text))
    pixels, labels = make()
    labels[-1, :5] = 1
    draw_semantic(pixels, labels, NAMES, PALETTE)
    assert texts == ["sky 50.0 %", "car 12.5 %", "tree < 0.1 %"]


def test_many_classes_and_small_pictures_fit(monkeypatch):
    labels = np.arange(900).reshape(30, 30) % 150
    names = [f"class {i}" for i in range(150)]
    palette = [[i, i, i] for i in range(150)]
    texts = []
    monkeypatch.setattr(cv2, "putText", lambda canvas, text, *rest: texts.append(text))
    drawn = draw_semantic(np.zeros((30, 30, 3), np.uint8), labels, names, palette)
    assert drawn.shape[0] >= 480
    assert len(texts) == 21
    assert texts[-1] == "and 130 more"


def test_nothing_known_gives_the_picture_itself():
    pixels = np.random.default_rng(0).integers(0, 256, (500, 490, 3), dtype=np.uint8)
    drawn = draw_semantic(pixels, np.full((500, 490), 255), NAMES, PALETTE)
    np.testing.assert_array_equal(drawn[:, :490], pixels)


def test_a_map_of_another_size_is_a_bug():
    pixels, labels = make()
    with pytest.raises(ValueError, match="label_map is"):
        draw_semantic(pixels, labels[:-1], NAMES, PALETTE)
    with pytest.raises(ValueError, match="2 colors for 3 classes"):
        draw_semantic(pixels, labels, NAMES, PALETTE[:2])
