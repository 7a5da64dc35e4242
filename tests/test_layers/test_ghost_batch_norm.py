"""GhostBN equals a loop of batch norms over chunks of the batch."""

import pytest
import torch
from mmcv.cnn import build_norm_layer
from mmdet.registry import MODELS
from mmengine.model import revert_sync_batchnorm
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from ghostnet_mm.errors import OptionError
from ghostnet_mm.layers.block_checkpointing import run_checkpointed
from ghostnet_mm.layers.ghost_batch_norm import GhostBN


def pair(randomize_norms, size, channels=3, **kwargs):
    """A GhostBN and the BatchNorm2d with the same weights, in float64."""
    ghost = GhostBN(channels, virtual_batch_size=size, **kwargs).double()
    if ghost.affine and ghost.track_running_stats:
        randomize_norms(ghost)
    plain = nn.BatchNorm2d(channels, **kwargs).double()
    plain.load_state_dict(ghost.state_dict(), strict=True)
    return ghost, plain


def images(count, channels=3):
    # Images of different means, so that it matters who is normalized with whom.
    shift = torch.arange(count, dtype=torch.float64).reshape(-1, 1, 1, 1)
    return torch.randn(count, channels, 3, 2, dtype=torch.float64) + shift


@pytest.mark.parametrize(("count", "size"), [(6, 2), (5, 2), (7, 3), (3, 1)])
def test_outputs_gradients_and_statistics_are_those_of_a_loop(
    randomize_norms, count, size
):
    """Catches chunks that are mixed up and statistics that move once per chunk."""
    ghost, plain = pair(randomize_norms, size)
    x = images(count).requires_grad_()
    weight = torch.randn_like(x)
    before = plain.running_mean.clone(), plain.running_var.clone()

    outputs, means, variances = [], 0, 0
    for chunk in x.split(size):
        alone = nn.BatchNorm2d(3, momentum=1.0).double()
        alone.weight, alone.bias = plain.weight, plain.bias
        outputs.append(alone(chunk))
        means = means + alone.running_mean * len(chunk) / count
        variances = variances + alone.running_var * len(chunk) / count
    expected = torch.cat(outputs)
    expected_grads = torch.autograd.grad(
        (expected * weight).sum(), [x, plain.weight, plain.bias]
    )

    found = ghost(x)
    grads = torch.autograd.grad((found * weight).sum(), [x, *ghost.parameters()])
    torch.testing.assert_close(found, expected)
    for gradient, other in zip(grads, expected_grads, strict=True):
        torch.testing.assert_close(gradient, other)
    torch.testing.assert_close(ghost.running_mean, 0.9 * before[0] + 0.1 * means)
    torch.testing.assert_close(ghost.running_var, 0.9 * before[1] + 0.1 * variances)
    assert ghost.num_batches_tracked == 1


def test_derivatives_are_right_by_finite_differences(randomize_norms):
    ghost, _ = pair(randomize_norms, 2, channels=2)
    assert torch.autograd.gradcheck(ghost, images(5, 2).requires_grad_())


@pytest.mark.parametrize("size", [4, 9])
@pytest.mark.parametrize("momentum", [0.1, None])
def test_one_virtual_batch_is_batch_norm(randomize_norms, size, momentum):
    ghost, plain = pair(randomize_norms, size, momentum=momentum)
    for _ in range(2):
        x = images(4)
        assert torch.equal(ghost(x), plain(x))
    for name, value in plain.state_dict().items():
        assert torch.equal(ghost.state_dict()[name], value)


def test_without_momentum_all_steps_count_the_same():
    ghost = GhostBN(3, momentum=None, virtual_batch_size=2).double()
    steps = [images(4) + step for step in range(3)]
    for x in steps:
        ghost(x)
    mean = torch.stack(steps).mean(dim=(0, 1, 3, 4))
    torch.testing.assert_close(ghost.running_mean, mean)


def test_eval_is_batch_norm(randomize_norms):
    ghost, plain = pair(randomize_norms, 2)
    x = images(5)
    assert torch.equal(ghost.eval()(x), plain.eval()(x))
    assert ghost.num_batches_tracked == 0


