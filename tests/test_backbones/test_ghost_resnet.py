"""Ghost-ResNet against torchvision, plain torch functions and the measured sizes."""

import copy
import math
import pickle

import pytest
import torch
import torch.nn.functional as F
import torchvision
from mmdet.registry import MODELS
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from ghostnet_mm.backbones import GhostResNet
from ghostnet_mm.configuration import Options, load_config
from ghostnet_mm.errors import CheckpointError, OptionError
from ghostnet_mm.layers.conv_norm_act import LayerStyle
from ghostnet_mm.layers.ghost_module import GhostModule
from ghostnet_mm.measuring.complexity import measure_complexity

CLASSIFIER = 2048 * 1000


def build(**kwargs):
    kwargs.setdefault("widen_factor", 0.125)
    return MODELS.build(dict(type="GhostResNet", **kwargs))


@pytest.mark.parametrize(
    ("ratio", "million_parameters", "with_classifier", "billion_macs"),
    [(2, 11.90, 13.95, 2.151), (4, 6.10, 8.15, 1.182)],
)
def test_parameters_and_macs(ratio, million_parameters, with_classifier, billion_macs):
    with torch.device("meta"):
        backbone = GhostResNet(ratio=ratio).eval()
    image = torch.zeros(1, 3, 224, 224, device="meta")
    total = measure_complexity(backbone, lambda: backbone(image), {})[-1]
    assert backbone.out_channels == (256, 512, 1024, 2048)
    assert total.parameters / 1e6 == pytest.approx(million_parameters, abs=0.006)
    parameters = total.parameters + CLASSIFIER + 1000
    assert parameters / 1e6 == pytest.approx(with_classifier, abs=0.006)
    assert (total.macs + CLASSIFIER) / 1e9 == pytest.approx(billion_macs, abs=0.0006)


@pytest.mark.parametrize("depth", [50, 101, 152])
def test_blocks_are_those_of_torchvision(depth):
    with torch.device("meta"):
        theirs = getattr(torchvision.models, f"resnet{depth}")()
        ours = GhostResNet(depth)
    for number in range(1, 5):
        stage, blocks = getattr(theirs, f"layer{number}"), ours.stage_blocks(number - 1)
        assert len(stage) == len(blocks)
        for block, wanted in zip(blocks, stage, strict=True):
            assert block.conv2.out_channels == wanted.conv2.out_channels
            assert block.conv3.out_channels == wanted.conv3.out_channels
            assert (block.downsample is None) == (wanted.downsample is None)


