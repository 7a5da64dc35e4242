"""What files share is computed once, and differences of pictures are joined."""

import math
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from support.descriptions import described

from ghostnet_mm.export.card.format_measuring import raw_differences


class CountingGraph:
    """Doubles its input."""

    takes_image_sizes = False

    def __init__(self):
        self.inputs = []

    def __call__(self, image):
        self.inputs.append(tuple(image.shape))
        return {"boxes": image * 2}


def file_of(size, gap=0.0, outputs="candidates", form="tensor"):
    """A file with an input of a size, or as large as the picture; wrong by a gap."""

    def network_input(pixels):
        return np.ones((1, 3, *(size or pixels.shape[:2])), np.float32)

    names = ("boxes", "scores") if outputs == "candidates" else ("detections", "labels")
    description = described(
        input=dict(form=form), outputs=dict(form=outputs, names=names)
    )
    model = SimpleNamespace(
        description=description, run=lambda image: {"boxes": image * 2 + gap}
    )
    return SimpleNamespace(model=model, network_input=network_input)


def test_pytorch_runs_once_for_each_input():
    graph = CountingGraph()
    files = dict(a=file_of((4, 6)), b=file_of((4, 6), 0.5), c=file_of(None))
    pictures = [np.zeros((9, 9, 3), np.uint8), np.zeros((7, 9, 3), np.uint8)]
    found = raw_differences(graph, files, pictures)
    assert graph.inputs == [(1, 3, 4, 6), (1, 3, 9, 9), (1, 3, 4, 6), (1, 3, 7, 9)]
    assert found["a"]["boxes"].largest == 0
    assert found["b"]["boxes"].largest == found["b"]["boxes"].mean == 0.5
    assert found["c"]["boxes"].largest == 0


def test_pictures_count_by_their_size():
    """The mean of all numbers, not that of the pictures' means."""
    gaps = iter((1.0, 4.0))
    file = file_of(None)
    file.model.run = lambda image: {"boxes": image * 2 + next(gaps)}
    pictures = [np.zeros((2, 30, 3), np.uint8), np.zeros((1, 20, 3), np.uint8)]
    found = raw_differences(CountingGraph(), dict(only=file), pictures)["only"]["boxes"]
    assert found.largest == 4
    assert found.mean == pytest.approx((60 * 1 + 20 * 4) / 80)


@pytest.mark.parametrize("position", [0, 1])
def test_a_nan_of_one_picture_is_not_lost(position):
    gaps = [0.0, 0.0]
    gaps[position] = math.nan
    wrong = iter(gaps)
    file = file_of((2, 2))
    file.model.run = lambda image: {"boxes": image * 2 + next(wrong)}
    pictures = [np.zeros((2, 2, 3), np.uint8)] * 2
    found = raw_differences(CountingGraph(), dict(only=file), pictures)
    assert math.isnan(found["only"]["boxes"].largest)


def test_boxes_far_beyond_the_input_are_compared_relatively():
    """The longer side is 8: 40 is five times as far."""

    class Graph(CountingGraph):
        def __call__(self, image):
            return {"boxes": torch.tensor([40.0, 4.0]), "scores": torch.tensor([40.0])}

    file = file_of((8, 2))
    file.model.run = lambda image: {
        "boxes": np.float32([41, 4]),
        "scores": np.float32([41]),
    }
    found = raw_differences(Graph(), dict(only=file), [np.zeros((8, 2, 3), np.uint8)])
    assert found["only"]["boxes"].largest == pytest.approx(0.2)
    assert found["only"]["scores"].largest == 1


def test_files_without_a_counterpart_are_left_out():
    files = dict(
        nms=file_of((2, 2), outputs="detections"), pixels=file_of((2, 2), form="pixels")
    )
    pictures = [np.zeros((2, 2, 3), np.uint8)]
    assert raw_differences(CountingGraph(), files, pictures) == {}
    graph = CountingGraph()
    graph.takes_image_sizes = True
    assert raw_differences(graph, dict(only=file_of((2, 2))), pictures) == {}
    assert graph.inputs == []
    assert torch.is_grad_enabled()
