"""Without concatenation, Ghost bottlenecks compute the same maps."""

import pytest
import torch
from mmcv.cnn import ConvModule
from support.running_tools import run_here
from torch.utils._python_dispatch import TorchDispatchMode

from ghostnet_mm.backbones import GhostNet, GhostNetV2, GhostNetV3, RepGhostNet
from ghostnet_mm.errors import OptionError
from ghostnet_mm.export import concat_free_choice, concat_free_timing
from ghostnet_mm.export.concat_free_choice import choose_concat_free
from ghostnet_mm.export.concat_free_timing import PairTiming
from ghostnet_mm.fusion.concat_free import (
    ConcatFreeBottleneck,
    concat_free,
    splittable_blocks,
)
from ghostnet_mm.fusion.deploy_form import deploy_form
from ghostnet_mm.layers.ghost_bottleneck import GhostBottleneck
from ghostnet_mm.measuring.latency import Gain
from ghostnet_mm.necks import GhostPAN

FAMILIES = [GhostNet, GhostNetV2, GhostNetV3]


def randomized(model, randomize_norms):
    """Give biases that a wrong split cannot miss, too."""
    for parameter in model.parameters():
        if parameter.dim() == 1:
            parameter.data.normal_(0, 0.3)
    return randomize_norms(model)


def maps_of(model, x):
    with torch.no_grad():
        return model(x)


class JoinedChannels(TorchDispatchMode):
    """Notes the channels of every concatenated map that is larger than a pixel."""

    def __init__(self):
        super().__init__()
        self.channels = []

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        result = func(*args, **(kwargs or {}))
        if func is torch.ops.aten.cat.default and result.shape[-1] > 1:
            self.channels.append(result.shape[1])
        return result


@pytest.mark.parametrize(
    ("family", "kwargs"),
    [
        # The depthwise convolutions that took the place of a stride stay.
        *((family, dict(widen_factor=0.5, output_stride=16)) for family in FAMILIES),
        (GhostNet, dict(widen_factor=1.0)),
        (GhostNet, dict(widen_factor=0.3, cheap_kernel_size=5)),
        (GhostNetV2, dict(widen_factor=0.5, act_cfg=dict(type="PReLU"))),
    ],
)
def test_every_block_computes_the_same(family, kwargs, randomize_norms):
    backbone = randomized(family(**kwargs), randomize_norms).double().eval()
    image = torch.rand(2, 3, 97, 130, dtype=torch.float64)
    deployed = deploy_form(backbone)
    before = {key: value.clone() for key, value in deployed.state_dict().items()}
    rewritten = concat_free(deployed)
    wanted = maps_of(deployed, image)
    for mine, other in zip(maps_of(rewritten, image), wanted, strict=True):
        torch.testing.assert_close(mine, other, rtol=1e-9, atol=1e-9)
    kinds = [type(block) for group in rewritten.blocks for block in group]
    assert set(kinds) == {ConcatFreeBottleneck}
    after = deployed.state_dict()
    assert all(torch.equal(after[key], value) for key, value in before.items())
    assert list(after) == list(before)


@pytest.mark.parametrize("family", FAMILIES)
def test_single_precision_stays_exact(family, randomize_norms):
    deployed = deploy_form(randomized(family(widen_factor=0.5), randomize_norms))
    image = torch.rand(1, 3, 95, 64)
    rewritten = concat_free(deployed)
    for mine, other in zip(
        maps_of(rewritten, image), maps_of(deployed, image), strict=True
    ):
        bound = 1e-5 * other.abs().max().item()
        assert (mine - other).abs().max().item() <= bound


@pytest.mark.parametrize("family", FAMILIES)
def test_the_widest_map_is_never_joined(family):
    deployed = deploy_form(family(widen_factor=0.5))
    image = torch.rand(1, 3, 96, 96)
    outputs = [
        block.ghost2.out_channels for group in deployed.blocks for block in group
    ]
    with JoinedChannels() as before:
        maps_of(deployed, image)
    with JoinedChannels() as after:
        maps_of(concat_free(deployed), image)
    assert len(before.channels) == 2 * len(outputs)
    assert after.channels == outputs


