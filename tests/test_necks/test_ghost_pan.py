"""Ghost-PAN and the light FPN: shapes, paths, cost, fit with mmdet."""

import copy

import pytest
import torch
import torch.nn.functional as F
import torchvision
from mmdet.registry import MODELS
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from ghostnet_mm.dense_heads import MobileGFLHead
from ghostnet_mm.errors import OptionError
from ghostnet_mm.necks import GhostPAN, LightFPN


def maps_of(sizes, channels, batch=1):
    return [
        torch.randn(batch, c, *size) for c, size in zip(channels, sizes, strict=True)
    ]


@pytest.mark.parametrize(
    ("sizes", "extra"),
    [
        ([(20, 12)], []),
        # Halved and rounded up, as strided convolutions do.
        ([(13, 7), (7, 4), (4, 2)], [(2, 1), (1, 1)]),
        # Rounded down, as some backbones do.
        ([(13, 7), (6, 3), (3, 1), (1, 1)], [(1, 1)]),
    ],
)
def test_maps_keep_their_sizes(sizes, extra):
    """Catches upsampling by a factor, and extra levels that only work once."""
    channels = [8, 12, 16, 20][: len(sizes)]
    neck = GhostPAN(channels, 8, num_outs=len(sizes) + len(extra)).eval()
    outs = neck(maps_of(sizes, channels))
    assert [tuple(out.shape) for out in outs] == [(1, 8, *s) for s in sizes + extra]


def test_every_output_sees_every_input():
    """Catches a path that is built and left out."""
    channels = [4, 6, 8]
    neck = GhostPAN(channels, 8, num_outs=4).double().eval()
    inputs = [
        features.double().requires_grad_()
        for features in maps_of([(16, 16), (8, 8), (4, 4)], channels)
    ]
    for out in neck(inputs):
        grads = torch.autograd.grad(out.sum(), inputs, retain_graph=True)
        assert all(grad.abs().sum() > 0 for grad in grads)
    neck.train()
    sum(out.square().sum() for out in neck(inputs)).backward()
    assert all(p.grad is not None for p in neck.parameters())


@pytest.mark.parametrize(
    "upsample_cfg", [None, dict(mode="bilinear", align_corners=False)]
)
@pytest.mark.parametrize("use_residual", [False, True])
def test_two_levels_by_hand(randomize_norms, upsample_cfg, use_residual):
    """Catches a wrong order of concatenation and blocks that trade places."""
    neck = GhostPAN(
        [4, 6],
        8,
        num_outs=3,
        num_blocks=2,
        use_residual=use_residual,
        upsample_cfg=upsample_cfg,
    ).eval()
    randomize_norms(neck)
    inputs = maps_of([(9, 6), (5, 3)], [4, 6])
    fine, coarse = (
        layer(features)
        for layer, features in zip(neck.reduce_layers, inputs, strict=True)
    )

    def stack(module, x):
        out = module.blocks[1](module.blocks[0](x))
        return out + module.residual(x) if use_residual else out

    mode = upsample_cfg or dict(mode="nearest")
    raised = F.interpolate(coarse, size=(9, 6), **mode)
    first = stack(neck.top_down_blocks[0], torch.cat([raised, fine], 1))
    lowered = neck.downsamples[0](first)
    second = stack(neck.bottom_up_blocks[0], torch.cat([lowered, coarse], 1))
    third = neck.extra_from_input[0](coarse) + neck.extra_from_output[0](second)
    for found, expected in zip(neck(inputs), (first, second, third), strict=True):
        torch.testing.assert_close(found, expected)


@pytest.mark.parametrize(
    ("build", "channels", "width", "published"),
    [
        (torchvision.models.shufflenet_v2_x1_0, [116, 232, 464], 96, 0.90),
        (torchvision.models.shufflenet_v2_x1_5, [176, 352, 704], 128, 1.75),
    ],
)
def test_costs_what_nanodet_plus_published(build, channels, width, published):
    """NanoDet-Plus-m and -m-1.5x at 320 px; its README counts 2 FLOPs per MAC."""
    with torch.device("meta"):
        net = build().eval()
        neck = GhostPAN(channels, width, num_outs=4).eval()
        head = MobileGFLHead(80, width, feat_channels=width).eval()
        image = torch.zeros(1, 3, 320, 320)
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        x = net.maxpool(net.conv1(image))
        maps = [x := stage(x) for stage in (net.stage2, net.stage3, net.stage4)]
        head(neck(maps))
    assert counter.get_total_flops() / 1e9 == pytest.approx(published, rel=0.01)


