"""G-Ghost RegNet against timm, plain torch functions and the published sizes."""

import copy
import math
import pickle

import pytest
import timm
import torch
import torch.nn.functional as F
from mmdet.registry import MODELS
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from ghostnet_mm.backbones import GGhostRegNet, base
from ghostnet_mm.configuration import Options, load_config
from ghostnet_mm.errors import CheckpointError, OptionError
from ghostnet_mm.layers import lone_values
from ghostnet_mm.layers.gghost_stage import RegNetBottleneck
from ghostnet_mm.layers.lone_values import norm_of_pooled
from ghostnet_mm.measuring.complexity import measure_complexity, parts_of_detector

# Million parameters and billion MACs (224 px), classifier included; and per G-Ghost
# stage: intrinsic channels, cheap channels, inner blocks, channels into the mix branch.
PUBLISHED = {
    "200mf": (1.825, 0.131, {3: (72, 80, 2, 296), 4: (180, 188, 5, 1268)}),
    "400mf": (2.884, 0.221, {3: (72, 88, 5, 520), 4: (192, 192, 10, 2304)}),
    "600mf": (
        4.030,
        0.390,
        {2: (36, 60, 1, 132), 3: (108, 132, 3, 564), 4: (252, 276, 5, 1788)},
    ),
    "800mf": (
        5.248,
        0.529,
        {2: (60, 68, 1, 188), 3: (144, 144, 5, 1008), 4: (336, 336, 3, 1680)},
    ),
    "1.6gf": (7.110, 1.021, {2: (72, 96, 2, 312), 3: (198, 210, 8, 1992)}),
    "3.2gf": (10.511, 1.802, {2: (72, 120, 4, 480), 3: (216, 216, 13, 3240)}),
    "4.0gf": (15.726, 2.228, {2: (120, 120, 3, 600), 3: (270, 290, 12, 3800)}),
    "6.4gf": (17.994, 4.055, {2: (168, 224, 2, 728), 3: (378, 406, 8, 3808)}),
    "8.0gf": (24.587, 4.150, {2: (90, 150, 3, 510), 3: (360, 360, 13, 5400)}),
    "12gf": (30.627, 7.378, {2: (168, 280, 3, 952), 3: (420, 476, 9, 4676)}),
    "16gf": (32.382, 8.997, {2: (192, 320, 4, 1280), 3: (384, 512, 11, 5120)}),
    "32gf": (62.815, 17.158, {2: (252, 420, 5, 1932), 3: (630, 714, 11, 8274)}),
}
TIMM_NAMES = dict(
    zip(
        PUBLISHED,
        "002 004 006 008 016 032 040 064 080 120 160 320".split(),
        strict=True,
    )
)
SMALLEST = "regnetx_200mf"
# One G-Ghost stage of the least depth, and group widths of 24 and 18.
SHORT_STAGE = "regnetx_600mf"


def build(arch=SMALLEST, **kwargs):
    return MODELS.build(dict(type="GGhostRegNet", arch=arch, **kwargs))


def build_without_memory(size):
    with torch.device("meta"):
        return GGhostRegNet(f"regnetx_{size}").eval()


# ---------------------------------------------------------------- sizes and names


@pytest.mark.parametrize("size", PUBLISHED)
def test_parameters_and_macs_with_the_classifier(size):
    million_parameters, billion_macs, _ = PUBLISHED[size]
    backbone = build_without_memory(size)
    image = torch.zeros(1, 3, 224, 224, device="meta")
    total = measure_complexity(backbone, lambda: backbone(image), {})[-1]
    classifier = backbone.out_channels[-1] * 1000
    parameters = total.parameters + classifier + 1000
    assert parameters / 1e6 == pytest.approx(million_parameters, abs=0.0006)
    assert (total.macs + classifier) / 1e9 == pytest.approx(billion_macs, abs=0.0006)


