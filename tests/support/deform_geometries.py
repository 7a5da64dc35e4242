"""Deformable convolutions of every kind that mmcv has."""

# stride, padding, dilation, groups, deform groups; (y, x) where they differ
GEOMETRIES = [
    (1, 1, 1, 1, 1),
    (2, 1, 1, 2, 1),
    (1, 2, 2, 1, 2),
    ((2, 1), (0, 2), (1, 2), 2, 4),
]