def test_plain_convolutions_in_place_of_ghost_ones_give_torchvisions_resnet(
    randomize_norms,
):
    theirs = randomize_norms(torchvision.models.resnet50()).double().eval()
    ours = GhostResNet()
    ours.conv1, ours.bn1 = theirs.conv1, theirs.bn1
    for number in range(1, 5):
        stage = getattr(theirs, f"layer{number}")
        blocks = ours.stage_blocks(number - 1)
        for block, plain in zip(blocks, stage, strict=True):
            for index in (1, 2, 3):
                conv = getattr(plain, f"conv{index}")
                norm = getattr(plain, f"bn{index}")
                ghost = getattr(block, f"conv{index}")
                first = ghost.primary_conv[0]
                assert (first.kernel_size, first.stride, first.padding) == (
                    (conv.kernel_size, conv.stride, conv.padding)
                )
                setattr(block, f"conv{index}", nn.Sequential(conv, norm))
            if plain.downsample is not None:
                first = block.downsample.primary_conv[0]
                assert first.stride == plain.downsample[0].stride
                block.downsample = plain.downsample
    ours.eval()
    image = torch.randn(1, 3, 65, 98, dtype=torch.float64)
    with torch.no_grad():
        x = theirs.maxpool(theirs.relu(theirs.bn1(theirs.conv1(image))))
        for number, tap in enumerate(ours(image), 1):
            x = getattr(theirs, f"layer{number}")(x)
            torch.testing.assert_close(tap, x)


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize(
    ("ratio", "kernel", "stride", "cheap_kernel"),
    # 10 channels at ratio 4 are 3 intrinsic and 9 cheap ones, of which 2 are dropped.
    [(2, 3, 2, 3), (4, 1, 2, 3), (4, 3, 1, 5), (3, 1, 1, 1)],
)
def test_ghost_convolution_equals_plain_functions(
    ratio, kernel, stride, cheap_kernel, training, randomize_norms
):
    module = GhostModule(
        *(6, 10, LayerStyle()),
        activate=False,
        ratio=ratio,
        cheap_kernel_size=cheap_kernel,
        kernel_size=kernel,
        stride=stride,
    )
    randomize_norms(module).double().train(training)
    weights = copy.deepcopy(module.state_dict())

    def conv_norm(x, prefix, **kwargs):
        x = F.conv2d(x, weights[f"{prefix}.0.weight"], **kwargs)
        names = ("running_mean", "running_var", "weight", "bias")
        mean, var, weight, bias = (weights[f"{prefix}.1.{name}"] for name in names)
        return F.batch_norm(x, mean, var, weight, bias, training)

    x = torch.randn(2, 6, 9, 12, dtype=torch.float64)
    primary = conv_norm(x, "primary_conv", stride=stride, padding=kernel // 2)
    cheap = conv_norm(
        primary, "cheap_operation", padding=cheap_kernel // 2, groups=primary.shape[1]
    )
    wanted = torch.cat((primary, cheap), 1)[:, :10]
    torch.testing.assert_close(module(x), wanted)
    assert not any(name.endswith("0.bias") for name in weights)


@pytest.mark.parametrize("size", [(64, 64), (97, 65), (33, 200), (1, 1)])
def test_declared_channels_and_strides_are_produced(size):
    backbone = build().eval()
    with torch.no_grad():
        maps = backbone(torch.rand(1, 3, *size))
    declared = zip(backbone.out_channels, backbone.out_strides, strict=True)
    assert [tuple(tap.shape) for tap in maps] == [
        (1, channels, math.ceil(size[0] / stride), math.ceil(size[1] / stride))
        for channels, stride in declared
    ]


@pytest.mark.parametrize("taps", [(0,), (0, 2), (1, 2, 3), (0, 1, 2, 3)])
@pytest.mark.parametrize("ratio", [2, 3, 4])
def test_every_parameter_of_any_choice_of_taps_learns(taps, ratio):
    backbone = build(out_indices=taps, ratio=ratio).train()
    maps = backbone(torch.rand(1, 3, 64, 64))
    assert tuple(tap.shape[1] for tap in maps) == backbone.out_channels
    sum(tap.square().sum() for tap in maps).backward()
    assert [n for n, p in backbone.named_parameters() if p.grad is None] == []


@pytest.mark.parametrize("frozen_stages", [-1, 0, 2, 4])
def test_frozen_stages_do_not_move(frozen_stages):
    backbone = build(frozen_stages=frozen_stages)
    frozen = tuple(f"layer{number}." for number in range(1, frozen_stages + 1))
    if frozen_stages >= 0:
        frozen += ("conv1.", "bn1.")
        assert not backbone.conv1.weight.requires_grad
    assert backbone.train() is backbone
    before = copy.deepcopy(backbone.state_dict())
    trainable = [p for p in backbone.parameters() if p.requires_grad]
    optimizer = torch.optim.SGD(trainable or [torch.zeros(1)], lr=0.1, weight_decay=0.1)
    loss = sum(tap.square().sum() for tap in backbone(torch.rand(2, 3, 64, 64)))
    if loss.requires_grad:
        loss.backward()
    optimizer.step()
    moved = {
        name
        for name, value in backbone.state_dict().items()
        if not torch.equal(value, before[name])
    }
    stays = {name for name in before if frozen and name.startswith(frozen)}
    assert moved == set(before) - stays


def test_norm_eval_keeps_statistics_but_not_weights_fixed():
    backbone = build(norm_eval=True).train()
    before = copy.deepcopy(dict(backbone.named_buffers()))
    sum(tap.sum() for tap in backbone(torch.rand(1, 3, 64, 64))).backward()
    for name, buffer in backbone.named_buffers():
        torch.testing.assert_close(buffer, before[name], rtol=0, atol=0, msg=name)
    assert all(p.grad is not None for p in backbone.parameters())


def test_checkpointing_changes_nothing_but_memory(randomize_norms):
    plain = randomize_norms(build()).double().train()
    saving = build(with_cp=True).double().train()
    saving.load_state_dict(plain.state_dict())
    image = torch.rand(2, 3, 64, 96, dtype=torch.float64)
    for model in (plain, saving):
        sum(tap.square().sum() for tap in model(image)).backward()
    gradients = dict(plain.named_parameters())
    for name, parameter in saving.named_parameters():
        torch.testing.assert_close(parameter.grad, gradients[name].grad, msg=name)
    buffers = dict(plain.named_buffers())
    for name, buffer in saving.named_buffers():
        torch.testing.assert_close(buffer, buffers[name], msg=name)


@pytest.mark.parametrize(
    ("output_stride", "strides"), [(16, (4, 8, 16, 16)), (8, (4, 8, 8, 8))]
)
def test_dilated_maps_contain_the_strided_maps(output_stride, strides, randomize_norms):
    strided = randomize_norms(build()).double().eval()
    dilated = build(output_stride=output_stride).double().eval()
    dilated.load_state_dict(strided.state_dict())
    assert dilated.out_strides == strides
    image = torch.rand(1, 3, 129, 200, dtype=torch.float64)
    with torch.no_grad():
        wanted, got = strided(image), dilated(image)
    for theirs, ours, stride, full in zip(
        wanted, got, strides, (4, 8, 16, 32), strict=True
    ):
        step = full // stride
        torch.testing.assert_close(ours[..., ::step, ::step], theirs)


def test_other_norms_activations_and_image_channels():
    backbone = build(
        in_channels=1,
        cheap_kernel_size=5,
        norm_cfg=dict(type="GN", num_groups=2),
        act_cfg=dict(type="Swish"),
        conv_cfg=dict(type="Conv2dAdaptivePadding"),
    ).train()
    assert not any(isinstance(m, _BatchNorm | nn.ReLU) for m in backbone.modules())
    assert type(backbone.conv1).__name__ == "Conv2dAdaptivePadding"
    sum(tap.sum() for tap in backbone(torch.rand(1, 1, 64, 64))).backward()
    assert all(p.grad is not None for p in backbone.parameters())


def test_pickles_and_copies(randomize_norms):
    backbone = randomize_norms(build()).eval()
    image = torch.rand(1, 3, 64, 64)
    for twin in (pickle.loads(pickle.dumps(backbone)), copy.deepcopy(backbone)):
        for ours, theirs in zip(backbone(image), twin(image), strict=True):
            torch.testing.assert_close(ours, theirs, rtol=0, atol=0)


@pytest.mark.parametrize(
    ("argument", "value"),
    [
        ("depth", 18),
        ("depth", 50.0),
        ("depth", "50"),
        ("depth", True),
        ("ratio", 1),
        ("cheap_kernel_size", 4),
        ("out_indices", (4,)),
        ("frozen_stages", 5),
        ("widen_factor", 0),
        ("output_stride", 4),
        ("in_channels", 0),
        ("norm_cfg", dict(momentum=0.1)),
        ("act_cfg", "ReLU"),
    ],
)
def test_impossible_arguments_say_what_is_possible(argument, value):
    with pytest.raises(OptionError, match=f"^{argument}=.* is not possible: .*\\.$"):
        build(**{argument: value})


def test_weights_of_another_depth_are_refused(tmp_path):
    torch.save(build(depth=101).state_dict(), tmp_path / "weights.pth")
    checkpoint = dict(type="Pretrained", checkpoint=str(tmp_path / "weights.pth"))
    with pytest.raises(CheckpointError, match=r"not part of it \(layer3\.6.*same arch"):
        build(init_cfg=checkpoint).init_weights()


def test_a_config_takes_it_by_options(project_root):
    options = Options(
        cfg_options={"model.backbone.type": "GhostResNet", "model.backbone.ratio": 4},
        backbone_weights="none",
    )
    cfg = load_config(project_root / "configs/retinanet_ghostnet_coco.py", options)
    assert cfg.model.backbone.widen_factor == 1.0
    assert cfg.model.backbone.ratio == 4
    assert list(cfg.model.neck.in_channels) == [512, 1024, 2048]
