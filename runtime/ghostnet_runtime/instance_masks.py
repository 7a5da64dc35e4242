"""Masks of RTMDet-Ins: three small convolutions whose weights each object brings along.

After "RTMDet: An Empirical Study of Designing Real-Time Object Detectors"
(arXiv 2212.07784) and mmdet's ``RTMDetInsHead``.
"""

from __future__ import annotations

import math

import cv2
import numpy as np

from .description import MaskRule
from .preprocessing import Placement
from .selection import cells_per_level, check_total


def predict_masks(
    kernels: np.ndarray,
    mask_features: np.ndarray,
    priors: np.ndarray,
    rule: MaskRule,
    placement: Placement,
    keep_ratio: bool,
) -> np.ndarray:
    """Compute the masks of what was found.

    Args:
        kernels: (P, D) float32, weights of the convolutions of every candidate.
        mask_features: (F, h, w) float32.
        priors: (K,) which candidates were found.
        rule: How masks are computed.
        placement: Where the picture lies in the network's input.
        keep_ratio: Whether the picture kept its proportions.

    Returns:
        (K, H, W) bool in pixels of the picture.
    """
    masks = np.zeros((len(priors), *placement.picture), dtype=bool)
    points, strides = _prior_points(priors, len(kernels), rule, placement)
    grid = _grid(mask_features.shape[1:], rule)
    least = math.log(rule.threshold / (1 - rule.threshold))
    for index, prior in enumerate(priors):
        away = (points[index][:, None] - grid) / (
            strides[index] * np.float32(rule.coordinate_scale)
        )
        logits = _dynamic_convolutions(kernels[prior], mask_features, away, rule)
        whole = mask_on_picture(logits, placement, keep_ratio, rule.feature_stride)
        masks[index, : whole.shape[0], : whole.shape[1]] = whole > least
    return masks


def mask_on_picture(
    mask: np.ndarray, placement: Placement, keep_ratio: bool, stride: int
) -> np.ndarray:
    """Enlarge a mask of the network's input to the picture.

    Args:
        mask: (h, w) float32 logits or probabilities.
        placement: Where the picture lies in the input.
        keep_ratio: Whether the picture kept its proportions.
        stride: Pixels of the input per pixel of the mask.

    Returns:
        (at most H, at most W) float32.
    """
    height, width = mask.shape[0] * stride, mask.shape[1] * stride
    whole = cv2.resize(mask, (width, height), interpolation=cv2.INTER_LINEAR)
    across, down = (1 / factor for factor in placement.scale)
    if keep_ratio:
        # mmdet takes the horizontal scale for the height and the other way round;
        # with the ratio kept they differ by rounding only.
        across, down = down, across
    size = math.ceil(width * across), math.ceil(height * down)
    whole = cv2.resize(whole, size, interpolation=cv2.INTER_LINEAR)
    return whole[: placement.picture[0], : placement.picture[1]]


def _prior_points(
    priors: np.ndarray,
    total: int,
    rule: MaskRule,
    placement: Placement,
) -> tuple[np.ndarray, np.ndarray]:
    """Return x, y (K, 2) and stride (K,) of priors, in pixels of the input."""
    sizes = cells_per_level(rule.strides, placement.input)
    check_total(sum(sizes), total)
    starts = np.concatenate([[0], np.cumsum(sizes)])
    level = np.searchsorted(starts, priors, side="right") - 1
    strides = np.array(rule.strides)[level]
    cells = priors - starts[level]
    columns = -(-placement.input[1] // strides)
    at = np.stack([cells % columns, cells // columns], axis=1)
    points = (at + rule.prior_offset) * strides[:, None]
    return points.astype(np.float32), strides.astype(np.float32)


def _grid(size: tuple[int, int], rule: MaskRule) -> np.ndarray:
    """Return x and y of each pixel of the mask features, (2, h * w) float32."""
    rows, columns = np.mgrid[: size[0], : size[1]].reshape(2, -1)
    grid = (np.stack([columns, rows]) + rule.prior_offset) * rule.feature_stride
    return grid.astype(np.float32)


def _dynamic_convolutions(
    parameters: np.ndarray, features: np.ndarray, away: np.ndarray, rule: MaskRule
) -> np.ndarray:
    """Apply 1x1 convolutions, ReLU between them, and return logits (h, w)."""
    size = features.shape[1:]
    inner = np.concatenate([away, features.reshape(len(features), -1)])
    outs = [rule.dynamic_channels] * (rule.num_layers - 1) + [1]
    ins = [len(inner)] + [rule.dynamic_channels] * (rule.num_layers - 1)
    # All weights come first, then all biases.
    counts = [a * b for a, b in zip(outs, ins, strict=True)] + outs
    parts = np.split(parameters, np.cumsum(counts)[:-1])
    for layer in range(rule.num_layers):
        weight = parts[layer].reshape(outs[layer], ins[layer])
        inner = weight @ inner + parts[rule.num_layers + layer][:, None]
        if layer < rule.num_layers - 1:
            inner = np.maximum(inner, 0)
    return inner.reshape(size)
