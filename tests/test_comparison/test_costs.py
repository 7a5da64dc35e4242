"""Costs are those of the deployed form, at the size that is asked for."""

from pathlib import Path

import pytest
from mmdet.registry import MODELS

from ghostnet_mm.comparison.costs import measure_costs
from ghostnet_mm.configuration import Options, load_config

DIGITS = Path(__file__).parents[2] / "configs" / "retinanet_ghostnet_digits.py"


@pytest.fixture(scope="module")
def configs():
    def of(family):
        options = Options(
            cfg_options={"model.backbone.type": family}, backbone_weights="none"
        )
        return load_config(DIGITS, options)

    return {"v2": of("GhostNetV2"), "v3": of("GhostNetV3")}


def test_branches_that_only_train_cost_nothing(configs):
    costs = measure_costs(configs, (64, 64), rounds=0)
    # Fused, V3 is V2's network, with biases instead of norms.
    assert costs["v3"].macs == costs["v2"].macs
    assert costs["v3"].parameters < costs["v2"].parameters
    trained = MODELS.build(configs["v3"].model).parameters()
    assert sum(each.numel() for each in trained) > costs["v3"].parameters
    assert costs["v2"].milliseconds is None


def test_costs_grow_with_the_picture_and_latency_is_measured(configs):
    small = measure_costs({"v2": configs["v2"]}, (64, 64), rounds=1)["v2"]
    large = measure_costs({"v2": configs["v2"]}, (128, 128), rounds=0)["v2"]
    assert large.macs == pytest.approx(4 * small.macs, rel=0.02)
    assert small.milliseconds > 0
