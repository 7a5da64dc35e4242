"""Comparing the maps of two networks."""

import torch


def tensors_in(tree):
    if isinstance(tree, torch.Tensor):
        return [tree]
    if isinstance(tree, dict):
        tree = tree.values()
    return [tensor for part in tree for tensor in tensors_in(part)]


def assert_equal_maps(found, expected, tolerance=1e-4):
    """Compare relative to each map's largest value."""
    found, expected = tensors_in(found), tensors_in(expected)
    assert len(found) == len(expected) > 0
    for mine, other in zip(found, expected, strict=True):
        assert mine.shape == other.shape
        assert other.numel() > 0
        bound = tolerance * other.abs().max().item()
        assert (mine - other).abs().max().item() <= bound
