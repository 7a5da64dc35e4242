"""Norms fold only where nothing but a convolution feeds them and nobody else reads."""

import pytest
import torch
import torch.nn.functional as F
from mmcv.cnn import ConvModule, build_conv_layer
from mmcv.cnn.bricks import DropPath
from support.closeness import assert_equal_maps
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm
from torchvision.ops import FrozenBatchNorm2d

from ghostnet_mm.fusion import conv_norm_pairs as reasons
from ghostnet_mm.fusion.deploy_form import (
    NOT_BATCH_NORM,
    deploy_form,
    deploy_form_and_report,
)


def batch_norms(model):
    return [norm for norm in model.modules() if isinstance(norm, _BatchNorm)]


class SharedConvolutions(nn.Module):
    """RTMDet's way (one module) and MobileGFLHead's (one parameter) of sharing."""

    def __init__(self, share_module):
        super().__init__()
        self.levels = nn.ModuleList(
            ConvModule(4, 6, 3, padding=1, norm_cfg=dict(type="BN")) for _ in range(3)
        )
        self.outputs = nn.ModuleList(nn.Conv2d(6, 2, 1) for _ in range(3))
        for level, output in zip(self.levels, self.outputs, strict=True):
            if share_module:
                level.conv = self.levels[0].conv
            else:
                level.conv.weight = self.levels[0].conv.weight
            output.weight = self.outputs[0].weight

    def forward(self, x):
        pairs = zip(self.levels, self.outputs, strict=True)
        return [output(level(x)) for level, output in pairs]


@pytest.mark.parametrize("share_module", [True, False])
def test_shared_convolutions_get_the_norm_of_their_own_level(
    share_module, randomize_norms
):
    model = randomize_norms(SharedConvolutions(share_module)).eval()
    image = torch.rand(2, 4, 9, 7)
    deployed, report = deploy_form_and_report(model)
    assert len(report.folded) == 3
    with torch.no_grad():
        assert_equal_maps(deployed(image), model(image))
        assert_equal_maps(deployed(image), model(image))
    weights = [level.conv.weight for level in deployed.levels]
    assert len({id(weight) for weight in weights}) == 3
    assert not torch.equal(weights[0], weights[1])
    # What was not folded stays shared, and the model does.
    assert deployed.outputs[0].weight is deployed.outputs[2].weight
    assert model.levels[0].conv.weight is model.levels[2].conv.weight


class Layers(nn.Module):
    """Layers by name, and what is done with them."""

    def __init__(self, run, **layers):
        super().__init__()
        for name, layer in layers.items():
            setattr(self, name, layer)
        self.run = run

    def forward(self, x):
        return self.run(self, x)


class ActivatedNorm(nn.BatchNorm2d):
    def forward(self, x):
        return super().forward(x).relu_()


class TwiceNorm(nn.BatchNorm2d):
    def forward(self, x):
        return super().forward(2 * x)


class StandardisedConv(nn.Conv2d):
    def forward(self, x):
        return F.conv2d(x, self.weight - self.weight.mean(), self.bias, padding=1)


class ActivatedConv(nn.Conv2d):
    def forward(self, x):
        return super().forward(x).relu_()


def conv(kind=nn.Conv2d, **kwargs):
    return kind(3, 6, 3, padding=1, **kwargs)


def norm(kind=nn.BatchNorm2d, **kwargs):
    return kind(6, **kwargs)


def in_turn(model, x):
    for layer in model.children():
        x = layer(x)
    return x


def residual(model, x):
    x = model.conv(x)
    return model.norm(x) + x


def returned(model, x):
    x = model.conv(x)
    return model.norm(x), x


def changed_in_place(model, x):
    x = model.conv(x)
    x += 1
    return model.norm(x)


def looked_at(model, x):
    x = model.conv(x)
    x[:, :3].mul_(2)
    return model.norm(x)


def two_convolutions(model, x):
    return model.norm(model.conv(x)) + model.norm(model.other(x))


def two_norms(model, x):
    return model.norm(model.conv(x)) + model.other(model.conv(2 * x))


def one_of_two_calls(model, x):
    return model.norm(model.conv(x)) + model.conv(2 * x)


def both_calls(model, x):
    return model.norm(model.conv(x)) + model.norm(model.conv(2 * x))


def not_run(model, x):
    return model.conv(x)