@pytest.mark.parametrize("size", PUBLISHED)
def test_ghost_stages_are_those_of_the_table(size):
    backbone = build_without_memory(size)
    found = {}
    for number in range(1, 5):
        stage = getattr(backbone, f"layer{number}")
        if not isinstance(stage, nn.Sequential):
            mix, cheap = stage.merge[1], stage.cheap[0]
            raw = stage.layers[0].conv1.in_channels
            assert cheap.in_channels == cheap.out_channels == mix.out_channels
            found[number] = (raw, cheap.in_channels, len(stage.layers), mix.in_channels)
    assert found == PUBLISHED[size][2]


@pytest.mark.parametrize("size", PUBLISHED)
def test_widths_depths_and_groups_are_those_of_timms_regnetx(size):
    backbone = build_without_memory(size)
    with torch.device("meta"):
        theirs = timm.create_model(f"regnetx_{TIMM_NAMES[size]}")
    for number in range(1, 5):
        ours = getattr(backbone, f"layer{number}")
        stage = getattr(theirs, f"s{number}")
        first, depth = stage.b1, len(list(stage.children()))
        assert backbone.out_channels[number - 1] == first.conv3.conv.out_channels
        if isinstance(ours, nn.Sequential):
            assert len(ours) == depth
            ours_first = ours[0]
        else:
            assert len(ours.layers) + 2 == depth
            ours_first = ours.base
        assert ours_first.conv2.groups == first.conv2.conv.groups


def official_names():
    """Return the names in the authors' 3.2 GF file."""
    norm = "weight bias running_mean running_var num_batches_tracked".split()

    def conv_norm(conv, bn):
        return [f"{conv}.weight", *(f"{bn}.{part}" for part in norm)]

    def block(prefix, projects=False):
        pairs = [(f"{prefix}.conv{n}", f"{prefix}.bn{n}") for n in (1, 2, 3)]
        if projects:
            pairs.append((f"{prefix}.downsample.0", f"{prefix}.downsample.1"))
        return [name for pair in pairs for name in conv_norm(*pair)]

    names = [*conv_norm("conv1", "bn1"), "fc.weight", "fc.bias"]
    for plain in ("layer1", "layer4"):
        names += block(f"{plain}.0", projects=True) + block(f"{plain}.1")
    for ghost, inner in (("layer2", 4), ("layer3", 13)):
        names += block(f"{ghost}.base", projects=True) + block(f"{ghost}.end")
        for number in range(inner):
            names += block(f"{ghost}.layers.{number}")
        names += conv_norm(f"{ghost}.merge.1", f"{ghost}.merge.2")
        names += conv_norm(f"{ghost}.merge.4", f"{ghost}.merge.5")
        names += conv_norm(f"{ghost}.cheap.0", f"{ghost}.cheap.1")
    return names


def test_names_are_those_of_the_authors_file():
    names = official_names()
    assert len(names) == 518
    ours = build_without_memory("3.2gf").state_dict()
    assert {*ours, "fc.weight", "fc.bias"} == set(names)


# ------------------------------------------------------------- equality with others


def timm_name(name):
    """Return timm's name for a tensor of the stem or of a plain stage."""
    if name.startswith(("conv1.", "bn1.")):
        part, rest = name.split(".", 1)
        return f"stem.{part.removesuffix('1')}.{rest}"
    stage, block, part, rest = name.split(".", 3)
    where = f"s{stage.removeprefix('layer')}.b{int(block) + 1}"
    if part == "downsample":
        index, rest = rest.split(".")
        return f"{where}.downsample.{('conv', 'bn')[int(index)]}.{rest}"
    return f"{where}.conv{part[-1]}.{part[:-1]}.{rest}"


def test_stem_and_plain_stages_equal_timm(randomize_norms):
    theirs = randomize_norms(timm.create_model("regnetx_004")).double()
    ours = build("regnetx_400mf", out_indices=(0, 1), norm_eval=False).double()
    weights = theirs.state_dict()
    ours.load_state_dict({n: weights[timm_name(n)] for n in ours.state_dict()})
    image = torch.randn(2, 3, 97, 70, dtype=torch.float64)
    for mode in (False, True):
        theirs.train(mode)
        ours.train(mode)
        deep = theirs.s1(theirs.stem(image))
        wanted = (deep, theirs.s2(deep))
        for got, expected in zip(ours(image), wanted, strict=True):
            torch.testing.assert_close(got, expected)


