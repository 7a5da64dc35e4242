"""The rounding rule against mmdet's and against worked examples."""

import pytest
from mmdet.models.utils import make_divisible

from ghostnet_mm.layers.channel_rounding import round_channels


@pytest.mark.parametrize(
    ("channels", "rounded"),
    [(18, 20), (17.6, 16), (26.4, 28), (739.2, 740), (8, 8), (1, 4), (5, 8), (9, 12)],
)
def test_worked_examples(channels, rounded):
    # 5 and 9 fall below 90 % when rounded down; the obvious widths never do.
    assert round_channels(channels) == rounded


def test_equals_mmdet_everywhere():
    for tenths in range(1, 20_000):
        channels = tenths / 10
        assert round_channels(channels) == make_divisible(channels, 4)
