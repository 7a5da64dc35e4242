"""Pretrained weights through ``init_cfg``."""

import pytest
import timm
import torch

from ghostnet_mm.backbones import GhostNet, RepGhostNet
from ghostnet_mm.errors import CheckpointError


def pretrained(path, family=GhostNet, **kwargs):
    init_cfg = dict(type="Pretrained", checkpoint=str(path))
    return family(widen_factor=0.5, init_cfg=init_cfg, **kwargs)


def test_weights_arrive(tmp_path, randomize_norms):
    source = randomize_norms(GhostNet(widen_factor=0.5)).state_dict()
    torch.save(source, tmp_path / "weights.pth")
    backbone = pretrained(tmp_path / "weights.pth")
    backbone.init_weights()
    for key, value in backbone.state_dict().items():
        torch.testing.assert_close(value, source[key], rtol=0, atol=0, msg=key)


@pytest.mark.parametrize(
    ("name", "family"), [("ghostnet_050", GhostNet), ("repghostnet_050", RepGhostNet)]
)
@pytest.mark.parametrize("out_indices", [(0, 1), (3,)])
def test_a_whole_network_of_timm_loads(
    name, family, out_indices, tmp_path, randomize_norms
):
    source = randomize_norms(timm.create_model(name)).state_dict()
    torch.save(source, tmp_path / "weights.pth")
    backbone = pretrained(tmp_path / "weights.pth", family, out_indices=out_indices)
    backbone.init_weights()
    for key, value in backbone.state_dict().items():
        torch.testing.assert_close(value, source[key], rtol=0, atol=0, msg=key)


@pytest.mark.parametrize("deploy", [False, True])
def test_the_other_form_of_the_weights_is_refused(deploy, tmp_path):
    weights = RepGhostNet(widen_factor=0.5, deploy=not deploy).state_dict()
    torch.save(weights, tmp_path / "weights.pth")
    backbone = pretrained(tmp_path / "weights.pth", RepGhostNet, deploy=deploy)
    with pytest.raises(CheckpointError, match="cheap_operation"):
        backbone.init_weights()


def test_a_second_call_does_not_pass_over_weights_that_never_came(tmp_path):
    backbone = pretrained(tmp_path / "missing.pth")
    for _ in range(2):
        with pytest.raises(CheckpointError, match=r"missing\.pth"):
            backbone.init_weights()