def test_a_trimmed_map_stays_joined(randomize_norms):
    """With 3 maps for 2 channels the last is dropped: no plain split equals that."""
    backbone = randomized(GhostNet(widen_factor=0.5, ratio=3), randomize_norms)
    deployed = deploy_form(backbone)
    names = splittable_blocks(deployed)
    blocks = [
        module for module in deployed.modules() if isinstance(module, GhostBottleneck)
    ]
    assert 0 < len(names) < len(blocks)
    image = torch.rand(1, 3, 64, 64)
    for mine, other in zip(
        maps_of(concat_free(deployed), image), maps_of(deployed, image), strict=True
    ):
        torch.testing.assert_close(mine, other, rtol=1e-4, atol=1e-5)


def test_only_the_named_blocks_are_rewritten():
    deployed = deploy_form(GhostNet(widen_factor=0.5))
    rewritten = concat_free(deployed, ["blocks.3.0"])
    found = [
        name
        for name, module in rewritten.named_modules()
        if isinstance(module, ConcatFreeBottleneck)
    ]
    assert found == ["blocks.3.0"]
    assert concat_free(deployed, []).state_dict().keys() == deployed.state_dict().keys()
    with pytest.raises(OptionError, match=r"no block blocks\.3\.9 .* blocks\.0\.0,"):
        concat_free(deployed, ["blocks.3.9"])


def test_a_neck_of_ghost_bottlenecks(randomize_norms):
    neck = randomized(GhostPAN([8, 12], out_channels=16), randomize_norms).eval()
    maps = [torch.rand(1, 8, 15, 9), torch.rand(1, 12, 8, 5)]
    rewritten = concat_free(deploy_form(neck, run=lambda net: net(maps)))
    for mine, other in zip(maps_of(rewritten, maps), maps_of(neck, maps), strict=True):
        torch.testing.assert_close(mine, other, rtol=1e-4, atol=1e-5)


def test_impossible_models_are_refused():
    with pytest.raises(OptionError, match="this model has BatchNorm2d"):
        concat_free(GhostNet(widen_factor=0.5))
    norm_cfg = dict(type="GN", num_groups=2)
    with pytest.raises(OptionError, match="this model has GroupNorm"):
        concat_free(deploy_form(GhostNet(widen_factor=0.5, norm_cfg=norm_cfg)))
    with pytest.raises(OptionError, match="RepGhostNet has no Ghost bottleneck"):
        concat_free(deploy_form(RepGhostNet(widen_factor=0.5)))
    with pytest.raises(OptionError, match="ConvModule has no Ghost bottleneck"):
        concat_free(ConvModule(3, 3, 1))
    conv_cfg = dict(type="Conv2dAdaptivePadding")
    padded = deploy_form(GhostNet(widen_factor=0.5, conv_cfg=conv_cfg))
    with pytest.raises(OptionError, match="has Conv2dAdaptivePadding"):
        concat_free(padded)


@pytest.fixture(scope="module")
def shallow():
    return deploy_form(GhostNetV2(widen_factor=0.5, out_indices=(0,)))


