"""The arguments that every backbone shares, on every family."""

import copy
import itertools
import math
import pickle

import pytest
import torch
from mmdet.registry import MODELS
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from ghostnet_mm.errors import OptionError

WITH_RATIO = ["GhostNet", "GhostNetV2", "GhostNetV3"]
FAMILIES = [*WITH_RATIO, "RepGhostNet"]
ALL_TAPS = [
    taps
    for count in range(1, 5)
    for taps in itertools.combinations((0, 1, 2, 3), count)
]

pytestmark = pytest.mark.parametrize("family", FAMILIES)


def build(family, **kwargs):
    kwargs.setdefault("widen_factor", 0.5)
    return MODELS.build(dict(type=family, **kwargs))


@pytest.mark.parametrize("size", [(64, 64), (97, 65), (125, 130), (33, 200)])
def test_declared_channels_and_strides_are_produced(family, size):
    backbone = build(family).eval()
    with torch.no_grad():
        maps = backbone(torch.rand(1, 3, *size))
    declared = zip(backbone.out_channels, backbone.out_strides, strict=True)
    assert [tuple(tap.shape) for tap in maps] == [
        (1, channels, math.ceil(size[0] / stride), math.ceil(size[1] / stride))
        for channels, stride in declared
    ]


@pytest.mark.parametrize("taps", ALL_TAPS)
def test_any_choice_of_taps_builds_only_what_it_uses(family, taps):
    whole = build(family).eval()
    part = build(family, out_indices=taps).eval()
    used = part.state_dict().keys()
    part.load_state_dict({k: v for k, v in whole.state_dict().items() if k in used})
    image = torch.rand(1, 3, 64, 64)
    with torch.no_grad():
        for index, tap in zip(taps, part(image), strict=True):
            torch.testing.assert_close(tap, whole(image)[index], rtol=0, atol=0)
    part.train()
    sum(tap.sum() for tap in part(torch.rand(2, 3, 64, 64))).backward()
    without = [name for name, p in part.named_parameters() if p.grad is None]
    assert without == []


@pytest.mark.parametrize("size", [(1, 1), (1, 64), (64, 1), (2, 3), (32, 32), (31, 33)])
def test_tiny_images_work(family, size):
    backbone = build(family).eval()
    with torch.no_grad():
        for tap in backbone(torch.rand(1, 3, *size)):
            assert tap.isfinite().all()


@pytest.mark.parametrize("frozen_stages", [-1, 0, 1, 2, 4])
def test_frozen_stages_do_not_move(family, frozen_stages):
    backbone = build(family, frozen_stages=frozen_stages)
    assert backbone.train() is backbone
    before = copy.deepcopy(backbone.state_dict())
    optimizer = torch.optim.SGD(
        [p for p in backbone.parameters() if p.requires_grad] or [torch.zeros(1)],
        lr=0.1,
        weight_decay=0.1,
    )
    loss = sum(tap.square().sum() for tap in backbone(torch.rand(4, 3, 64, 64)))
    if loss.requires_grad:
        loss.backward()
    optimizer.step()
    groups = {-1: 0, 0: 1, 1: 3, 2: 5, 4: 9}[frozen_stages]
    frozen = tuple(f"blocks.{group}." for group in range(groups))
    if frozen_stages >= 0:
        frozen += ("conv_stem.", "bn1.")
    moved = {
        name
        for name, value in backbone.state_dict().items()
        if not torch.equal(value, before[name])
    }
    assert not {name for name in moved if frozen and name.startswith(frozen)}
    still = {name for name in set(before) - moved if not name.startswith(frozen or "?")}
    assert not still, "these are not frozen and should have moved"


def test_freezing_holds_before_train_is_called(family):
    # Distributed wrappers look at requires_grad before the first train().
    backbone = build(family, frozen_stages=0)
    assert not backbone.conv_stem.weight.requires_grad
    assert not backbone.bn1.training


def test_norm_eval_keeps_statistics_but_not_weights_fixed(family):
    backbone = build(family, norm_eval=True).train()
    before = copy.deepcopy(dict(backbone.named_buffers()))
    sum(tap.sum() for tap in backbone(torch.rand(2, 3, 64, 64))).backward()
    for name, buffer in backbone.named_buffers():
        torch.testing.assert_close(buffer, before[name], rtol=0, atol=0, msg=name)
    assert all(p.grad is not None for p in backbone.parameters())


