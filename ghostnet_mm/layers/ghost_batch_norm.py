"""Batch normalization over virtual batches, smaller than the batch."""

import torch
import torch.nn.functional as F
from mmengine.registry import MODELS
from torch import Tensor, nn

from ..errors import OptionError


@MODELS.register_module("GhostBN")
class GhostBN(nn.BatchNorm2d):
    """Batch norm that computes its statistics over a few images at a time.

    A large batch trained with the statistics of small ones keeps the noise that
    regularizes; with ``virtual_batch_size`` of at least the batch it is a plain
    ``BatchNorm2d``, as it always is in eval mode. Parameters, buffers and their names
    are those of ``BatchNorm2d``, so either loads the other's weights.

    The running statistics move once per step, towards the mean over the virtual batches
    in which every image counts the same.

    Source: Train longer, generalize better (NeurIPS 2017).

    Args:
        num_features: Channels.
        eps: Added to the variance.
        momentum: Weight of the newest statistics; ``None`` averages all steps.
        affine: Whether scale and shift are learned.
        track_running_stats: Whether to keep running statistics.
        virtual_batch_size: Images that share statistics; the last virtual batch of a
            step may have fewer.

    Raises:
        OptionError: ``virtual_batch_size`` is not a whole number of at least 1.

    Example:
        >>> import torch
        >>> from mmcv.cnn import build_norm_layer
        >>> cfg = dict(type="GhostBN", virtual_batch_size=2)
        >>> name, norm = build_norm_layer(cfg, 8)
        >>> name, tuple(norm(torch.rand(5, 8, 4, 4)).shape)
        ('bn', (5, 8, 4, 4))
    """

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
        virtual_batch_size: int = 16,
    ):
        super().__init__(num_features, eps, momentum, affine, track_running_stats)
        is_integer = isinstance(virtual_batch_size, int)
        if isinstance(virtual_batch_size, bool) or not is_integer:
            usable = False
        else:
            usable = virtual_batch_size >= 1
        if not usable:
            raise OptionError(
                f"virtual_batch_size={virtual_batch_size!r} is not possible: give a "
                "number of images, at least 1."
            )
        self.virtual_batch_size = virtual_batch_size

    def forward(self, x: Tensor) -> Tensor:
        """Normalize ``(N, C, H, W)``."""
        if not self.training or len(x) <= self.virtual_batch_size:
            return super().forward(x)
        self._check_input_dim(x)
        if self.running_mean is None or self.running_var is None:
            return torch.cat(
                [self._normalize(chunk) for chunk in self._virtual_batches(x)]
            )
        mean = torch.zeros_like(self.running_mean)
        variance = torch.zeros_like(self.running_var)
        outputs = []
        for chunk in self._virtual_batches(x):
            # Not empty: what NaN is multiplied with zero stays NaN.
            chunk_mean = torch.zeros_like(mean)
            chunk_variance = torch.zeros_like(variance)
            # A momentum of 1 writes the chunk's own statistics into the two buffers.
            outputs.append(self._normalize(chunk, chunk_mean, chunk_variance))
            mean += chunk_mean * (len(chunk) / len(x))
            variance += chunk_variance * (len(chunk) / len(x))
        self._move(self.running_mean, self.running_var, mean, variance)
        return torch.cat(outputs)

    def smallest_sample(self, x: Tensor) -> int:
        """Return the values per channel that statistics come from at the least."""
        chunks = self._virtual_batches(x)
        return min(chunk.numel() for chunk in chunks) // self.num_features

    def _virtual_batches(self, x: Tensor) -> list[Tensor]:
        chunks = list(torch.split(x, self.virtual_batch_size))
        if len(chunks) > 1 and chunks[-1].numel() == self.num_features:
            # A lone value per channel has no variance: it joins the batch before.
            start = (len(chunks) - 2) * self.virtual_batch_size
            chunks[-2:] = [x[start:]]
        return chunks

    def _normalize(
        self, x: Tensor, mean: Tensor | None = None, variance: Tensor | None = None
    ) -> Tensor:
        return F.batch_norm(
            x,
            mean,
            variance,
            self.weight,
            self.bias,
            training=True,
            momentum=1.0,
            eps=self.eps,
        )

    def _move(
        self, running_mean: Tensor, running_var: Tensor, mean: Tensor, variance: Tensor
    ) -> None:
        assert self.num_batches_tracked is not None  # it comes with the two others
        self.num_batches_tracked.add_(1)
        momentum = self.momentum
        if momentum is None:
            momentum = 1.0 / float(self.num_batches_tracked)
        running_mean.lerp_(mean, momentum)
        running_var.lerp_(variance, momentum)

    def extra_repr(self) -> str:
        """Describe the layer."""
        usual = nn.BatchNorm2d.extra_repr(self)  # type: ignore[no-untyped-call]
        return f"{usual}, virtual_batch_size={self.virtual_batch_size}"