def test_checkpointing_changes_nothing():
    neck = GhostPAN([4, 6], 8, num_outs=3)
    saving = copy.deepcopy(neck)
    saving.with_cp = True
    inputs = maps_of([(8, 8), (4, 4)], [4, 6], batch=2)
    for module in (neck, saving):
        sum(out.square().sum() for out in module(inputs)).backward()
    for mine, other in zip(neck.parameters(), saving.parameters(), strict=True):
        torch.testing.assert_close(mine.grad, other.grad)
    for mine, other in zip(neck.buffers(), saving.buffers(), strict=True):
        torch.testing.assert_close(mine, other)


@pytest.mark.parametrize("neck", ["GhostPAN", "LightFPN"])
def test_fits_between_mmdets_backbone_and_head(neck):
    from mmdet.utils import register_all_modules

    register_all_modules()
    backbone = MODELS.build(
        dict(type="ResNet", depth=18, out_indices=(1, 2, 3), base_channels=8)
    )
    neck = MODELS.build(
        dict(type=neck, in_channels=[16, 32, 64], out_channels=16, num_outs=5)
        | dict(norm_cfg=dict(type="GN", num_groups=4), act_cfg=dict(type="LeakyReLU"))
    )
    head = MODELS.build(
        dict(type="RetinaHead", num_classes=3, in_channels=16, feat_channels=8)
        | dict(stacked_convs=1)
    )
    assert any(isinstance(layer, nn.GroupNorm) for layer in neck.modules())
    assert any(isinstance(layer, nn.LeakyReLU) for layer in neck.modules())
    neck.init_weights()
    with torch.no_grad():
        scores, _ = head(neck(backbone(torch.rand(1, 3, 65, 97))))
    sizes = [tuple(score_map.shape[-2:]) for score_map in scores]
    assert sizes == [(9, 13), (5, 7), (3, 4), (2, 2), (1, 1)]


@pytest.mark.parametrize("extra", [False, "on_input", "on_output"])
def test_light_fpn_is_fpn_with_separable_outputs(extra):
    """Catches strides and kernels lost with the replaced convolutions."""
    cfg = dict(in_channels=[8, 12], out_channels=96, num_outs=3, add_extra_convs=extra)
    light = LightFPN(**cfg).eval()
    plain = MODELS.build(dict(type="mmdet.FPN", **cfg)).eval()
    # Layer by layer, the plain 3x3 convolution that equals the separable pair.
    for separable, full in zip(light.fpn_convs, plain.fpn_convs, strict=True):
        depthwise = separable.depthwise_conv.conv
        pointwise = separable.pointwise_conv.conv
        assert depthwise.kernel_size == (5, 5)
        with torch.no_grad():
            depthwise.weight[:, :, 0] = depthwise.weight[:, :, 4] = 0
            depthwise.weight[:, :, :, 0] = depthwise.weight[:, :, :, 4] = 0
            inner = depthwise.weight[:, 0, 1:4, 1:4]
            depthwise.bias.zero_()
            full.conv.weight.copy_(pointwise.weight * inner[None])
            full.conv.bias.copy_(pointwise.bias)
    plain.lateral_convs.load_state_dict(light.lateral_convs.state_dict())
    inputs = maps_of([(9, 7), (5, 4)], [8, 12])
    with torch.no_grad():
        for mine, other in zip(light(inputs), plain(inputs), strict=True):
            torch.testing.assert_close(mine, other, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (dict(in_channels=[]), "in_channels"),
        (dict(num_outs=1), "num_outs"),
        (dict(num_blocks=0), "num_blocks"),
        (dict(kernel_size=4), "kernel_size"),
        (dict(expand_ratio=0.01), "expand_ratio"),
        (dict(upsample_cfg=dict(scale_factor=2)), "upsample_cfg"),
    ],
)
def test_impossible_arguments_are_refused(arguments, message):
    with pytest.raises(OptionError, match=message):
        GhostPAN(**{"in_channels": [4, 8], "out_channels": 8} | arguments)


def test_wrong_number_of_maps_is_refused():
    with pytest.raises(OptionError, match="2 maps"):
        GhostPAN([4, 6, 8], 8)(maps_of([(8, 8), (4, 4)], [4, 6]))


def test_light_fpn_refuses_an_even_kernel():
    with pytest.raises(OptionError, match="kernel_size"):
        LightFPN([4, 8], 8, 2, kernel_size=4)
