"""Pretrained weights through ``init_cfg``."""

import pytest
import torch

from ghostnet_mm.backbones import GhostNet
from ghostnet_mm.errors import CheckpointError


def pretrained(path):
    init_cfg = dict(type="Pretrained", checkpoint=str(path))
    return GhostNet(widen_factor=0.5, init_cfg=init_cfg)


def test_weights_arrive(tmp_path, randomise_norms):
    source = randomise_norms(GhostNet(widen_factor=0.5)).state_dict()
    torch.save(source, tmp_path / "weights.pth")
    backbone = pretrained(tmp_path / "weights.pth")
    backbone.init_weights()
    for key, value in backbone.state_dict().items():
        torch.testing.assert_close(value, source[key], rtol=0, atol=0, msg=key)


def test_a_second_call_does_not_pass_over_weights_that_never_came(tmp_path):
    backbone = pretrained(tmp_path / "missing.pth")
    for _ in range(2):
        with pytest.raises(CheckpointError, match=r"missing\.pth"):
            backbone.init_weights()
