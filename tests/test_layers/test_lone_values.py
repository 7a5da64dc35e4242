"""A batch norm that would train on one value per channel."""

import pytest
import torch
from torch import nn

from ghostnet_mm.layers import lone_values
from ghostnet_mm.layers.ghost_batch_norm import GhostBN
from ghostnet_mm.layers.lone_values import meets_lone_values, norm_of_pooled


def raises(norm, x):
    try:
        norm(x)
    except ValueError:
        return True
    return False


SHAPES = [(1, 4, 1, 1), (2, 4, 1, 1), (3, 4, 1, 1), (1, 4, 1, 2), (1, 4, 3, 3)]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize(
    "norm",
    [
        nn.BatchNorm2d(4),
        nn.BatchNorm2d(4, track_running_stats=False),
        nn.BatchNorm2d(4).eval(),
        nn.SyncBatchNorm(4).eval(),
        nn.GroupNorm(2, 4),
        GhostBN(4, virtual_batch_size=1),
        GhostBN(4, virtual_batch_size=2),
    ],
    ids=repr,
)
def test_it_is_where_pytorch_refuses(norm, shape):
    """PyTorch itself is the reference."""
    x = torch.rand(shape)
    assert meets_lone_values(norm, x) == raises(norm, x)


def test_one_dimensional_norms_count_too():
    norm = nn.BatchNorm1d(4)
    for shape in ((1, 4), (2, 4), (1, 4, 1), (1, 4, 2)):
        x = torch.rand(shape)
        assert meets_lone_values(norm, x) == raises(norm, x)


def test_synchronized_norms_count_all_processes(monkeypatch):
    norm = nn.SyncBatchNorm(4).train()
    x = torch.rand(1, 4, 1, 1)
    assert meets_lone_values(norm, x)
    monkeypatch.setattr(lone_values, "get_world_size", lambda: 2)
    assert not meets_lone_values(norm, x)


def test_the_running_statistics_stand_in_and_stay():
    norm = nn.BatchNorm2d(4).double()
    norm.running_mean.normal_()
    norm.running_var.uniform_(0.5, 2)
    before = {name: buffer.clone() for name, buffer in norm.named_buffers()}
    x = torch.randn(1, 4, 1, 1, dtype=torch.float64)
    expected = (x.flatten() - norm.running_mean) / (norm.running_var + norm.eps).sqrt()
    torch.testing.assert_close(norm_of_pooled(norm, x).flatten(), expected)
    for name, buffer in norm.named_buffers():
        assert torch.equal(buffer, before[name]), name