SPECIAL = {
    "residual": (Layers(residual, conv=conv(), norm=norm()), reasons.OTHER_READERS),
    "returned": (Layers(returned, conv=conv(), norm=norm()), reasons.OTHER_READERS),
    "changed in place": (
        Layers(changed_in_place, conv=conv(), norm=norm()),
        reasons.OTHER_READERS,
    ),
    "changed through a view": (
        Layers(looked_at, conv=conv(), norm=norm()),
        reasons.OTHER_READERS,
    ),
    "a norm of two convolutions": (
        Layers(two_convolutions, conv=conv(), other=conv(), norm=norm()),
        None,
    ),
    "a convolution of two norms": (
        Layers(two_norms, conv=conv(), other=norm(), norm=norm()),
        reasons.OTHER_READERS,
    ),
    "one of two calls": (
        Layers(one_of_two_calls, conv=conv(), norm=norm()),
        reasons.OTHER_READERS,
    ),
    "both calls": (Layers(both_calls, conv=conv(), norm=norm()), None),
    "not run": (Layers(not_run, conv=conv(), norm=norm()), reasons.NOT_RUN),
    "activated norm": (
        Layers(in_turn, conv=conv(), norm=norm(ActivatedNorm)),
        reasons.OTHER_INPUT,
    ),
    "a norm of something else": (
        Layers(in_turn, conv=conv(), norm=norm(TwiceNorm)),
        reasons.OTHER_INPUT,
    ),
    "norm first": (
        Layers(in_turn, norm=nn.BatchNorm2d(3), conv=conv()),
        reasons.OTHER_INPUT,
    ),
    "activated convolution": (
        Layers(in_turn, conv=conv(ActivatedConv), norm=norm()),
        reasons.OTHER_INPUT,
    ),
    "standardized weights": (
        Layers(in_turn, conv=conv(StandardisedConv), norm=norm()),
        reasons.OTHER_INPUT,
    ),
    "no statistics": (
        Layers(in_turn, conv=conv(), norm=norm(track_running_stats=False)),
        reasons.NO_STATISTICS,
    ),
    "group norm": (
        Layers(in_turn, conv=conv(), norm=nn.GroupNorm(2, 6)),
        NOT_BATCH_NORM,
    ),
    "frozen norm": (
        Layers(in_turn, conv=conv(), norm=FrozenBatchNorm2d(6)),
        NOT_BATCH_NORM,
    ),
    "not affine": (Layers(in_turn, conv=conv(), norm=norm(affine=False)), None),
    "bias and groups": (
        Layers(in_turn, conv=conv(bias=True, groups=3, dilation=2), norm=norm()),
        None,
    ),
    "reflecting": (
        Layers(in_turn, conv=conv(padding_mode="reflect"), norm=norm()),
        None,
    ),
    "transposed, grouped": (
        Layers(in_turn, conv=conv(nn.ConvTranspose2d, groups=3), norm=norm()),
        None,
    ),
    "padding itself": (
        Layers(
            in_turn,
            conv=build_conv_layer(dict(type="Conv2dAdaptivePadding"), 3, 6, 3, 2),
            norm=norm(),
        ),
        None,
    ),
}


def randomize_all(model):
    for module in model.modules():
        if getattr(module, "running_mean", None) is not None:
            module.running_mean.normal_()
            module.running_var.uniform_(0.5, 2)
        if getattr(module, "bias", None) is not None:
            module.bias.data.normal_()
    return model.eval()


@pytest.mark.parametrize("case", SPECIAL)
def test_only_what_can_be_folded_is_folded(case):
    """Each of these computes something else when folded by its class names alone."""
    model, reason = SPECIAL[case]
    randomize_all(model)
    deployed, report = deploy_form_and_report(model)
    image = torch.rand(2, 3, 11, 8)
    with torch.no_grad():
        assert_equal_maps(deployed(image), model(image))
    if reason is None:
        assert report.left == {}
        assert batch_norms(deployed) == []
        assert {norm for _, norm in report.folded} == {"norm"}
    else:
        assert set(report.left.values()) == {reason}
        assert report.folded == ()
        assert isinstance(deployed.norm, type(model.norm))


def test_one_and_three_dimensions():
    for kind, kind_of_norm, shape in (
        (nn.Conv1d, nn.BatchNorm1d, (2, 3, 9)),
        (nn.Conv3d, nn.BatchNorm3d, (2, 3, 4, 5, 6)),
        (nn.ConvTranspose3d, nn.BatchNorm3d, (2, 3, 4, 5, 6)),
    ):
        model = randomize_all(nn.Sequential(kind(3, 6, 3), kind_of_norm(6)))
        x = torch.rand(shape)
        deployed = deploy_form(model, run=lambda module, x=x: module(x))
        assert batch_norms(deployed) == []
        with torch.no_grad():
            assert_equal_maps(deployed(x), model(x))


class LearnedLoss(nn.Module):
    def __init__(self):
        super().__init__()
        self.scale = nn.Parameter(torch.ones(3))
        self.use_sigmoid = True


def test_what_only_trains_is_removed():
    def run(model, x):
        assert model.loss_cls.use_sigmoid
        return model.aux_scale(model.drop(model.path(model.conv(x))))

    model = Layers(
        run,
        conv=conv(),
        drop=nn.Dropout(0.5),
        path=DropPath(0.5),
        loss_cls=LearnedLoss(),
        auxiliary_head=nn.Sequential(conv(), norm()),
        # An auxiliary by name that inference reads all the same.
        aux_scale=nn.Conv2d(6, 6, 1),
    ).eval()
    deployed, report = deploy_form_and_report(model)
    assert sorted(report.removed) == [
        "auxiliary_head",
        "drop",
        "loss_cls.scale",
        "path",
    ]
    assert report.left == {}
    kept = {name for name, _ in deployed.named_parameters()}
    assert kept == {"conv.weight", "conv.bias", "aux_scale.weight", "aux_scale.bias"}
    assert model.loss_cls.scale is not None
    assert isinstance(model.drop, nn.Dropout)
    image = torch.rand(1, 3, 8, 9)
    with torch.no_grad():
        # In train mode, dropout would show.
        assert_equal_maps(deployed.train()(image), model(image))


def test_a_frozen_model_stays_frozen_and_an_odd_layout_stays():
    model = nn.Sequential(conv(), norm()).to(memory_format=torch.channels_last)
    model[0].requires_grad_(False)
    deployed = deploy_form(model)
    assert not deployed[0].weight.requires_grad
    assert deployed[0].weight.is_contiguous(memory_format=torch.channels_last)