def test_checkpointing_changes_nothing_but_memory(family, randomize_norms):
    plain = randomize_norms(build(family)).double().train()
    saving = build(family, with_cp=True).double().train()
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
def test_dilated_maps_contain_the_strided_maps(
    family, output_stride, strides, randomize_norms
):
    """Every s-th pixel of a dilated map is the strided map, where nothing pools."""
    strided = randomize_norms(build(family)).double().eval()
    dilated = build(family, output_stride=output_stride).double().eval()
    dilated.load_state_dict(strided.state_dict())
    assert dilated.out_strides == strides
    for model in (strided, dilated):
        for module in model.modules():
            # Global and 2x2 pooling see other pixels in a dilated map.
            if getattr(module, "se", None) is not None:
                module.se = nn.Identity()
            if getattr(module, "short_conv", None) is not None:
                module.short_conv = None
    image = torch.rand(1, 3, 129, 200, dtype=torch.float64)
    with torch.no_grad():
        wanted, got = strided(image), dilated(image)
    for theirs, ours, stride, full in zip(
        wanted, got, strides, (4, 8, 16, 32), strict=True
    ):
        step = full // stride
        torch.testing.assert_close(ours[..., ::step, ::step], theirs)


def test_other_norms_activations_and_image_channels(family):
    backbone = build(
        family,
        in_channels=1,
        norm_cfg=dict(type="GN", num_groups=2),
        act_cfg=dict(type="Swish"),
        conv_cfg=dict(type="Conv2dAdaptivePadding"),
    )
    assert not any(isinstance(m, _BatchNorm | nn.ReLU) for m in backbone.modules())
    assert any(isinstance(m, nn.GroupNorm) for m in backbone.modules())
    assert type(backbone.conv_stem).__name__ == "Conv2dAdaptivePadding"
    backbone(torch.rand(2, 1, 64, 64))


@pytest.mark.parametrize(("ratio", "kernel"), [(3, 5), (2, 1), (4, 3)])
def test_any_ratio_and_cheap_kernel(family, ratio, kernel):
    # 20 channels are not divisible by 3: the module makes 21 and drops one.
    ratios = dict(ratio=ratio) if family in WITH_RATIO else {}
    backbone = build(family, cheap_kernel_size=kernel, **ratios)
    sizes = {p.shape[-1] for n, p in backbone.named_parameters() if _is_cheap(n, p)}
    assert max(sizes) == kernel
    maps = backbone(torch.rand(2, 3, 64, 64))
    assert tuple(tap.shape[1] for tap in maps) == backbone.out_channels
    sum(tap.sum() for tap in maps).backward()
    assert all(p.grad is not None for p in backbone.parameters())


def _is_cheap(name, parameter):
    return "cheap" in name and parameter.dim() == 4


def test_a_ratio_is_checked_or_refused_but_never_ignored(family):
    if family in WITH_RATIO:
        with pytest.raises(OptionError, match=r"^ratio=1 is not possible: .*\.$"):
            build(family, ratio=1)
    else:
        with pytest.raises(TypeError, match="ratio"):
            build(family, ratio=2)


def test_norm_cfg_is_not_shared_between_instances(family):
    norm_cfg = dict(type="BN", momentum=0.03)
    first = build(family, norm_cfg=norm_cfg)
    norm_cfg["momentum"] = 0.5
    assert first.bn1.momentum == 0.03
    assert build(family).bn1.momentum == 0.1


def test_pickles_and_copies(family, randomize_norms):
    backbone = randomize_norms(build(family)).eval()
    image = torch.rand(1, 3, 64, 64)
    for twin in (pickle.loads(pickle.dumps(backbone)), copy.deepcopy(backbone)):
        for ours, theirs in zip(backbone(image), twin(image), strict=True):
            torch.testing.assert_close(ours, theirs, rtol=0, atol=0)


@pytest.mark.parametrize(
    ("argument", "value"),
    [
        ("out_indices", (4,)),
        ("out_indices", ()),
        ("out_indices", (-1,)),
        ("out_indices", (2, 1)),
        ("out_indices", (1, 1)),
        ("out_indices", (1.0,)),
        ("out_indices", "01"),
        ("frozen_stages", 5),
        ("frozen_stages", -2),
        ("frozen_stages", True),
        ("widen_factor", 0),
        ("widen_factor", -1.0),
        ("widen_factor", math.nan),
        ("widen_factor", math.inf),
        ("widen_factor", "1.0"),
        ("widen_factor", True),
        ("output_stride", 4),
        ("output_stride", 64),
        ("output_stride", "16"),
        ("in_channels", 0),
        ("cheap_kernel_size", 4),
        ("norm_cfg", dict(momentum=0.1)),
        ("act_cfg", "ReLU"),
    ],
)
def test_impossible_arguments_say_what_is_possible(family, argument, value):
    with pytest.raises(OptionError, match=f"^{argument}=.* is not possible: .*\\.$"):
        build(family, **{argument: value})