class PlainReference:
    """G-Ghost RegNet from torch's functions, on a table of the authors' names.

    Maps are joined before pooling, as in the paper's equation.
    """

    def __init__(self, weights, training, mix_training=True):
        self.weights = weights
        self.training = training
        self.mix_training = training and mix_training

    def conv_norm(self, x, conv, bn, training=None, **kwargs):
        x = F.conv2d(x, self.weights[f"{conv}.weight"], **kwargs)
        names = ("running_mean", "running_var", "weight", "bias")
        mean, var, weight, bias = (self.weights[f"{bn}.{name}"] for name in names)
        training = self.training if training is None else training
        return F.batch_norm(
            x, mean.clone(), var.clone(), weight, bias, training, 0.1, 1e-5
        )

    def block(self, x, prefix, group_width, stride=1):
        w = f"{prefix}.conv2.weight"
        groups = self.weights[w].shape[0] // group_width
        out = self.conv_norm(x, f"{prefix}.conv1", f"{prefix}.bn1").relu()
        out = self.conv_norm(
            out,
            f"{prefix}.conv2",
            f"{prefix}.bn2",
            stride=stride,
            padding=1,
            groups=groups,
        ).relu()
        out = self.conv_norm(out, f"{prefix}.conv3", f"{prefix}.bn3")
        if f"{prefix}.downsample.0.weight" in self.weights:
            down = f"{prefix}.downsample"
            x = self.conv_norm(x, f"{down}.0", f"{down}.1", stride=stride)
        return (out + x).relu()

    def ghost_stage(self, x, prefix, group_width, numbers):
        raw, _, num_layers, _ = numbers
        base = self.block(x, f"{prefix}.base", group_width, stride=2)
        intrinsic, maps = base[:, :raw], [base]
        for number in range(num_layers):
            layer = f"{prefix}.layers.{number}"
            intrinsic = self.block(intrinsic, layer, group_width * 3 // 4)
            maps.append(intrinsic)
        mix = torch.cat(maps, 1).mean((2, 3), keepdim=True)
        merge = f"{prefix}.merge"
        how = dict(training=self.mix_training)
        mix = self.conv_norm(mix, f"{merge}.1", f"{merge}.2", **how).relu()
        mix = self.conv_norm(mix, f"{merge}.4", f"{merge}.5", **how)
        cheap = self.conv_norm(base[:, raw:], f"{prefix}.cheap.0", f"{prefix}.cheap.1")
        joined = torch.cat((intrinsic, (cheap + mix).relu()), 1)
        return self.block(joined, f"{prefix}.end", group_width)

    def maps(self, x, depths, group_width, ghost_stages):
        x = self.conv_norm(x, "conv1", "bn1", stride=2, padding=1).relu()
        maps = []
        for number, depth in enumerate(depths, 1):
            prefix = f"layer{number}"
            if number in ghost_stages:
                numbers = ghost_stages[number]
                x = self.ghost_stage(x, prefix, group_width, numbers)
            else:
                for index in range(depth):
                    stride = 2 if index == 0 else 1
                    x = self.block(x, f"{prefix}.{index}", group_width, stride)
            maps.append(x)
        return maps


NETWORKS = {"200mf": ((1, 1, 4, 7), 8), "600mf": ((1, 3, 5, 7), 24)}


def weights_of(backbone):
    trained = dict(backbone.named_parameters())
    return {
        name: tensor.detach().clone().requires_grad_(name in trained)
        for name, tensor in backbone.state_dict().items()
    }


@pytest.mark.parametrize("size", NETWORKS)
@pytest.mark.parametrize("training", [False, True])
def test_maps_and_gradients_equal_plain_functions(size, training, randomize_norms):
    backbone = randomize_norms(build(f"regnetx_{size}", norm_eval=False)).double()
    backbone.train(training)
    weights = weights_of(backbone)
    image = torch.randn(2, 3, 65, 98, dtype=torch.float64)
    reference = PlainReference(weights, training)
    wanted = reference.maps(image, *NETWORKS[size], PUBLISHED[size][2])
    got = backbone(image)
    for ours, theirs in zip(got, wanted, strict=True):
        torch.testing.assert_close(ours, theirs)
    sum(tap.square().mean() for tap in wanted).backward()
    sum(tap.square().mean() for tap in got).backward()
    for name, parameter in backbone.named_parameters():
        torch.testing.assert_close(
            parameter.grad, weights[name].grad, rtol=1e-6, atol=1e-9, msg=name
        )


# -------------------------------------------------------------- one image per batch


@pytest.mark.parametrize("norm", ["BN", "SyncBN"])
def test_one_image_trains_on_the_mix_branchs_running_statistics(norm, randomize_norms):
    backbone = build(norm_eval=False, norm_cfg=dict(type=norm))
    randomize_norms(backbone).double().train()
    weights = weights_of(backbone)
    image = torch.randn(1, 3, 65, 98, dtype=torch.float64)
    reference = PlainReference(weights, training=True, mix_training=False)
    wanted = reference.maps(image, *NETWORKS["200mf"], PUBLISHED["200mf"][2])
    got = backbone(image)
    for ours, theirs in zip(got, wanted, strict=True):
        torch.testing.assert_close(ours, theirs)
    sum(tap.square().mean() for tap in got).backward()
    assert [n for n, p in backbone.named_parameters() if p.grad is None] == []
    for name, buffer in backbone.named_buffers():
        # Two norms of the mix branch see one value; all others learn.
        kept = name.rpartition(".")[0].endswith(("merge.2", "merge.5"))
        assert torch.equal(buffer, weights[name]) == kept, name


def test_two_images_do_change_the_mix_branchs_statistics():
    backbone = build(norm_eval=False).train()
    before = backbone.layer3.merge[2].running_mean.clone()
    backbone(torch.rand(2, 3, 64, 64))
    assert not torch.equal(backbone.layer3.merge[2].running_mean, before)


def test_synchronised_norms_pool_one_image_per_process(monkeypatch):
    class Recorder(nn.SyncBatchNorm):
        def forward(self, x):
            return x + 1

    norm = Recorder(4).train()
    x = torch.zeros(1, 4, 1, 1)
    assert torch.equal(norm_of_pooled(norm, x), x)
    monkeypatch.setattr(lone_values, "get_world_size", lambda: 2)
    assert torch.equal(norm_of_pooled(norm, x), x + 1)


# ----------------------------------------------------------------- shared arguments


@pytest.mark.parametrize("size", [(64, 64), (97, 65), (33, 200), (1, 1), (2, 3)])
def test_declared_channels_and_strides_are_produced(size):
    backbone = build().eval()
    with torch.no_grad():
        maps = backbone(torch.rand(1, 3, *size))
    declared = zip(backbone.out_channels, backbone.out_strides, strict=True)
    assert [tuple(tap.shape) for tap in maps] == [
        (1, channels, math.ceil(size[0] / stride), math.ceil(size[1] / stride))
        for channels, stride in declared
    ]
    assert all(tap.isfinite().all() for tap in maps)


@pytest.mark.parametrize("taps", [(0,), (1,), (0, 2), (1, 2, 3), (3,)])
@pytest.mark.parametrize("norm_eval", [True, False])
def test_any_choice_of_taps_builds_only_what_it_uses(taps, norm_eval):
    whole = build(SHORT_STAGE).eval()
    part = build(SHORT_STAGE, out_indices=taps, norm_eval=norm_eval).eval()
    state = whole.state_dict()
    part.load_state_dict({name: state[name] for name in part.state_dict()})
    image = torch.rand(1, 3, 64, 64)
    with torch.no_grad():
        for index, tap in zip(taps, part(image), strict=True):
            torch.testing.assert_close(tap, whole(image)[index], rtol=0, atol=0)
    part.train()
    sum(tap.sum() for tap in part(torch.rand(2, 3, 64, 64))).backward()
    assert [name for name, p in part.named_parameters() if p.grad is None] == []


def test_norm_statistics_are_fixed_by_default():
    backbone = build().train()
    before = copy.deepcopy(dict(backbone.named_buffers()))
    sum(tap.sum() for tap in backbone(torch.rand(1, 3, 64, 64))).backward()
    for name, buffer in backbone.named_buffers():
        torch.testing.assert_close(buffer, before[name], rtol=0, atol=0, msg=name)
    assert all(p.grad is not None for p in backbone.parameters())


@pytest.mark.parametrize("frozen_stages", [-1, 0, 2, 3, 4])
def test_frozen_stages_do_not_move(frozen_stages):
    backbone = build(frozen_stages=frozen_stages, norm_eval=False)
    frozen = tuple(f"layer{number}." for number in range(1, frozen_stages + 1))
    if frozen_stages >= 0:
        frozen += ("conv1.", "bn1.")
        # Distributed wrappers look at requires_grad before the first train().
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


def test_checkpointing_changes_nothing_but_memory(randomize_norms, monkeypatch):
    plain = randomize_norms(build(SHORT_STAGE, norm_eval=False)).double().train()
    saving = build(SHORT_STAGE, norm_eval=False, with_cp=True).double().train()
    saving.load_state_dict(plain.state_dict())
    recomputed = []
    run_checkpointed = base.run_checkpointed

    def record(block, x):
        recomputed.append(type(block))
        return run_checkpointed(block, x)

    monkeypatch.setattr(base, "run_checkpointed", record)
    image = torch.rand(2, 3, 64, 96, dtype=torch.float64)
    for model in (plain, saving):
        sum(tap.square().sum() for tap in model(image)).backward()
    # A whole stage at once would hold all of its maps again in the backward pass.
    assert recomputed == [RegNetBottleneck] * sum(NETWORKS["600mf"][0])
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
    """Fails where a stage's dilation starts again at 1 instead of multiplying up."""
    strided = randomize_norms(build(SHORT_STAGE)).double().eval()
    for number in (2, 3, 4):
        # The mix branch pools over more pixels of a dilated map.
        last = getattr(strided, f"layer{number}").merge[5]
        nn.init.zeros_(last.weight)
        nn.init.zeros_(last.bias)
    dilated = build(SHORT_STAGE, output_stride=output_stride).double().eval()
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


@pytest.mark.parametrize("widen_factor", [0.01, 0.25, 0.5, 1.5])
@pytest.mark.parametrize("size", ["200mf", "3.2gf", "8.0gf"])
def test_any_width_keeps_whole_groups(size, widen_factor):
    with torch.device("meta"):
        full = GGhostRegNet(f"regnetx_{size}")
        backbone = GGhostRegNet(f"regnetx_{size}", widen_factor=widen_factor).eval()
        maps = backbone(torch.zeros(1, 3, 64, 64))
    assert tuple(tap.shape[1] for tap in maps) == backbone.out_channels
    group_width = full.layer3.base.conv2.weight.shape[1]
    for ours, before in zip(backbone.out_channels, full.out_channels, strict=True):
        wanted = before * widen_factor
        assert 0.9 * wanted <= ours <= max(wanted + group_width, 8)


def test_other_norms_activations_and_image_channels():
    backbone = build(
        in_channels=1,
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
        ("arch", "regnetx_5gf"),
        ("arch", "3.2gf"),
        ("arch", None),
        ("arch", dict(w0=88)),
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


def test_without_weights_convolutions_are_kaimings():
    backbone = build()
    backbone.init_weights()
    for conv in (backbone.layer4.merge[1], backbone.layer4.end.conv2):
        fan_out = conv.out_channels * conv.kernel_size[0] ** 2
        wanted = math.sqrt(2 / fan_out)
        assert conv.weight.std().item() == pytest.approx(wanted, rel=0.05)


# --------------------------------------------------------------- published weights


def official_file(backbone, path, prefix, wrap):
    """Write random weights as the authors' training script would."""
    generator = torch.Generator().manual_seed(0)
    weights = {
        prefix + name: torch.rand(tensor.shape, generator=generator) + 0.1
        if tensor.is_floating_point()
        else torch.tensor(7)
        for name, tensor in backbone.state_dict().items()
    }
    weights[f"{prefix}fc.weight"] = torch.rand(1000, backbone.out_channels[-1])
    weights[f"{prefix}fc.bias"] = torch.rand(1000)
    whole = dict(epoch=100, arch="x", state_dict=weights, best_acc1=torch.tensor(77.8))
    torch.save(whole if wrap else weights, path)
    return {name.removeprefix(prefix): value for name, value in weights.items()}


@pytest.mark.parametrize("prefix", ["", "module."])
@pytest.mark.parametrize("wrap", [False, True])
@pytest.mark.parametrize("taps", [(0, 1, 2, 3), (0, 1, 2)])
def test_the_authors_file_loads_whole(tmp_path, prefix, wrap, taps):
    path = tmp_path / "g_ghost.pth"
    weights = official_file(build(), path, prefix, wrap)
    checkpoint = dict(type="Pretrained", checkpoint=str(path))
    backbone = build(out_indices=taps, init_cfg=checkpoint)
    backbone.init_weights()
    for name, tensor in backbone.state_dict().items():
        assert torch.equal(tensor, weights[name]), name


def test_weights_of_another_arch_are_refused(tmp_path):
    path = tmp_path / "g_ghost.pth"
    official_file(build(SHORT_STAGE), path, "module.", True)
    backbone = build(init_cfg=dict(type="Pretrained", checkpoint=str(path)))
    with pytest.raises(
        CheckpointError,
        match=r"does not fit GGhostRegNet: .*keys are missing \(layer2.*same arch",
    ):
        backbone.init_weights()


# -------------------------------------------------------------------------- tools


def test_a_config_takes_it_by_options(project_root):
    options = Options(
        cfg_options={
            "model.backbone.type": "GGhostRegNet",
            "model.backbone.arch": SMALLEST,
        },
        backbone_weights="none",
    )
    cfg = load_config(project_root / "configs/retinanet_ghostnet_coco.py", options)
    assert cfg.model.backbone.widen_factor == 1.0
    assert list(cfg.model.neck.in_channels) == [56, 152, 368]


class Detector(nn.Module):
    def __init__(self):
        super().__init__()
        self.backbone = build()

    def forward(self, x):
        return self.backbone(x)


def test_complexity_is_told_per_stage():
    with torch.device("meta"):
        detector = Detector().eval()
    image = torch.zeros(1, 3, 64, 64, device="meta")
    rows = measure_complexity(
        detector, lambda: detector(image), parts_of_detector(detector)
    )
    assert [row.name.split(" (")[0] for row in rows] == [
        "backbone: stem",
        *(f"backbone: stage {number}" for number in (1, 2, 3, 4)),
        "total",
    ]


@pytest.mark.parametrize(("images", "virtual"), [(5, 4), (4, 1), (3, 2), (1, 2)])
def test_ghost_batch_norm_trains_the_mix_branch(images, virtual):
    """Its virtual batches may be a single pooled image."""
    backbone = GGhostRegNet(
        "regnetx_200mf",
        norm_eval=False,
        norm_cfg=dict(type="GhostBN", virtual_batch_size=virtual),
    )
    maps = backbone.train()(torch.rand(images, 3, 64, 64))
    sum(features.sum() for features in maps).backward()
    assert all(p.grad.isfinite().all() for p in backbone.parameters())
