"""RoIAlign as mmcv's compiled kernels compute it.

Average pooling is torchvision's operator, which computes the same; maximum pooling,
which torchvision lacks, is plain torch. The paper: He et al., Mask R-CNN
(https://arxiv.org/abs/1703.06870).
"""

import math

import torch
import torchvision  # noqa: F401  (registers torch.ops.torchvision)
from torch import Tensor

MAX_POOLING = 0  # mmcv's number for it; 1 is average pooling

# The compiled CPU kernel starts its search here, so a RoI without any sample (an empty
# one with sampling_ratio 0) pools to this value.
LOWEST_MAXIMUM = -10000.0


def roi_align_forward(
    input: Tensor,
    rois: Tensor,
    output: Tensor,
    argmax_y: Tensor,
    argmax_x: Tensor,
    aligned_height: int,
    aligned_width: int,
    spatial_scale: float,
    sampling_ratio: int,
    pool_mode: int,
    aligned: bool,
) -> None:
    """Pool each region of interest to a grid of bins, by bilinear samples.

    Args:
        input: (N, C, H, W) features, on any device; half precision is computed in
            float32.
        rois: (R, 5): index of the image, then ``x1, y1, x2, y2`` in image pixels. With
            ``aligned``, inverted boxes pool to zero as on a GPU; compiled mmcv refuses
            them on a CPU.
        output: (R, C, aligned_height, aligned_width), overwritten.
        argmax_y: Of the shape of ``output``, overwritten with the row of the largest
            sample in feature pixels, -1 where there is none; untouched when averaging.
        argmax_x: The same for the column.
        aligned_height: Bins per column of a RoI.
        aligned_width: Bins per row of a RoI.
        spatial_scale: Feature pixels per image pixel.
        sampling_ratio: Samples per bin and direction; 0 for one per feature pixel.
        pool_mode: 0 for the maximum of a bin's samples, 1 for their mean.
        aligned: Take pixel centers at half coordinates. Without it, regions smaller
            than a feature pixel are also widened to one.
    """
    features, regions = _in_common_precision(input, rois)
    if pool_mode != MAX_POOLING:
        pooled = torch.ops.torchvision.roi_align(
            features,
            regions,
            spatial_scale,
            aligned_height,
            aligned_width,
            sampling_ratio,
            aligned,
        )
        output.copy_(pooled)
        return
    bins = (aligned_height, aligned_width)
    for index, region in enumerate(regions):
        image, *corners = region.tolist()
        ys, xs = _sample_coordinates(
            features.new_tensor(corners), bins, spatial_scale, sampling_ratio, aligned
        )
        samples = _bilinear_samples(features[int(image)], ys.flatten(), xs.flatten())
        _store_maxima(samples, ys, xs, output[index], argmax_y[index], argmax_x[index])


def _sample_coordinates(
    corners: Tensor,
    bins: tuple[int, int],
    spatial_scale: float,
    sampling_ratio: int,
    aligned: bool,
) -> tuple[Tensor, Tensor]:
    """Return the rows (bins_y, samples) and columns (bins_x, samples) to sample at."""
    x1, y1, x2, y2 = (corners * spatial_scale - (0.5 if aligned else 0.0)).unbind()
    coordinates = []
    for start, end, count in ((y1, y2, bins[0]), (x1, x2, bins[1])):
        size = end - start
        if not aligned:
            size = size.clamp(min=1.0)
        per_bin = sampling_ratio
        if sampling_ratio <= 0:
            per_bin = max(math.ceil((size / count).item()), 0)
        bin_size = size / count
        bin_index = torch.arange(count, device=corners.device).unsqueeze(1)
        within = torch.arange(per_bin, dtype=size.dtype, device=size.device) + 0.5
        coordinates.append(
            start + bin_index * bin_size + within * bin_size / max(per_bin, 1)
        )
    return coordinates[0], coordinates[1]


def _bilinear_samples(feature: Tensor, ys: Tensor, xs: Tensor) -> Tensor:
    """Sample one (C, H, W) map at every pair of the (Y,) rows and (X,) columns.

    Returns:
        (C, Y, X); zero further than one pixel outside of the map.
    """
    y_low, y_high, y_share, y_inside = _neighbours(ys, feature.size(1))
    x_low, x_high, x_share, x_inside = _neighbours(xs, feature.size(2))
    y_share, y_inside = y_share.unsqueeze(1), y_inside.unsqueeze(1)
    upper, lower = feature[:, y_low], feature[:, y_high]
    samples = (
        (1 - y_share) * (1 - x_share) * upper[:, :, x_low]
        + (1 - y_share) * x_share * upper[:, :, x_high]
        + y_share * (1 - x_share) * lower[:, :, x_low]
        + y_share * x_share * lower[:, :, x_high]
    )
    return torch.where(y_inside & x_inside, samples, torch.zeros_like(samples))


