"""Counts against closed forms and against PyTorch's counter."""

import pytest
import torch
from mmdet.registry import MODELS
from mmdet.utils import register_all_modules
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from ghostnet_mm.configuration import Options, load_config
from ghostnet_mm.errors import OptionError
from ghostnet_mm.layers.reparam_conv import ChannelScale
from ghostnet_mm.measuring.complexity import (
    complexity_table,
    measure_complexity,
    parts_of_detector,
)
from ghostnet_mm.measuring.detector_complexity import detector_complexity


class TwoParts(nn.Module):
    def __init__(self):
        super().__init__()
        self.first = nn.Sequential(nn.Conv2d(3, 8, 3, 2, 1), nn.BatchNorm2d(8))
        self.second = nn.Linear(8, 5)

    def forward(self, x):
        # The part's own forward, as mmdet's detectors call their heads.
        x = self.first.forward(x)
        return self.second(x.mean((2, 3)))


def test_closed_forms():
    model = TwoParts().eval()
    rows = measure_complexity(
        model,
        lambda: model(torch.rand(2, 3, 9, 10)),
        {"first": [model.first], "second": [model.second]},
    )
    assert [row.name for row in rows] == ["first", "second", "total"]
    assert [row.parameters for row in rows] == [8 * 28 + 16, 45, 8 * 28 + 16 + 45]
    pixels = 2 * 5 * 5
    assert [row.macs for row in rows] == [
        pixels * 8 * 27,
        2 * 40,
        pixels * 8 * 27 + 2 * 40,
    ]
    assert [row.activations for row in rows] == [8 * pixels, 10, 8 * pixels + 10]


def test_what_no_part_claims_is_reported():
    model = TwoParts().eval()
    rows = measure_complexity(
        model, lambda: model(torch.rand(1, 3, 8, 8)), {"first": [model.first]}
    )
    assert [row.name for row in rows] == ["first", "(other)", "total"]
    assert rows[1].parameters == 45
    assert rows[1].macs == 40


def test_products_that_stand_for_convolutions_are_counted():
    scale, convolution = ChannelScale(6, stride=2), nn.Conv2d(6, 6, 1, 2, groups=6)
    image = torch.rand(1, 6, 7, 7)
    counts = [
        measure_complexity(layer, lambda layer=layer: layer(image), {})[-1].macs
        for layer in (nn.Sequential(scale), nn.Sequential(convolution))
    ]
    assert counts[0] == counts[1] == 6 * 16


@pytest.mark.parametrize("family", ["GhostNet", "GhostNetV2"])
def test_parts_add_up_to_what_pytorch_counts(family, project_root):
    register_all_modules()
    cfg = load_config(
        project_root / "configs" / "retinanet_ghostnet_digits.py",
        Options(cfg_options={"model.backbone.type": family}),
        training=False,
    )
    size, rows = detector_complexity(cfg, (96, 160))
    assert size == (96, 160)
    *parts, total = rows
    names = [row.name for row in parts]
    assert names == [
        "backbone: stem (stride 2)",
        "backbone: stage 1 (stride 4)",
        "backbone: stage 2 (stride 8)",
        "backbone: stage 3 (stride 16)",
        "neck",
        "bbox_head",
    ]
    assert all(row.macs > 0 for row in parts)
    for count in ("parameters", "macs", "activations"):
        assert sum(getattr(row, count) for row in parts) == getattr(total, count)
    detector = MODELS.build(cfg.model).eval()
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        detector.bbox_head(detector.extract_feat(torch.zeros(1, 3, 96, 160)))
    assert total.macs == counter.get_total_flops() // 2
    assert total.parameters == sum(p.numel() for p in detector.parameters())
    shown = complexity_table(rows).rows[-1]
    assert shown[:2] == ("total", f"{total.parameters / 1e6:.3f}")
    assert set(parts_of_detector(detector)) == set(names)


def test_the_default_size_is_the_padded_test_size(project_root):
    register_all_modules()
    cfg = load_config(
        project_root / "configs" / "yolox_ghostnet_coco.py", training=False
    )
    assert detector_complexity(cfg)[0] == (416, 416)


def test_impossible_sizes_are_said(project_root):
    cfg = load_config(
        project_root / "configs" / "retinanet_ghostnet_digits.py", training=False
    )
    with pytest.raises(OptionError, match="--size 0 10"):
        detector_complexity(cfg, (0, 10))
