"""Fusing GhostNetV3's training branches."""

import pytest
import torch

from ghostnet_mm.backbones import GhostNetV3
from ghostnet_mm.errors import OptionError


def maps_of(backbone, image):
    with torch.no_grad():
        return backbone(image)


@pytest.mark.parametrize(
    "kwargs",
    [
        dict(widen_factor=1.0),
        dict(widen_factor=0.3),
        dict(widen_factor=0.5, output_stride=8),
        dict(widen_factor=0.5, ratio=3, cheap_kernel_size=5),
        dict(widen_factor=0.5, norm_cfg=dict(type="BN", eps=1e-2)),
    ],
)
def test_fused_maps_equal_the_branches(kwargs, randomise_norms):
    backbone = randomise_norms(GhostNetV3(**kwargs)).double().eval()
    image = torch.rand(1, 3, 97, 130, dtype=torch.float64)
    wanted = maps_of(backbone, image)
    before = sum(p.numel() for p in backbone.parameters())
    backbone.switch_to_deploy()
    assert sum(p.numel() for p in backbone.parameters()) < before
    assert not any("rpr" in name for name in backbone.state_dict())
    for ours, theirs in zip(maps_of(backbone, image), wanted, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-9, atol=1e-9)


def test_float32_fusion_stays_exact(randomise_norms):
    backbone = randomise_norms(GhostNetV3()).eval()
    image = torch.rand(1, 3, 96, 96)
    wanted = maps_of(backbone, image)
    backbone.switch_to_deploy()
    for ours, theirs in zip(maps_of(backbone, image), wanted, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-4)


def test_switching_twice_changes_nothing(randomise_norms):
    backbone = randomise_norms(GhostNetV3(widen_factor=0.5)).eval()
    backbone.switch_to_deploy()
    once = {key: value.clone() for key, value in backbone.state_dict().items()}
    backbone.switch_to_deploy()
    twice = backbone.state_dict()
    assert list(once) == list(twice)
    for key, value in once.items():
        torch.testing.assert_close(twice[key], value, rtol=0, atol=0)


def test_deployed_weights_load_into_a_deployed_model(randomise_norms):
    backbone = randomise_norms(GhostNetV3(widen_factor=0.5)).eval()
    backbone.switch_to_deploy()
    loaded = GhostNetV3(widen_factor=0.5, deploy=True).eval()
    loaded.load_state_dict(backbone.state_dict(), strict=True)
    image = torch.rand(1, 3, 64, 64)
    for ours, theirs in zip(
        maps_of(loaded, image), maps_of(backbone, image), strict=True
    ):
        torch.testing.assert_close(ours, theirs, rtol=0, atol=0)


def test_fused_keys_are_those_of_timm():
    timm = pytest.importorskip("timm")
    from timm.utils.model import reparameterize_model

    theirs = reparameterize_model(timm.create_model("ghostnetv3_050")).state_dict()
    trunk = {
        key: value.shape
        for key, value in theirs.items()
        if not key.startswith(("blocks.9.", "conv_head.", "classifier."))
    }
    ours = GhostNetV3(widen_factor=0.5, deploy=True).state_dict()
    assert {key: value.shape for key, value in ours.items()} == trunk


def test_frozen_stages_stay_frozen_after_the_switch():
    backbone = GhostNetV3(widen_factor=0.5, frozen_stages=1)
    backbone.switch_to_deploy()
    trainable = {n for n, p in backbone.named_parameters() if p.requires_grad}
    assert not any(
        n.startswith(("conv_stem", "blocks.1", "blocks.2")) for n in trainable
    )
    assert "blocks.3.0.conv_dw.weight" in trainable


def test_norms_without_statistics_cannot_be_fused():
    backbone = GhostNetV3(widen_factor=0.5, norm_cfg=dict(type="GN", num_groups=2))
    with pytest.raises(OptionError, match="GroupNorm"):
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
