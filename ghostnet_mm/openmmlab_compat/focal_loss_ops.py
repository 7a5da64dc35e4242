"""Sigmoid focal loss as mmcv's compiled kernels compute it, in plain torch.

The paper: Lin et al., Focal Loss for Dense Object Detection
(https://arxiv.org/abs/1708.02002). mmdet calls these on a GPU; on a CPU it has its own
formula.
"""

import torch
from torch import Tensor

from ghostnet_mm.errors import DataError

# mmcv keeps logarithms finite with C's FLT_MIN, whatever the dtype.
SMALLEST_PROBABILITY = torch.finfo(torch.float32).tiny


def sigmoid_focal_loss_forward(
    input: Tensor,
    target: Tensor,
    weight: Tensor,
    output: Tensor,
    gamma: float,
    alpha: float,
) -> None:
    """Write the loss of every sample and class into ``output``.

    Args:
        input: (N, C) logits, on any device; half precision is computed in float32.
        target: (N,) int64 class of each sample; C stands for background.
        weight: (C,) factors of the classes, or empty for none.
        output: (N, C), overwritten.
        gamma: Focusing power, 0 for plain cross entropy.
        alpha: Weight of the positives; the negatives get ``1 - alpha``.

    Raises:
        DataError: If class weights are given together with background samples, for
            which there is no weight.
    """
    probability, is_target = _probability_and_target(input, target)
    of_positive = (1 - probability) ** gamma * _finite_log(probability)
    of_negative = probability**gamma * _finite_log(1 - probability)
    loss = torch.where(is_target, -alpha * of_positive, -(1 - alpha) * of_negative)
    output.copy_(loss * _weight_per_sample(weight, target, input))


def sigmoid_focal_loss_backward(
    input: Tensor,
    target: Tensor,
    weight: Tensor,
    grad_input: Tensor,
    gamma: float,
    alpha: float,
) -> None:
    """Write the derivative of the loss by the logits into ``grad_input`` (N, C).

    The other arguments and the errors are those of `sigmoid_focal_loss_forward`.
    """
    probability, is_target = _probability_and_target(input, target)
    rest = 1 - probability
    of_positive = rest**gamma * (rest - gamma * probability * _finite_log(probability))
    of_negative = probability**gamma * (gamma * rest * _finite_log(rest) - probability)
    gradient = torch.where(is_target, -alpha * of_positive, -(1 - alpha) * of_negative)
    grad_input.copy_(gradient * _weight_per_sample(weight, target, input))


def _probability_and_target(input: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    """Return the (N, C) probabilities and the (N, C) mask of the targets."""
    logits = input if input.dtype == torch.float64 else input.float()
    classes = torch.arange(input.size(1), device=input.device)
    return logits.sigmoid(), target.unsqueeze(1) == classes


def _finite_log(probability: Tensor) -> Tensor:
    return probability.clamp(min=SMALLEST_PROBABILITY).log()


def _weight_per_sample(weight: Tensor, target: Tensor, input: Tensor) -> Tensor | float:
    """Return the (N, 1) weight of each sample's class, 1 without class weights."""
    if weight.numel() == 0:
        return 1.0
    # The compiled kernel reads past the end of the weights here.
    if bool(((target < 0) | (target >= input.size(1))).any()):
        raise DataError(
            "The sigmoid focal loss got class weights and background samples: "
            "background has no weight, so leave the class weights out."
        )
    return weight[target].unsqueeze(1)
