"""Batch norms that meet a single value per channel.

One picture and a map of one pixel leave one value per channel, which has no variance:
PyTorch raises an error. The running statistics then stand in and stay as they are.
"""

import torch.nn.functional as F
from mmengine.dist import get_world_size
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from .ghost_batch_norm import GhostBN


def meets_lone_values(norm: nn.Module, x: Tensor) -> bool:
    """Whether ``norm`` trains on statistics of one value per channel.

    Args:
        norm: Any norm layer; only batch norms have such statistics.
        x: Its input, ``(N, C, ...)``.
    """
    if not isinstance(norm, _BatchNorm) or not norm.training:
        return False
    values = x.numel() // norm.num_features
    if isinstance(norm, nn.SyncBatchNorm):
        values *= get_world_size()
    elif isinstance(norm, GhostBN):
        values = norm.smallest_sample(x)
    return values <= 1


def norm_of_pooled(norm: nn.Module, x: Tensor) -> Tensor:
    """Normalize ``(N, C, 1, 1)``, a lone value by the running statistics."""
    if meets_lone_values(norm, x):
        assert isinstance(norm, _BatchNorm)
        return F.batch_norm(
            x, norm.running_mean, norm.running_var, norm.weight, norm.bias, eps=norm.eps
        )
    out: Tensor = norm(x)
    return out
