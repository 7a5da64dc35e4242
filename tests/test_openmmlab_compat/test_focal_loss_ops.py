"""Focal loss against torchvision, against mmdet's formula, and by differences."""

import pytest
import torch
import torch.nn.functional as F
import torchvision
from mmcv.ops import sigmoid_focal_loss
from mmdet.models.losses.focal_loss import py_sigmoid_focal_loss
from torch.testing import assert_close

from ghostnet_mm.errors import DataError

pytestmark = pytest.mark.usefixtures("provided_ops")

CLASSES = 4


def logits_and_targets(dtype=torch.float32):
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(30, CLASSES, generator=generator, dtype=torch.float64) * 3
    # The class after the last is background.
    targets = torch.randint(CLASSES + 1, (30,), generator=generator)
    return logits.to(dtype), targets


@pytest.mark.parametrize("gamma", [0.0, 1.5, 2.0])
@pytest.mark.parametrize("alpha", [0.25, 0.6])
def test_loss_and_gradient_equal_torchvision(gamma, alpha):
    logits, targets = logits_and_targets(torch.float64)
    ours, theirs = logits.clone().requires_grad_(), logits.clone().requires_grad_()
    one_hot = F.one_hot(targets, CLASSES + 1)[:, :CLASSES].double()

    loss = sigmoid_focal_loss(ours, targets, gamma, alpha, None, "none")
    expected = torchvision.ops.sigmoid_focal_loss(theirs, one_hot, alpha, gamma)

    assert_close(loss, expected)
    factors = torch.rand_like(loss)
    (loss * factors).sum().backward()
    (expected * factors).sum().backward()
    assert_close(ours.grad, theirs.grad)


@pytest.mark.parametrize("reduction", ["mean", "sum"])
def test_reductions_equal_the_formula_mmdet_uses_on_a_cpu(reduction):
    logits, targets = logits_and_targets(torch.float64)
    one_hot = F.one_hot(targets, CLASSES + 1)[:, :CLASSES]

    loss = sigmoid_focal_loss(logits, targets, 2.0, 0.25, None, reduction)

    expected = py_sigmoid_focal_loss(logits, one_hot, reduction="none").sum()
    # mmcv's mean is per sample, not per sample and class.
    assert_close(loss, expected / len(logits) if reduction == "mean" else expected)


@pytest.mark.parametrize("gamma", [0.0, 2.0])
def test_gradient_equals_finite_differences(gamma):
    logits, targets = logits_and_targets(torch.float64)

    def loss(x):
        return sigmoid_focal_loss(x, targets, gamma, 0.25, None, "none")

    assert torch.autograd.gradcheck(loss, logits.requires_grad_())


def test_class_weights_multiply_the_samples_of_a_class():
    logits, targets = logits_and_targets(torch.float64)
    targets = targets % CLASSES
    weight = torch.tensor([1.0, 2.0, 0.5, 3.0], dtype=torch.float64)

    def loss(x):
        return sigmoid_focal_loss(x, targets, 2.0, 0.25, weight, "none")

    plain = sigmoid_focal_loss(logits, targets, 2.0, 0.25, None, "none")
    assert_close(loss(logits), plain * weight[targets].unsqueeze(1))
    assert torch.autograd.gradcheck(loss, logits.requires_grad_())


def test_class_weights_with_background_samples_are_refused():
    logits, _ = logits_and_targets()
    background = torch.full((30,), CLASSES)

    with pytest.raises(DataError, match="background has no weight"):
        sigmoid_focal_loss(logits, background, 2.0, 0.25, torch.ones(CLASSES), "none")


def test_extreme_logits_stay_finite():
    logits = torch.tensor([[200.0, -200.0], [-200.0, 200.0]], requires_grad=True)

    loss = sigmoid_focal_loss(logits, torch.tensor([0, 0]), 2.0, 0.25, None, "none")
    loss.sum().backward()

    # log(FLT_MIN) = -87.34 bounds the loss of a wrong certainty.
    assert_close(loss, torch.tensor([[0.0, 0.0], [0.25, 0.75]]) * 87.3365)
    assert logits.grad.isfinite().all()


def test_no_samples_give_an_empty_loss():
    logits = torch.zeros(0, CLASSES, requires_grad=True)

    loss = sigmoid_focal_loss(
        logits, torch.zeros(0, dtype=torch.long), 2.0, 0.25, None, "none"
    )
    loss.sum().backward()

    assert loss.shape == logits.grad.shape == (0, CLASSES)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_close_to_float32(dtype):
    logits, targets = logits_and_targets(dtype)

    loss = sigmoid_focal_loss(logits, targets, 2.0, 0.25, None, "none")

    expected = sigmoid_focal_loss(logits.float(), targets, 2.0, 0.25, None, "none")
    assert_close(loss, expected.to(dtype))