@pytest.mark.parametrize("runtime", concat_free_timing.RUNTIMES)
def test_every_runtime_computes_what_is_timed(runtime, shallow):
    """Catches a runtime fed with another map, or computing in half precision."""
    pytest.importorskip(runtime)
    image = torch.rand(1, 3, 65, 41)
    inputs = concat_free_timing.block_inputs(shallow, image)
    assert list(inputs) == ["blocks.0.0", "blocks.1.0", "blocks.2.0"]
    x = inputs["blocks.2.0"]
    block = concat_free(shallow).get_submodule("blocks.2.0")
    found = concat_free_timing.runner(block, x, runtime, 1)()
    found = torch.as_tensor(found[0]) if runtime != "torch" else found
    wanted = maps_of(shallow.get_submodule("blocks.2.0"), x)
    torch.testing.assert_close(found, wanted, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(wanted, maps_of(shallow, image)[0])


def test_only_blocks_measured_faster_are_kept(monkeypatch, shallow):
    gains = iter([Gain(1.0, 0.9, 1.1), Gain(1.5, 1.2, 1.6), Gain(0.9, 0.8, 1.3)])
    monkeypatch.setattr(concat_free_timing, "paired_ratios", lambda *_: next(gains))
    image = torch.rand(1, 3, 32, 32)
    choice = choose_concat_free(shallow, image, "measured", ["onnx"], 1, 1)
    assert choice.rewritten == ["blocks.1.0"]


LOWEST_GAINS = {
    "onnxruntime": {"blocks.0.0": 1.02, "blocks.1.0": 1.0, "blocks.2.0": 1.1},
    "openvino": {"blocks.0.0": 0.9, "blocks.1.0": 1.2, "blocks.2.0": 1.01},
}


@pytest.mark.parametrize(
    ("formats", "runtimes", "rewritten"),
    [
        # Three of four rounds faster; exactly as fast is not.
        (["onnx", "onnx-nms"], ["onnxruntime"], ["blocks.0.0", "blocks.2.0"]),
        (["openvino"], ["openvino"], ["blocks.1.0", "blocks.2.0"]),
        # One network for all files: faster in both.
        (["onnx", "openvino"], ["onnxruntime", "openvino"], ["blocks.2.0"]),
        # ONNX Runtime stands for runtimes that are not timed.
        (["ncnn"], ["onnxruntime"], ["blocks.0.0", "blocks.2.0"]),
    ],
)
def test_the_runtimes_of_the_formats_choose(
    monkeypatch, capsys, shallow, formats, runtimes, rewritten
):
    asked = []

    def time_blocks(graph, image, runtime, rounds, threads):
        asked.append((runtime, tuple(image.shape), rounds, threads))
        for name, low in LOWEST_GAINS[runtime].items():
            gain = Gain(low + 0.05, low, low + 0.25)
            yield PairTiming(name, (), runtime, 2.0, 1.0, gain)

    monkeypatch.setattr(concat_free_choice, "time_blocks", time_blocks)
    image = torch.rand(1, 3, 32, 64)
    choice = choose_concat_free(shallow, image, "measured", formats, 7, 2)
    assert asked == [(runtime, (1, 3, 32, 64), 7, 2) for runtime in runtimes]
    assert choice.rewritten == rewritten
    assert [block.name for block in choice.blocks] == list(splittable_blocks(shallow))
    assert choice.blocks[2].gains[runtimes[-1]].low in (1.1, 1.01)
    assert f"at 32x64 found it faster without concatenation in {runtimes[0]}" in (
        choice.rule
    )
    told = capsys.readouterr().out
    assert f"{len(rewritten)} of 3 blocks rewritten" in told
    for name in LOWEST_GAINS[runtimes[0]]:
        assert (f"  {name}, " in told) == (name in rewritten)
    if formats == ["openvino"]:
        assert "blocks.1.0, 1.25 times as fast in openvino (1.20 to 1.45)" in told


def test_all_or_none_without_timing(monkeypatch, shallow):
    monkeypatch.setattr(concat_free_choice, "time_blocks", None)
    image = torch.rand(1, 3, 32, 32)
    assert choose_concat_free(shallow, image, "none", ["onnx"], 0, None) is None
    choice = choose_concat_free(shallow, image, "all", ["onnx"], 0, None)
    assert choice.rewritten == list(splittable_blocks(shallow))


def test_impossible_choices_are_refused(shallow):
    image = torch.rand(1, 3, 32, 32)
    with pytest.raises(OptionError, match="--concat-free some is unknown"):
        choose_concat_free(shallow, image, "some", ["onnx"], 1, 1)
    with pytest.raises(OptionError, match="--latency-rounds of 1 or more"):
        choose_concat_free(shallow, image, "measured", ["onnx"], 0, 1)
    other = deploy_form(RepGhostNet(widen_factor=0.5))
    with pytest.raises(OptionError, match="leave the option out"):
        choose_concat_free(other, image, "all", ["onnx"], 1, 1)


@pytest.mark.parametrize("runtime", ["onnxruntime", "openvino"])
def test_a_runtime_chooses_its_threads_by_default(runtime, shallow):
    pytest.importorskip(runtime)
    x = torch.rand(1, 8, 9, 7)
    block = shallow.get_submodule("blocks.0.0")
    found = concat_free_timing.runner(block, x, runtime, None)()[0]
    torch.testing.assert_close(torch.as_tensor(found), maps_of(block, x))


def test_the_table_of_the_tool(tmp_path):
    told = run_here(
        "benchmark_concat_free",
        *("--width", 0.3, "--size", 32, "--rounds", 1, "--threads", 1),
        *("--runtimes", "torch"),
        cwd=tmp_path,
    )
    assert told.returncode == 0, told.stderr
    lines = told.stdout.splitlines()
    assert lines[0].startswith("GhostNet 0.3x, 32 px, 1 threads, 1 rounds")
    rows = [line for line in lines if line.startswith("| blocks.")]
    assert len(rows) == 16
    assert rows[1].startswith("| blocks.1.0")
    assert any(line.startswith("| whole network, all blocks") for line in lines)
    assert any(line.startswith("torch: ") for line in lines)
    refused = run_here("benchmark_concat_free", "--rounds", 0, cwd=tmp_path)
    assert refused.returncode == 2
