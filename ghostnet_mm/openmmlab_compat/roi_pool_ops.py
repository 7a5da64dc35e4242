"""RoIPool as mmcv's compiled kernels compute it, in plain torch.

torchvision's RoIPool rounds the corners of a region to whole pixels first; mmcv's does
not, so the two give different bins. The paper: Girshick, Fast R-CNN
(https://arxiv.org/abs/1504.08083).
"""

import itertools
import math

import torch
from torch import Tensor


def roi_pool_forward(
    input: Tensor,
    rois: Tensor,
    output: Tensor,
    argmax: Tensor,
    pooled_height: int,
    pooled_width: int,
    spatial_scale: float,
) -> None:
    """Pool each region of interest to a grid of bins, by the maximum of a bin.

    Args:
        input: (N, C, H, W) features, on any device.
        rois: (R, 5): index of the image, then ``x1, y1, x2, y2`` in image pixels, the
            last pixel included.
        output: (R, C, pooled_height, pooled_width), overwritten; 0 for an empty bin.
        argmax: int32, of the shape of ``output``, overwritten with the position of the
            maximum in its (H, W) plane, the first of equals; -1 for an empty bin.
        pooled_height: Bins per column of a RoI.
        pooled_width: Bins per row of a RoI.
        spatial_scale: Feature pixels per image pixel.
    """
    height, width = input.shape[-2:]
    dtype = torch.float64 if input.dtype == torch.float64 else torch.float32
    output.zero_()
    argmax.fill_(-1)
    for index, region in enumerate(rois.to(dtype)):
        x1, y1, x2, y2 = region[1:].unbind()
        rows = _bin_edges(y1, y2, spatial_scale, pooled_height, height)
        columns = _bin_edges(x1, x2, spatial_scale, pooled_width, width)
        feature = input[int(region[0])]
        for bin_y, (top, bottom) in enumerate(rows):
            for bin_x, (left, right) in enumerate(columns):
                if top < bottom and left < right:
                    pixels = feature[:, top:bottom, left:right].flatten(1)
                    maximum, position = pixels.max(dim=1)
                    row = top + position // (right - left)
                    column = left + position % (right - left)
                    output[index, :, bin_y, bin_x] = maximum
                    argmax[index, :, bin_y, bin_x] = (row * width + column).int()


def _bin_edges(
    start: Tensor, last: Tensor, spatial_scale: float, bins: int, size: int
) -> list[tuple[int, int]]:
    """Return the half-open pixel range of each bin along one axis of a region.

    A region without any extent has no bins at all.
    """
    start = start * spatial_scale
    extent = (last + 1) * spatial_scale - start
    if not extent > 0:
        return []
    edges = (
        torch.arange(bins + 1, device=start.device) * (extent / bins) + start
    ).tolist()
    return [
        (min(max(math.floor(low), 0), size), min(max(math.ceil(high), 0), size))
        for low, high in itertools.pairwise(edges)
    ]


def roi_pool_backward(
    grad_output: Tensor,
    rois: Tensor,
    argmax: Tensor,
    grad_input: Tensor,
    pooled_height: int,
    pooled_width: int,
    spatial_scale: float,
) -> None:
    """Add each bin's gradient to ``grad_input`` (N, C, H, W) at the bin's maximum.

    ``grad_output`` has the shape of the forward ``output``; the other arguments are
    those of `roi_pool_forward`.
    """
    _, channels, height, width = grad_input.shape
    image = rois[:, 0].long().view(-1, 1, 1, 1)
    channel = torch.arange(channels, device=rois.device).view(1, -1, 1, 1)
    pixel = (image * channels + channel) * height * width + argmax.clamp(min=0)
    gradient = torch.where(argmax >= 0, grad_output, 0)
    grad_input.view(-1).index_add_(
        0, pixel.flatten(), gradient.flatten().to(grad_input.dtype)
    )
