"""Channels, parameters and MACs against the tables of the reference measurements."""

import pytest
import torch

from ghostnet_mm.backbones import GhostNet, GhostNetV2, GhostNetV3, RepGhostNet
from ghostnet_mm.measuring.complexity import measure_complexity

CHANNELS = {
    0.5: (12, 20, 56, 80),
    0.75: (20, 32, 84, 120),
    1.0: (24, 40, 112, 160),
    1.1: (28, 44, 124, 176),
    1.3: (32, 52, 144, 208),
    1.6: (40, 64, 180, 256),
    1.7: (40, 68, 192, 272),
}

# Trunk without classifier: parameters, million MACs of one 224 px image.
TRUNKS = [
    (GhostNet, 0.5, 651_252, 38.55),
    (GhostNet, 1.0, 2_515_908, 131.12),
    (GhostNet, 1.1, 3_033_722, 155.25),
    (GhostNet, 1.3, 4_217_020, 211.41),
    (GhostNet, 1.6, 6_354_098, 312.54),
    (GhostNetV2, 0.5, 921_796, 45.86),
    (GhostNetV2, 1.0, 3_490_308, 157.01),
    (GhostNetV2, 1.1, 4_202_954, 186.55),
    (GhostNetV2, 1.3, 5_818_604, 253.73),
    (GhostNetV2, 1.6, 8_748_050, 376.09),
    (GhostNetV3, 0.5, 1_459_344, 113.75),
    (GhostNetV3, 1.0, 5_462_428, 394.09),
    (GhostNetV3, 1.1, 6_573_352, 468.95),
    (GhostNetV3, 1.3, 9_075_920, 639.25),
    (GhostNetV3, 1.6, 13_631_052, 949.06),
    (RepGhostNet, 0.5, 377_928, 39.54),
    (RepGhostNet, 0.58, 500_164, 55.31),
    (RepGhostNet, 0.8, 913_808, 88.44),
    (RepGhostNet, 1.0, 1_407_004, 132.36),
    (RepGhostNet, 1.11, 1_706_392, 158.31),
    (RepGhostNet, 1.3, 2_336_812, 215.53),
    (RepGhostNet, 1.5, 3_101_376, 281.26),
    (RepGhostNet, 2.0, 5_438_004, 482.03),
]
# Fused. V3 then has the MACs of V2; RepGhost's second branch never had any.
DEPLOYED = [
    (GhostNetV3, 0.5, 917_136, 45.86),
    (GhostNetV3, 1.0, 3_480_988, 157.01),
    (GhostNetV3, 1.1, 4_192_694, 186.55),
    (GhostNetV3, 1.3, 5_806_496, 253.73),
    (GhostNetV3, 1.6, 8_733_130, 376.09),
    (RepGhostNet, 0.5, 370_488, 39.54),
    (RepGhostNet, 0.58, 491_512, 55.31),
    (RepGhostNet, 0.8, 901_952, 88.44),
    (RepGhostNet, 1.0, 1_392_172, 132.36),
    (RepGhostNet, 1.11, 1_689_976, 158.31),
    (RepGhostNet, 1.3, 2_317_516, 215.53),
    (RepGhostNet, 1.5, 3_079_104, 281.26),
    (RepGhostNet, 2.0, 5_408_340, 482.03),
]


def million_macs(backbone, size=224) -> float:
    image = torch.zeros(1, 3, size, size, device="meta")
    rows = measure_complexity(backbone, lambda: backbone(image), {})
    return rows[-1].macs / 1e6


@pytest.mark.parametrize("width", CHANNELS)
@pytest.mark.parametrize("family", [GhostNet, GhostNetV2, GhostNetV3, RepGhostNet])
def test_channels_per_width(family, width):
    with torch.device("meta"):
        assert family(widen_factor=width).out_channels == CHANNELS[width]


@pytest.mark.parametrize(("family", "width", "parameters", "macs"), TRUNKS)
def test_parameters_and_macs(family, width, parameters, macs):
    with torch.device("meta"):
        backbone = family(widen_factor=width).eval()
    assert sum(p.numel() for p in backbone.parameters()) == parameters
    assert million_macs(backbone) == pytest.approx(macs, abs=0.006)


@pytest.mark.parametrize(("family", "width", "parameters", "macs"), DEPLOYED)
def test_parameters_and_macs_when_deployed(family, width, parameters, macs):
    with torch.device("meta"):
        backbone = family(widen_factor=width, deploy=True).eval()
    assert sum(p.numel() for p in backbone.parameters()) == parameters
    assert million_macs(backbone) == pytest.approx(macs, abs=0.006)
