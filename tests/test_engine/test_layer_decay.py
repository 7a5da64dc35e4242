"""Layer-wise learning rates, against tables made by hand."""

import pytest
import torch
from mmdet.registry import MODELS
from mmengine.registry import OPTIM_WRAPPER_CONSTRUCTORS
from torch import nn

from ghostnet_mm.backbones.base import MultiScaleBackbone
from ghostnet_mm.engine.training.layer_decay import layer_distances
from ghostnet_mm.errors import OptionError

FAMILIES = sorted(
    name
    for name, kind in MODELS.module_dict.items()
    if isinstance(kind, type) and issubclass(kind, MultiScaleBackbone)
)


class Detector(nn.Module):
    """A backbone of stem and four blocks, and one convolution behind it."""

    def __init__(self, **arguments):
        super().__init__()
        settings = dict(type="GhostNet", widen_factor=0.5, out_indices=(1,))
        self.backbone = MODELS.build(settings | arguments)
        self.head = nn.Conv2d(20, 1, 1)


def built(detector, paramwise_cfg, optimizer=None):
    optimizer = optimizer or dict(type="SGD", lr=0.1, weight_decay=0.01)
    wrapper = OPTIM_WRAPPER_CONSTRUCTORS.build(
        dict(
            type="GhostLayerDecayOptimWrapperConstructor",
            optim_wrapper_cfg=dict(type="OptimWrapper", optimizer=optimizer),
            paramwise_cfg=paramwise_cfg,
        )
    )(detector)
    return wrapper.optimizer


def settings_by_name(detector, optimizer):
    names = {parameter: name for name, parameter in detector.named_parameters()}
    found = {}
    for group in optimizer.param_groups:
        for parameter in group["params"]:
            assert names[parameter] not in found
            found[names[parameter]] = (group["lr"], group["weight_decay"])
    return found


def test_rates_and_weight_decays_against_a_table():
    detector = Detector()
    optimizer = built(
        detector,
        dict(decay_rate=0.5, norm_decay_mult=0.0, bias_decay_mult=0.0),
    )
    found = settings_by_name(detector, optimizer)
    assert set(found) == {name for name, _ in detector.named_parameters()}
    # Stem, then the blocks 1.0, 2.0, 3.0 and 4.0, then the head at the full rate.
    expected = {
        "backbone.conv_stem.weight": (0.1 / 32, 0.01),
        "backbone.bn1.weight": (0.1 / 32, 0.0),
        "backbone.blocks.0.0.ghost1.primary_conv.0.weight": (0.1 / 32, 0.01),
        "backbone.blocks.1.0.conv_dw.weight": (0.1 / 16, 0.01),
        "backbone.blocks.2.0.ghost2.cheap_operation.1.bias": (0.1 / 8, 0.0),
        "backbone.blocks.3.0.se.conv_reduce.weight": (0.1 / 4, 0.01),
        "backbone.blocks.3.0.se.conv_reduce.bias": (0.1 / 4, 0.0),
        "backbone.blocks.4.0.ghost2.primary_conv.0.weight": (0.1 / 2, 0.01),
        "head.weight": (0.1, 0.01),
        "head.bias": (0.1, 0.0),
    }
    for name, settings in expected.items():
        assert found[name] == pytest.approx(settings), name
    # Six layers, with and without weight decay.
    assert len(optimizer.param_groups) == 12


def test_factors_of_custom_keys_are_multiplied():
    detector = Detector()
    paramwise = dict(decay_rate=0.5, custom_keys={"backbone": dict(lr_mult=0.1)})
    found = settings_by_name(detector, built(detector, paramwise))
    assert found["backbone.blocks.4.0.ghost2.primary_conv.0.weight"][0] == (
        pytest.approx(0.1 * 0.1 / 2)
    )
    assert found["head.weight"][0] == pytest.approx(0.1)


def test_frozen_layers_are_left_out():
    detector = Detector(frozen_stages=1)
    found = settings_by_name(detector, built(detector, dict(decay_rate=0.5)))
    trained = {n for n, p in detector.named_parameters() if p.requires_grad}
    assert set(found) == trained
    assert not any(name.startswith("backbone.blocks.2.") for name in found)
    # The distance of what still learns does not depend on what is frozen.
    assert found["backbone.blocks.3.0.conv_dw.weight"][0] == pytest.approx(0.1 / 4)


@pytest.mark.parametrize("family", FAMILIES)
def test_every_layer_of_every_family_has_a_distance(family):
    with torch.device("meta"):
        backbone = MODELS.build(dict(type=family))
    distances = layer_distances(backbone)
    assert set(distances) == set(backbone.parameters())
    blocks = sum(len(backbone.stage_blocks(stage)) for stage in range(4))
    first = next(p for part in backbone.stem_parts() for p in part.parameters())
    last = next(backbone.stage_blocks(3)[-1].parameters())
    assert (distances[first], distances[last]) == (blocks + 1, 1)


@pytest.mark.parametrize("rate", [None, 0, -0.5, 1.5, "half"])
def test_impossible_rates(rate):
    with pytest.raises(OptionError, match="decay_rate"):
        built(Detector(), dict(decay_rate=rate))


def test_what_it_needs():
    with pytest.raises(OptionError, match=r"optimizer\.lr"):
        built(Detector(), dict(decay_rate=0.5), dict(type="SGD"))
    detector = Detector()
    detector.backbone = nn.Conv2d(3, 20, 1)
    with pytest.raises(OptionError, match="Conv2d"):
        built(detector, dict(decay_rate=0.5))
