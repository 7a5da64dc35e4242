"""Equality with timm, an implementation that shares no code with ours."""

import pytest
import timm
import torch
from mmdet.registry import MODELS

from tools.timm_taps import HEAD_KEYS, VARIANTS, TimmTaps

VARIANT_NAMES = [name for name, _, _ in VARIANTS]


def build(family, width):
    return MODELS.build(dict(type=family, widen_factor=width))


@pytest.mark.parametrize(("name", "family", "width"), VARIANTS, ids=VARIANT_NAMES)
def test_keys_and_shapes_are_those_of_timm(name, family, width):
    theirs = timm.create_model(name, pretrained=False).state_dict()
    trunk = {k: v.shape for k, v in theirs.items() if not k.startswith(HEAD_KEYS)}
    ours = build(family, width).state_dict()
    assert {k: v.shape for k, v in ours.items()} == trunk


@pytest.mark.parametrize(("name", "family", "width"), VARIANTS, ids=VARIANT_NAMES)
def test_eval_taps_equal_timm(name, family, width, randomize_norms):
    reference = randomize_norms(TimmTaps(name)).eval()
    backbone = build(family, width).eval()
    backbone.load_state_dict(reference.state_dict(), strict=True)
    # In one memory format, so that both sides run the same kernels.
    image = torch.randn(2, 3, 97, 130).contiguous(memory_format=torch.channels_last)
    with torch.no_grad():
        wanted = reference(image)
        got = backbone(image)
    for ours, theirs in zip(got, wanted, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-6)


@pytest.mark.parametrize(("name", "family", "width"), VARIANTS, ids=VARIANT_NAMES)
def test_training_loss_gradients_and_statistics_equal_timm(
    name, family, width, randomize_norms
):
    # In float64: batch statistics of deep maps amplify float32 rounding.
    reference = randomize_norms(TimmTaps(name)).double().train()
    backbone = build(family, width).double().train()
    backbone.load_state_dict(reference.state_dict(), strict=True)
    image = torch.randn(2, 3, 65, 98, dtype=torch.float64)
    losses = []
    for model in (reference, backbone):
        loss = sum(tap.square().mean() for tap in model(image))
        loss.backward()
        losses.append(loss.detach())
    torch.testing.assert_close(losses[1], losses[0], rtol=1e-9, atol=0)
    theirs = dict(reference.named_parameters())
    for key, parameter in backbone.named_parameters():
        torch.testing.assert_close(
            parameter.grad, theirs[key].grad, rtol=1e-6, atol=1e-8, msg=key
        )
    their_buffers = dict(reference.named_buffers())
    for key, buffer in backbone.named_buffers():
        torch.testing.assert_close(buffer, their_buffers[key], msg=key)


@pytest.mark.parametrize(
    ("name", "family", "width"),
    [VARIANTS[1], VARIANTS[3], VARIANTS[7], VARIANTS[13]],
    ids=["v1", "v2", "v3", "rep"],
)
def test_our_weights_load_back_into_timm(name, family, width):
    ours = build(family, width).state_dict()
    result = timm.create_model(name, pretrained=False).load_state_dict(
        ours, strict=False
    )
    assert result.unexpected_keys == []
    assert all(key.startswith(HEAD_KEYS) for key in result.missing_keys)
