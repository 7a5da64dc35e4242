"""The architecture table of G-Ghost RegNet."""

from typing import NamedTuple


class RegNetRow(NamedTuple):
    """One RegNetX at width 1.0: blocks and channels of its four stages."""

    depths: tuple[int, int, int, int]
    widths: tuple[int, int, int, int]
    group_width: int


REGNET_STEM_CHANNELS = 32

# The first stage, and stages of one or two blocks, have no G-Ghost form.
FIRST_GGHOST_STAGE = 1
MIN_GGHOST_DEPTH = 3

# Named as in mmdet's RegNet. Weights were published for 3.2, 4.0, 8.0 and 16 GF.
# Source: RegNet (CVPR 2020), table 8; the authors' G-Ghost code.
GGHOST_REGNETS: dict[str, RegNetRow] = {
    "regnetx_200mf": RegNetRow((1, 1, 4, 7), (24, 56, 152, 368), 8),
    "regnetx_400mf": RegNetRow((1, 2, 7, 12), (32, 64, 160, 384), 16),
    "regnetx_600mf": RegNetRow((1, 3, 5, 7), (48, 96, 240, 528), 24),
    "regnetx_800mf": RegNetRow((1, 3, 7, 5), (64, 128, 288, 672), 16),
    "regnetx_1.6gf": RegNetRow((2, 4, 10, 2), (72, 168, 408, 912), 24),
    "regnetx_3.2gf": RegNetRow((2, 6, 15, 2), (96, 192, 432, 1008), 48),
    "regnetx_4.0gf": RegNetRow((2, 5, 14, 2), (80, 240, 560, 1360), 40),
    "regnetx_6.4gf": RegNetRow((2, 4, 10, 1), (168, 392, 784, 1624), 56),
    "regnetx_8.0gf": RegNetRow((2, 5, 15, 1), (80, 240, 720, 1920), 120),
    "regnetx_12gf": RegNetRow((2, 5, 11, 1), (224, 448, 896, 2240), 112),
    "regnetx_16gf": RegNetRow((2, 6, 13, 1), (256, 512, 896, 2048), 128),
    "regnetx_32gf": RegNetRow((2, 7, 13, 1), (336, 672, 1344, 2520), 168),
}
