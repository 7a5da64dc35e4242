"""Fusing the training branches of GhostNetV3 and RepGhostNet."""

import pytest
import timm
import torch
from timm.utils.model import reparameterize_model

from ghostnet_mm.backbones import GhostNetV3, RepGhostNet
from ghostnet_mm.errors import OptionError
from tools.timm_taps import HEAD_KEYS, TimmTaps

FAMILIES = [GhostNetV3, RepGhostNet]
BRANCH_NAMES = ("rpr", "fusion")


def maps_of(backbone, image):
    with torch.no_grad():
        return backbone(image)


@pytest.mark.parametrize(
    ("family", "kwargs"),
    [
        (GhostNetV3, dict(widen_factor=1.0)),
        (GhostNetV3, dict(widen_factor=0.3)),
        (GhostNetV3, dict(widen_factor=0.5, output_stride=8)),
        (GhostNetV3, dict(widen_factor=0.5, ratio=3, cheap_kernel_size=5)),
        (GhostNetV3, dict(widen_factor=0.5, norm_cfg=dict(type="BN", eps=1e-2))),
        (RepGhostNet, dict(widen_factor=1.0)),
        (RepGhostNet, dict(widen_factor=0.3, cheap_kernel_size=1)),
        (RepGhostNet, dict(widen_factor=0.5, output_stride=8, cheap_kernel_size=5)),
        (RepGhostNet, dict(widen_factor=0.5, norm_cfg=dict(type="BN", eps=1e-2))),
    ],
)
def test_fused_maps_equal_the_branches(family, kwargs, randomize_norms):
    backbone = randomize_norms(family(**kwargs)).double().eval()
    image = torch.rand(1, 3, 97, 130, dtype=torch.float64)
    wanted = maps_of(backbone, image)
    before = sum(p.numel() for p in backbone.parameters())
    backbone.switch_to_deploy()
    assert sum(p.numel() for p in backbone.parameters()) < before
    keys = "\n".join(backbone.state_dict())
    assert not any(name in keys for name in BRANCH_NAMES)
    for ours, theirs in zip(maps_of(backbone, image), wanted, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("family", FAMILIES)
def test_float32_fusion_stays_exact(family, randomize_norms):
    backbone = randomize_norms(family()).eval()
    image = torch.rand(1, 3, 96, 96)
    wanted = maps_of(backbone, image)
    backbone.switch_to_deploy()
    for ours, theirs in zip(maps_of(backbone, image), wanted, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-4)


@pytest.mark.parametrize("family", FAMILIES)
def test_switching_twice_changes_nothing(family, randomize_norms):
    backbone = randomize_norms(family(widen_factor=0.5)).eval()
    backbone.switch_to_deploy()
    once = {key: value.clone() for key, value in backbone.state_dict().items()}
    backbone.switch_to_deploy()
    twice = backbone.state_dict()
    assert list(once) == list(twice)
    for key, value in once.items():
        torch.testing.assert_close(twice[key], value, rtol=0, atol=0)


@pytest.mark.parametrize("family", FAMILIES)
def test_deployed_weights_load_into_a_deployed_model(family, randomize_norms):
    backbone = randomize_norms(family(widen_factor=0.5)).eval()
    backbone.switch_to_deploy()
    loaded = family(widen_factor=0.5, deploy=True).eval()
    loaded.load_state_dict(backbone.state_dict(), strict=True)
    image = torch.rand(1, 3, 64, 64)
    for ours, theirs in zip(
        maps_of(loaded, image), maps_of(backbone, image), strict=True
    ):
        torch.testing.assert_close(ours, theirs, rtol=0, atol=0)


@pytest.mark.parametrize(
    ("name", "family"),
    [("ghostnetv3_050", GhostNetV3), ("repghostnet_050", RepGhostNet)],
)
def test_fused_keys_are_those_of_timm(name, family):
    theirs = reparameterize_model(timm.create_model(name)).state_dict()
    trunk = {
        key: value.shape
        for key, value in theirs.items()
        if not key.startswith(HEAD_KEYS)
    }
    ours = family(widen_factor=0.5, deploy=True).state_dict()
    assert {key: value.shape for key, value in ours.items()} == trunk


@pytest.mark.parametrize(
    ("name", "family"),
    [("ghostnetv3_050", GhostNetV3), ("repghostnet_050", RepGhostNet)],
)
def test_a_file_that_timm_fused_gives_the_maps_of_timm(
    name, family, tmp_path, randomize_norms
):
    theirs = reparameterize_model(randomize_norms(TimmTaps(name)).eval())
    torch.save(theirs.state_dict(), tmp_path / "fused.pth")
    init_cfg = dict(type="Pretrained", checkpoint=str(tmp_path / "fused.pth"))
    ours = family(widen_factor=0.5, deploy=True, init_cfg=init_cfg).eval()
    ours.init_weights()
    image = torch.rand(1, 3, 97, 130).contiguous(memory_format=torch.channels_last)
    for got, wanted in zip(maps_of(ours, image), maps_of(theirs, image), strict=True):
        torch.testing.assert_close(got, wanted, rtol=0, atol=1e-6)


@pytest.mark.parametrize("family", FAMILIES)
def test_frozen_stages_stay_frozen_after_the_switch(family):
    backbone = family(widen_factor=0.5, frozen_stages=1)
    backbone.switch_to_deploy()
    trainable = {n for n, p in backbone.named_parameters() if p.requires_grad}
    assert not any(
        n.startswith(("conv_stem", "blocks.1", "blocks.2")) for n in trainable
    )
    assert "blocks.3.0.conv_dw.weight" in trainable


@pytest.mark.parametrize("family", FAMILIES)
def test_norms_without_statistics_cannot_be_fused(family):
    backbone = family(widen_factor=0.5, norm_cfg=dict(type="GN", num_groups=2))
    with pytest.raises(OptionError, match="GroupNorm"):
        backbone.switch_to_deploy()


@pytest.mark.parametrize("family", FAMILIES)
def test_convolutions_that_pad_otherwise_cannot_be_fused(family):
    conv_cfg = dict(type="Conv2dAdaptivePadding")
    backbone = family(widen_factor=0.5, conv_cfg=conv_cfg)
    with pytest.raises(OptionError, match="Conv2dAdaptivePadding"):
        backbone.switch_to_deploy()


def test_official_names_are_renamed_to_timm_names():
    backbone = GhostNetV3(widen_factor=0.5)
    official = {
        "blocks.1.0.ghost1.primary_rpr_conv.0.bn.weight": (
            "blocks.1.0.ghost1.primary_rpr_conv.0.bn1.weight"
        ),
        "blocks.1.0.dw_rpr_scale.bn.bias": "blocks.1.0.dw_rpr_scale.bn1.bias",
        "blocks.1.0.ghost2.cheap_rpr_skip.weight": (
            "blocks.1.0.ghost2.cheap_rpr_skip.weight"
        ),
        "bn1.weight": "bn1.weight",
    }
    for name, wanted in official.items():
        assert backbone.checkpoint_rename(name) == wanted
        assert wanted in backbone.state_dict()