@pytest.mark.parametrize("training", [True, False])
def test_works_without_parameters_and_running_statistics(training):
    kwargs = dict(affine=False, track_running_stats=False)
    ghost = GhostBN(3, virtual_batch_size=2, **kwargs).double().train(training)
    plain = nn.BatchNorm2d(3, **kwargs).double()
    x = images(5)
    chunks = x.split(2) if training else [x]
    expected = torch.cat([plain(chunk) for chunk in chunks])
    torch.testing.assert_close(ghost(x), expected)


def test_checkpointing_moves_statistics_once(randomize_norms):
    """Catches an update that ignores the momentum set for the second run."""
    ghost, _ = pair(randomize_norms, 2)
    other, _ = pair(randomize_norms, 2)
    x = images(5).requires_grad_()
    run_checkpointed(ghost, x).sum().backward()
    other(x)
    torch.testing.assert_close(ghost.running_mean, other.running_mean)
    assert ghost.num_batches_tracked == 1


def test_is_a_batch_norm_to_mmcv_and_torch():
    cfg = dict(type="GhostBN", virtual_batch_size=2, requires_grad=False)
    name, norm = build_norm_layer(cfg, 4, postfix=1)
    assert name == "bn1"
    assert isinstance(norm, _BatchNorm)
    assert not any(parameter.requires_grad for parameter in norm.parameters())
    assert "virtual_batch_size=2" in repr(norm)
    synced = nn.SyncBatchNorm.convert_sync_batchnorm(nn.Sequential(norm))
    assert isinstance(synced[0], nn.SyncBatchNorm)
    assert revert_sync_batchnorm(synced)[0].state_dict().keys() == (
        norm.state_dict().keys()
    )


def test_serves_as_norm_cfg_of_backbones_and_necks():
    norm_cfg = dict(type="GhostBN", virtual_batch_size=2)
    parts = nn.Sequential(
        MODELS.build(
            dict(type="GhostNet", widen_factor=0.5, out_indices=(1,), norm_cfg=norm_cfg)
        ),
        MODELS.build(
            dict(
                type="mmdet.FPN",
                in_channels=[20],
                out_channels=8,
                num_outs=1,
                norm_cfg=norm_cfg,
            )
        ),
    )
    norms = [module for module in parts.modules() if isinstance(module, _BatchNorm)]
    assert len(norms) > 10
    assert all(isinstance(norm, GhostBN) for norm in norms)
    assert all(norm.virtual_batch_size == 2 for norm in norms)
    parts(torch.rand(3, 3, 32, 32))[0].sum().backward()
    assert all(norm.weight.grad.isfinite().all() for norm in norms)


@pytest.mark.parametrize("size", [0, -1, 2.0, True, None])
def test_impossible_sizes_are_refused(size):
    with pytest.raises(OptionError, match="virtual_batch_size"):
        GhostBN(3, virtual_batch_size=size)


def test_a_lone_value_joins_the_virtual_batch_before_it(randomize_norms):
    """A last batch of one pooled image has no variance of its own."""
    ghost, plain = pair(randomize_norms, 2)
    x = torch.randn(5, 3, 1, 1, dtype=torch.float64)
    expected = [
        nn.functional.batch_norm(
            chunk, None, None, plain.weight, plain.bias, training=True
        )
        for chunk in (x[:2], x[2:])
    ]
    torch.testing.assert_close(ghost(x), torch.cat(expected))


def test_statistics_do_not_start_from_whatever_memory_holds(randomize_norms):
    """Catches buffers without values: here PyTorch fills them with NaN."""
    ghost, _ = pair(randomize_norms, 2)
    torch.use_deterministic_algorithms(True)
    try:
        assert torch.empty(3).isnan().all()
        ghost(images(5))
    finally:
        torch.use_deterministic_algorithms(False)
    assert ghost.running_mean.isfinite().all()
    assert ghost.running_var.isfinite().all()