def _neighbours(coordinate: Tensor, size: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Return both neighbouring pixels, the share of the higher one, and validity."""
    inside = (coordinate >= -1) & (coordinate <= size)
    coordinate = coordinate.clamp(0, size - 1)
    low = coordinate.long()
    high = (low + 1).clamp(max=size - 1)
    return low, high, coordinate - low, inside


def _store_maxima(
    samples: Tensor,
    ys: Tensor,
    xs: Tensor,
    output: Tensor,
    argmax_y: Tensor,
    argmax_x: Tensor,
) -> None:
    """Write the maximum of each bin and where it is; the first of equals wins.

    Args:
        samples: (C, bins_y * samples_y, bins_x * samples_x).
        ys: (bins_y, samples_y) rows of the samples.
        xs: (bins_x, samples_x) columns of the samples.
        output: (C, bins_y, bins_x), as are the two others.
        argmax_y: Row of the maximum.
        argmax_x: Column of the maximum.
    """
    output.fill_(LOWEST_MAXIMUM)
    argmax_y.fill_(-1)
    argmax_x.fill_(-1)
    if ys.numel() == 0 or xs.numel() == 0:
        return
    (bins_y, samples_y), (bins_x, samples_x) = ys.shape, xs.shape
    per_bin = (
        samples.view(-1, bins_y, samples_y, bins_x, samples_x)
        .transpose(2, 3)
        .flatten(-2)
    )
    maximum, position = per_bin.max(dim=-1)
    row = ys.expand(len(samples), bins_x, bins_y, samples_y).transpose(1, 2)
    row = row.gather(-1, (position // samples_x).unsqueeze(-1)).squeeze(-1)
    column = xs.expand(len(samples), bins_y, bins_x, samples_x)
    column = column.gather(-1, (position % samples_x).unsqueeze(-1)).squeeze(-1)
    found = maximum > LOWEST_MAXIMUM
    output[found] = maximum[found].to(output.dtype)
    argmax_y[found] = row[found].to(argmax_y.dtype)
    argmax_x[found] = column[found].to(argmax_x.dtype)


def roi_align_backward(
    grad_output: Tensor,
    rois: Tensor,
    argmax_y: Tensor,
    argmax_x: Tensor,
    grad_input: Tensor,
    aligned_height: int,
    aligned_width: int,
    spatial_scale: float,
    sampling_ratio: int,
    pool_mode: int,
    aligned: bool,
) -> None:
    """Add the gradient by the features, (N, C, H, W), to ``grad_input``.

    ``grad_output`` has the shape of the forward ``output``; the other arguments are
    those of `roi_align_forward`.
    """
    if pool_mode != MAX_POOLING:
        gradient, regions = _in_common_precision(grad_output, rois)
        grad_input += torch.ops.torchvision._roi_align_backward(
            gradient,
            regions,
            spatial_scale,
            aligned_height,
            aligned_width,
            *grad_input.shape,
            sampling_ratio,
            aligned,
        )
        return
    _add_gradient_at_maxima(grad_output, rois, argmax_y, argmax_x, grad_input)


def _add_gradient_at_maxima(
    grad_output: Tensor,
    rois: Tensor,
    argmax_y: Tensor,
    argmax_x: Tensor,
    grad_input: Tensor,
) -> None:
    """Share each bin's gradient among the four pixels around its largest sample."""
    _, channels, height, width = grad_input.shape
    gradient, ys = _in_common_precision(grad_output, argmax_y)
    xs = argmax_x.to(ys.dtype)
    y_low, y_high, y_share, y_inside = _neighbours(ys, height)
    x_low, x_high, x_share, x_inside = _neighbours(xs, width)
    # mmcv marks "no sample" with row -1 and so skips a true row of -1 as well.
    gradient = torch.where(y_inside & x_inside & (ys != -1), gradient, 0)
    image = rois[:, 0].long().view(-1, 1, 1, 1)
    channel = torch.arange(channels, device=rois.device).view(1, -1, 1, 1)
    plane = (image * channels + channel) * height
    total = torch.zeros(grad_input.numel(), dtype=ys.dtype, device=ys.device)
    for row, row_share in ((y_low, 1 - y_share), (y_high, y_share)):
        for column, column_share in ((x_low, 1 - x_share), (x_high, x_share)):
            pixel = (plane + row) * width + column
            share = gradient * row_share * column_share
            total.index_add_(0, pixel.flatten(), share.flatten())
    grad_input += total.view_as(grad_input)


def _in_common_precision(values: Tensor, coordinates: Tensor) -> tuple[Tensor, Tensor]:
    """Bring both to float64 where ``values`` is, else float32."""
    dtype = torch.float64 if values.dtype == torch.float64 else torch.float32
    return values.to(dtype), coordinates.to(dtype)
