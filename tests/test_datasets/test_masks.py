"""Masks from strangers' files: what is let through is what pycocotools can be given."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from pycocotools import mask as coco_mask

from ghostnet_mm.datasets.annotations.masks import (
    checked_mask,
    clipped_mask,
    decoded,
    mask_area,
    mask_bounds,
    mask_in_picture,
    mask_of_pixels,
)

PIXELS = arrays(bool, st.tuples(st.integers(1, 40), st.integers(1, 40)))


@settings(max_examples=80, deadline=None)
@given(PIXELS)
def test_all_run_lengths_of_pycocotools_pass(pixels):
    encoded = coco_mask.encode(np.asfortranarray(pixels.astype(np.uint8)))
    text = dict(size=encoded["size"], counts=encoded["counts"].decode())
    checked = checked_mask(text)
    assert checked == text
    assert (decoded(checked) == pixels).all()
    assert mask_area(checked) == pixels.sum()


@settings(max_examples=60, deadline=None)
@given(PIXELS)
def test_lists_of_run_lengths_become_text(pixels):
    flat = pixels.ravel(order="F")
    edges = np.flatnonzero(np.diff(flat.astype(int), prepend=0, append=1 - flat[-1]))
    runs = np.diff(np.concatenate([[0], edges])).tolist()
    checked = checked_mask(dict(size=list(pixels.shape), counts=runs))
    assert (decoded(checked) == pixels).all()


@settings(max_examples=150, deadline=None)
@given(st.text(alphabet=[chr(code) for code in range(40, 115)], max_size=30))
def test_any_other_text_is_refused_before_pycocotools_sees_it(text):
    size = [5, 7]
    checked = checked_mask(dict(size=size, counts=text))
    if checked is None:
        return
    assert decoded(checked).shape == (5, 7)
    assert (
        coco_mask.encode(np.asfortranarray(decoded(checked).astype(np.uint8)))["size"]
        == size
    )


@pytest.mark.parametrize(
    "value",
    [
        None,
        [],
        {},
        "a.png",
        7,
        [[]],
        [[1, 2, 3, 4]],
        [[1, 2, 3, 4, 5]],
        [[1, 2, 3, 4, 5, "6"]],
        [[1, 2, 3, 4, 5, True]],
        [[1, 2, 3, 4, 5, float("nan")]],
        [[1, 2, 3, 4, 5, 10**400]],
        [{"x": 1}],
        dict(size=[2, 2]),
        dict(size=[2, 2], counts=None),
        dict(size=[2, 2], counts=[1, 1]),
        dict(size=[2, 2], counts=[5, -1]),
        dict(size=[2, 2], counts=[4.0]),
        dict(size=[2, 2], counts=""),
        dict(size=[2, 2], counts="ä"),
        dict(size=[0, 2], counts=[0]),
        dict(size=[2], counts=[2]),
        dict(size=[2.0, 2], counts=[4]),
        dict(size=[10**9, 10**9], counts=[10**18]),
        dict(size=["2", 2], counts=[4]),
    ],
)
def test_what_is_no_mask(value):
    assert checked_mask(value) is None


def test_polygons_that_are_none_cost_no_other():
    good = [1.0, 2.0, 5.0, 2.0, 5.0, 6.0]
    assert checked_mask([[1, 2], good, ["a"] * 6]) == [good]
    assert checked_mask(good) == [good]


@settings(max_examples=60, deadline=None)
@given(PIXELS, st.integers(-20, 60), st.integers(-20, 60))
def test_a_part_of_a_picture_lies_where_it_is_put(pixels, left, top):
    width, height = 45, 38
    whole = np.zeros((height, width), bool)
    for row, column in np.argwhere(pixels).tolist():
        if 0 <= row + top < height and 0 <= column + left < width:
            whole[row + top, column + left] = True
    mask = mask_in_picture(pixels, left, top, width, height)
    if mask is None:
        assert not whole.any()
    else:
        assert (decoded(mask) == whole).all()


def test_an_absurd_picture_takes_no_memory():
    assert mask_in_picture(np.ones((2, 2), bool), 0, 0, 10**6, 10**6) is None


def test_areas_and_bounds():
    triangle = [[10.0, 10.0, 30.0, 10.0, 10.0, 20.0]]
    assert mask_area(triangle) == 100
    assert mask_bounds(triangle) == (10, 10, 20, 10)
    pixels = np.zeros((20, 30), bool)
    pixels[4:9, 6:16] = True
    assert mask_bounds(mask_of_pixels(pixels)) == (6, 4, 10, 5)
    assert mask_of_pixels(np.zeros((3, 3), bool)) is None


def test_clipping():
    square = [-10.0, -10.0, 20.0, -10.0, 20.0, 20.0, -10.0, 20.0]
    outside = [200.0, 10.0, 220.0, 10.0, 220.0, 30.0]
    assert clipped_mask([square, outside], 96, 64) == [[0, 0, 20, 0, 20, 20, 0, 20]]
    assert clipped_mask([outside], 96, 64) is None
    huge = [0.0, 0.0, 1e12, 0.0, 1e12, 1e12]
    assert clipped_mask([huge], 96, 64) == [[0, 0, 96, 0, 96, 64]]
    assert clipped_mask(dict(size=[64, 96], counts="x"), 96, 64)
    assert clipped_mask(dict(size=[96, 64], counts="x"), 96, 64) is None
