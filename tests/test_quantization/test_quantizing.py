"""INT8 files: what is in them, which layers they spare, and how layers are ranked."""

import base64
import dataclasses
import json
import re
import sys

import numpy as np
import onnx
import pytest
import torch
from mmdet.registry import MODELS
from support.random_norms import randomize_norms
from support.running_tools import ROOT
from torch import nn

from ghostnet_mm.configuration import Options, load_config
from ghostnet_mm.engine.inference.detection import TrainedDetector
from ghostnet_mm.errors import OptionError
from ghostnet_mm.export.card.deploy_card import Latency
from ghostnet_mm.export.description import describe
from ghostnet_mm.export.exported_models import open_exported
from ghostnet_mm.export.formats.base import ExportJob
from ghostnet_mm.export.formats.onnx.format import OnnxFormat
from ghostnet_mm.export.graph.detection_graph import DetectionGraph
from ghostnet_mm.measuring.latency import Gain
from ghostnet_mm.measuring.machine import has_vnni
from ghostnet_mm.quantization import quantizing
from ghostnet_mm.quantization.kernel_times import KernelTime, kernel_times
from ghostnet_mm.quantization.mixed_precision import keep_worst_in_float, layer_choices
from ghostnet_mm.quantization.onnx_layers import (
    chosen_names,
    conv_layers,
    network_nodes,
)
from ghostnet_mm.quantization.output_error import OutputError, output_error
from ghostnet_mm.quantization.quantizing import quantize_detector
from ghostnet_mm.quantization.report import (
    QuantizationReport,
    steps_table,
    whole_parts,
)
from ghostnet_mm.quantization.request import Goal, QuantizationRequest
from ghostnet_mm.quantization.runtime_steps import FloatSources
from ghostnet_mm.quantization.runtimes import onnx_quantizer, registry
from ghostnet_mm.quantization.runtimes.onnx_quantizer import OnnxQuantizer
from ghostnet_mm.quantization.runtimes.openvino_quantizer import OpenvinoQuantizer
from ghostnet_mm.quantization.runtimes.registry import check_runtimes, usable_methods
from ghostnet_mm.quantization.sensitivity import BlockSensitivity, block_sensitivities
from ghostnet_mm.quantization.steps import Step

SIZE = (96, 96)
SMALL = {
    "model.neck.out_channels": 32,
    "model.bbox_head.in_channels": 32,
    "model.bbox_head.feat_channels": 32,
    "model.bbox_head.stacked_convs": 1,
}
# A block that a test sabotages.
SABOTAGED = "backbone.blocks.4.0"


def pictures(count=4):
    generator = np.random.default_rng(0)
    return [
        generator.standard_normal((1, 3, *SIZE), dtype=np.float32) for _ in range(count)
    ]


@pytest.fixture(scope="module", name="exported")
def exported_fixture(tmp_path_factory):
    """A small detector in float: the graph, its description, its ONNX file."""
    config = ROOT / "configs" / "retinanet_ghostnet_digits.py"
    options = Options(backbone_weights="none", cfg_options=SMALL)
    cfg = load_config(config, options, training=False)
    torch.manual_seed(0)
    model = randomize_norms(MODELS.build(cfg.model).eval())
    for layer in model.bbox_head.modules():
        if isinstance(layer, nn.Conv2d):
            nn.init.normal_(layer.weight, std=layer.weight[0].numel() ** -0.5)
    graph = DetectionGraph(model)
    description = describe(cfg, graph, list("0123456789"), size=SIZE)
    path = tmp_path_factory.mktemp("float") / "float.onnx"
    OnnxFormat().write(ExportJob(graph, description, path))
    return graph, description, path


@pytest.fixture(scope="module", name="quantizer")
def quantizer_fixture(exported):
    return OnnxQuantizer(exported[2], pictures())


def int8_convs(path):
    """Name the convolutions with INT8 weights; they read INT8 too."""
    model = onnx.load(path)
    makers = {out: node for node in model.graph.node for out in node.output}
    names = set()
    for node in model.graph.node:
        if node.op_type == "Conv" and node.input[1] in makers:
            assert makers[node.input[0]].op_type == "DequantizeLinear"
            weight = makers[node.input[1]].input[0]
            names.add(weight.removeprefix("network.").partition(".weight")[0])
    return names


def outputs(path, images):
    model = open_exported(path, threads=1)
    return [model.run(image) for image in images]


def test_file_opens_with_its_description(exported, quantizer, tmp_path):
    """Catches metadata that onnxruntime drops, and a graph that it cannot run."""
    path = quantizer.write_int8(tmp_path / "int8.onnx")
    assert open_exported(path).description == exported[1]
    assert path.stat().st_size < 0.6 * exported[2].stat().st_size
    error = output_error(outputs(exported[2], pictures()), outputs(path, pictures()))
    assert 0 < error.total < 0.5
    assert [file.name for file in tmp_path.iterdir()] == ["int8.onnx"]


def test_decoding_stays_in_float(exported, quantizer):
    """Catches INT8 in what makes boxes and probabilities of the last convolutions."""
    model = onnx.load(exported[2])
    network = network_nodes(model)
    decoding = {n.op_type for n in model.graph.node if n.name not in network}
    assert {"Sigmoid", "Exp", "Reshape"} <= decoding
    assert "Conv" not in decoding
    nodes = quantizer.plain_nodes()
    assert nodes <= network
    # Resize and Add of the pyramid are of the network.
    kinds = {n.op_type for n in model.graph.node if n.name in nodes}
    assert {"Conv", "Concat", "Resize", "Add"} <= kinds


@pytest.mark.parametrize("vnni", [True, False])
def test_weights_do_not_saturate_where_the_processor_lacks_vnni(
    exported, vnni, monkeypatch, tmp_path
):
    """Catches signed weights on AVX2, where they triple the error."""
    monkeypatch.setattr(onnx_quantizer, "has_vnni", lambda: vnni)
    path = OnnxQuantizer(exported[2], pictures()).write_int8(tmp_path / "int8.onnx")
    kinds = {
        tensor.data_type
        for tensor in onnx.load(path).graph.initializer
        if tensor.name.endswith(".weight_quantized")
    }
    signed, unsigned = onnx.TensorProto.INT8, onnx.TensorProto.UINT8
    assert kinds == {signed if vnni else unsigned}
    if vnni <= has_vnni():
        expected = outputs(exported[2], pictures())
        assert output_error(expected, outputs(path, pictures())).total < 0.15


def test_vnni_is_read_from_what_linux_lists(tmp_path, monkeypatch):
    monkeypatch.setattr("platform.machine", lambda: "x86_64")
    listed = tmp_path / "cpuinfo"
    for flags, expected in (("fma avx2", False), ("avx2 avx512_vnni", True)):
        listed.write_text(f"model name : x\nflags : {flags}\n")
        assert has_vnni(listed) is expected
    assert has_vnni(tmp_path / "none")
    monkeypatch.setattr("platform.machine", lambda: "aarch64")
    listed.write_text("Features : asimd\n")
    assert has_vnni(listed)


def test_named_layers_stay_in_float(quantizer, tmp_path):
    """Catches names that fit nothing, and layers that are quantized all the same."""
    spared = chosen_names(quantizer.layers, ["backbone.blocks.1.0", "bbox_head"])
    assert "backbone.blocks.1.0.conv_dw" in spared
    assert not [name for name in spared if name.startswith("backbone.blocks.0")]
    path = quantizer.write_int8(tmp_path / "int8.onnx", spared)
    everything = {layer.name for layer in quantizer.layers}
    assert int8_convs(path) == everything - spared


def test_no_lone_operation_becomes_int8(quantizer):
    """Catches conversions to and fro for an addition between layers in float."""
    backbone = layer_choices(quantizer.layers)["backbone float"]
    nodes = quantizer.nodes(backbone)
    kinds = [n.op_type for n in quantizer.model.graph.node if n.name in nodes]
    # The backbone's concats and additions are not among them.
    assert kinds.count("Concat") == 0
    assert kinds.count("Add") == kinds.count("Resize") == 1


def test_weights_have_a_scale_for_each_channel(quantizer, tmp_path):
    def scales(step):
        path = quantizer.write_plain(tmp_path / f"{step}.onnx", step, "minmax")
        stored = {tensor.name: tensor for tensor in onnx.load(path).graph.initializer}
        name = next(n for n in stored if n.endswith("conv_stem.weight_scale"))
        return list(stored[name].dims)

    plain, per_channel = quantizer.plain_steps
    assert scales(per_channel) == [8]
    assert scales(plain) in ([], [1])


def test_calibration_changes_the_ranges(exported, quantizer, tmp_path):
    """Catches a cache of ranges that is taken for every method."""
    expected = outputs(exported[2], pictures())
    errors = {
        method: output_error(
            expected,
            outputs(
                quantizer.write_int8(tmp_path / f"{method}.onnx", method=method),
                pictures(),
            ),
        ).total
        for method in ("minmax", "percentile")
    }
    assert errors["minmax"] != errors["percentile"]


@pytest.fixture(scope="module", name="sabotaged")
def sabotaged_fixture(exported, tmp_path_factory):
    """One channel 1000 times as large, undone by who reads it: equal in float."""
    model = onnx.load(exported[2])
    stored = {tensor.name: tensor for tensor in model.graph.initializer}
    prefix = f"network.{SABOTAGED}"

    def change(name, factor, at):
        values = onnx.numpy_helper.to_array(stored[name]).copy()
        values[at] *= factor
        stored[name].CopyFrom(onnx.numpy_helper.from_array(values, name))

    for part in ("weight", "bias"):
        change(f"{prefix}.ghost1.cheap_operation.0.{part}", 1000, 3)
    half = stored[f"{prefix}.ghost1.primary_conv.0.weight"].dims[0]
    column = (slice(None), half + 3)
    change(f"{prefix}.se.conv_reduce.weight", 1e-3, column)
    change(f"{prefix}.ghost2.primary_conv.0.weight", 1e-3, column)
    path = tmp_path_factory.mktemp("sabotaged") / "float.onnx"
    onnx.save(model, path)
    return path


def test_sabotaged_block_is_the_most_sensitive(exported, sabotaged):
    """Catches a ranking upside down, and one that quantizes all but the block."""
    images = pictures()
    expected = outputs(exported[2], images)
    found = outputs(sabotaged, images)
    np.testing.assert_allclose(
        found[0]["scores"], expected[0]["scores"], rtol=1e-3, atol=1e-4
    )
    ranking = block_sensitivities(
        OnnxQuantizer(sabotaged, images), images[:2], expected[:2], threads=1
    )
    assert ranking[0].block == SABOTAGED
    assert ranking[0].error.total > 1.5 * ranking[1].error.total
    assert f"{SABOTAGED}.ghost1.cheap_operation.0" in ranking[0].layers
    named = [name for block in ranking for name in block.layers]
    assert sorted(named) == sorted(
        layer.name for layer in conv_layers(onnx.load(sabotaged))
    )


@pytest.mark.parametrize("is_int8", [False, True])
def test_kernels_are_counted_by_kind(exported, quantizer, tmp_path, is_int8):
    """Catches weights taken for inputs, and passes that are added up."""
    path = exported[2]
    if is_int8:
        path = quantizer.write_int8(tmp_path / "int8.onnx")
    found = {
        kernels.kind: kernels
        for kernels in kernel_times(path, {"image": pictures(1)[0]}, 2, threads=1)
    }
    layers = conv_layers(onnx.load(exported[2]))
    depthwise = sum(layer.is_depthwise for layer in layers)
    counts = {
        kind: sum(kernels.count for kernels in found.values() if wanted(kernels.kind))
        for kind, wanted in {
            "depthwise": lambda kind: "depthwise" in kind,
            "all": lambda kind: "Conv" in kind,
        }.items()
    }
    assert counts == {"depthwise": depthwise, "all": len(layers)}
    with pytest.raises(OptionError, match="cannot be profiled"):
        kernel_times("model.ncnn.param", {})


def ranking(*errors):
    return [
        BlockSensitivity(f"b{i}", (f"b{i}.a", f"b{i}.b"), OutputError(e, 0.0, 1.0))
        for i, e in enumerate(errors)
    ]


def test_worst_blocks_are_kept_until_the_goal_is_met():
    """Catches a search that starts from the best, skips one, or goes on for ever."""
    found = keep_worst_in_float(
        ranking(3, 2, 1, 0.5),
        measure=lambda layers: layers,
        meets_goal=lambda layers: "b2.a" in layers,
        start=frozenset({"b0.a", "b0.b", "b1.a"}),
    )
    kept, layers = found
    assert kept == ["b1", "b2"]
    assert layers == {f"b{i}.{j}" for i in range(3) for j in "ab"}


def test_search_keeps_something_in_int8():
    found = keep_worst_in_float(
        ranking(3, 2, 1), measure=lambda layers: layers, meets_goal=lambda _: False
    )
    kept, layers = found
    assert kept == ["b0", "b1"]
    assert layers == {"b0.a", "b0.b", "b1.a", "b1.b"}


def test_nothing_is_kept_where_the_goal_is_met():
    found = keep_worst_in_float(
        ranking(3, 2), measure=len, meets_goal=lambda trial: trial == 0
    )
    assert found == ([], 0)


def test_output_error_counts_what_is_lost_and_what_appears():
    """Catches an error over the candidates of one network only."""
    boxes = np.tile(np.float32([0, 0, 10, 10]), (1, 300, 1))
    scores = np.zeros((1, 300, 2), np.float32)
    scores[0, :100, 0] = 0.5
    mine = {"boxes": boxes, "scores": scores}
    other = {"boxes": boxes, "scores": scores.copy()}
    other["scores"][0, 200, 1] = 1
    for pair in ((mine, other), (other, mine)):
        error = output_error([pair[0]], [pair[1]])
        assert error.score == pytest.approx(1 / 101)
        assert error.overlap == 0
    shifted = {"boxes": boxes + np.float32([5, 0, 5, 0]), "scores": scores}
    assert output_error([mine], [shifted]).overlap == pytest.approx(2 / 3)
    assert output_error([mine], [mine]).total == 0
    flat = {"boxes": boxes * np.float32([1, 1, 0, 1]), "scores": scores}
    assert output_error([flat], [flat]).total == 0
    assert output_error([mine], [flat]).overlap == 1
    broken = {"boxes": boxes, "scores": scores * np.nan}
    assert output_error([mine], [broken]).score == 1


def test_openvino_file_opens_with_its_description(exported, tmp_path):
    """Catches NNCF reaching the decoding, and named layers that it quantizes."""
    pytest.importorskip("openvino")
    pytest.importorskip("nncf")
    quantizer = OpenvinoQuantizer(exported[2], pictures(2))
    spared = chosen_names(quantizer.layers, ["backbone.blocks.1.0"])
    path = quantizer.write_int8(tmp_path / "int8.xml", spared)
    model = open_exported(path, threads=1)
    assert model.description == exported[1]
    expected = outputs(exported[2], pictures())
    error = output_error(expected, outputs(path, pictures()))
    assert 0 < error.total < 0.5
    text = path.read_text()
    assert sorted(file.suffix for file in tmp_path.iterdir()) == [".bin", ".xml"]
    # The names of its FakeQuantize operations tell whose weights they quantize.
    # One stands for all levels that share the weights.
    quantized = {
        layer.name
        for layer in quantizer.layers
        if f'name="{layer.node}/WithoutBiases/fq_weights_1"' in text
    }
    assert quantized == {layer.name for layer in quantizer.layers} - spared


def test_impossible_settings(exported, quantizer, tmp_path, monkeypatch):
    with pytest.raises(OptionError, match="no pictures to calibrate"):
        OnnxQuantizer(exported[2], [])
    with pytest.raises(OptionError, match="--calibration median is unknown"):
        usable_methods("openvino", ["minmax", "median"])
    assert usable_methods("openvino", ["entropy"]) == ("minmax",)
    assert usable_methods("onnxruntime", ["entropy"]) == ("entropy",)
    for write in (quantizer.write_int8, quantizer.write_plain):
        with pytest.raises(OptionError, match="median is not possible here"):
            write(tmp_path / "a.onnx", (), "median")
    with pytest.raises(OptionError, match=r"no layer blocks\.9"):
        quantizer.write_int8(tmp_path / "a.onnx", {"blocks.9"})
    everything = {layer.name for layer in quantizer.layers}
    with pytest.raises(OptionError, match="nothing to quantize"):
        quantizer.write_int8(tmp_path / "a.onnx", everything)
    with pytest.raises(OptionError, match=r"--float blocks\.9 names no"):
        chosen_names(quantizer.layers, ["blocks.9"])
    with pytest.raises(OptionError, match=r"name a \.onnx file"):
        quantizer.write_int8(tmp_path / "a.xml")
    already = quantizer.write_int8(tmp_path / "int8.onnx")
    with pytest.raises(OptionError, match="no convolution in float"):
        OnnxQuantizer(already, pictures())
    with pytest.raises(OptionError, match="--runtimes tensorrt is unknown"):
        check_runtimes(["tensorrt"])
    monkeypatch.setitem(sys.modules, "nncf", None)
    with pytest.raises(OptionError, match=r"ghostnet_mm\[quantization\]"):
        check_runtimes(["openvino"])


@pytest.fixture(scope="module", name="request_and_detector")
def request_fixture():
    config = ROOT / "configs" / "retinanet_ghostnet_digits.py"
    options = Options(backbone_weights="none", cfg_options=SMALL)
    cfg = load_config(config, options, training=False)
    torch.manual_seed(0)
    model = randomize_norms(MODELS.build(cfg.model).eval())
    model.cfg = cfg
    detector = TrainedDetector(model, tuple("0123456789"), None)
    generator = np.random.default_rng(1)
    request = QuantizationRequest(
        [generator.integers(0, 255, (90, 96, 3), np.uint8) for _ in range(2)],
        runtimes=("onnxruntime",),
        goal=Goal(error=1e-9, times_faster=0),
        size=SIZE,
        float_names=["backbone"],
        ranking_pictures=1,
        rounds=1,
        threads=1,
    )
    return request, detector


def test_whole_run_writes_file_and_report(request_and_detector, tmp_path):
    """Catches a result that is not the last step's file, and steps that are lost."""
    request, detector = request_and_detector
    report = quantize_detector(detector, tmp_path / "out", "digits", request)
    names = [step.name for step in report.steps]
    assert names == [
        "FP32", "plain", "per-channel weights", "percentile ranges", "equalized",
        "fastest layers", "mixed precision",
    ]  # fmt: skip
    assert report.steps[0].error.total == 0
    assert report.steps[0].times_faster == Gain(1, 1, 1)
    # An impossible goal: all but the least sensitive block of neck and head in float.
    assert "below the goal" in report.missed["onnxruntime"]
    path = tmp_path / "out" / report.files["onnxruntime"]
    last = report.steps[-1]
    assert int8_convs(path) == {
        name for block in report.sensitivities for name in block.layers
    } - set(last.float_layers)
    assert open_exported(path).description.name == "digits"
    assert sorted(file.name for file in path.parent.iterdir()) == [
        "digits.int8.onnx", "quantization.html", "quantization.json",
        "quantization.md",
    ]  # fmt: skip
    empty = dataclasses.replace(request, calibration=[])
    with pytest.raises(OptionError, match="no pictures to calibrate"):
        quantize_detector(detector, tmp_path / "other", "digits", empty)
    assert not (tmp_path / "other").exists()


def test_whole_run_for_ncnn(request_and_detector, tmp_path):
    """Catches one of its three files left behind, and names that dots cut short."""
    pytest.importorskip("ncnn")
    pytest.importorskip("pnnx")
    request, detector = request_and_detector
    request = dataclasses.replace(
        request, runtimes=("ncnn",), goal=Goal(error=1), float_names=()
    )
    report = quantize_detector(detector, tmp_path / "out", "digits-1.1x", request)
    assert [step.name for step in report.steps] == [
        "FP32", "plain", "percentile ranges", "equalized", "fastest layers",
    ]  # fmt: skip
    exact, *others = report.steps
    assert exact.error.total < 1e-3
    assert all(0 < step.error.total < 0.5 for step in others)
    assert all(step.megabytes < 0.9 * exact.megabytes for step in others)
    assert "ncnn" not in report.kernels
    assert sorted(file.name for file in (tmp_path / "out").iterdir()) == [
        "digits-1.1x.int8.json", "digits-1.1x.int8.ncnn.bin",
        "digits-1.1x.int8.ncnn.param", "quantization.html", "quantization.json",
        "quantization.md",
    ]  # fmt: skip
    path = tmp_path / "out" / report.files["ncnn"]
    assert open_exported(path).description.name == "digits-1.1x"
    text = (path.parent / "quantization.md").read_text()
    assert re.search(r"^\| ncnn +\| plain +\|", text, re.MULTILINE)
    assert "unverified on ARM" in text


def test_an_interruption_leaves_what_was_measured(
    exported, request_and_detector, tmp_path, monkeypatch
):
    """Catches a report at the very end, and the first runtime's file lost."""
    request, detector = request_and_detector
    sources = FloatSources(exported[2], exported[2], pictures(2))
    monkeypatch.setattr(quantizing, "_sources", lambda *_: sources)
    monkeypatch.setattr(quantizing, "_ranking", lambda *_: ranking(0.5))
    request = dataclasses.replace(
        request, runtimes=("onnxruntime", "again"), goal=Goal(error=1), rounds=0
    )
    monkeypatch.setitem(registry.LIBRARIES, "again", {})
    writes, before = iter([True]), {}
    report = tmp_path / "out" / "quantization.json"

    class Interrupted(OnnxQuantizer):
        def write_plain(self, *arguments):
            if next(writes, None):
                return super().write_plain(*arguments)
            # A killed process leaves the same.
            before.update(json.loads(report.read_text()))
            raise KeyboardInterrupt

    monkeypatch.setitem(registry.QUANTIZERS, "again", Interrupted)
    with pytest.raises(KeyboardInterrupt):
        quantize_detector(detector, tmp_path / "out", "digits", request)
    stored = json.loads(report.read_text())
    assert stored["steps"] == before["steps"]
    steps = [(each["runtime"], each["name"]) for each in stored["steps"]]
    assert ("onnxruntime", "fastest layers") in steps
    assert steps[-2:] == [("again", "FP32"), ("again", "plain")]
    assert stored["files"] == {"onnxruntime": "digits.int8.onnx"}
    assert (tmp_path / "out" / "digits.int8.onnx").is_file()
    assert any(note.startswith("Interrupted") for note in stored["notes"])
    assert not [file for file in (tmp_path / "out").iterdir() if file.name[0] == "."]


def step(name, score, error=0.0, **changes):
    return Step(
        "onnxruntime", name, "", 1.0, {"bbox_mAP": score}, OutputError(error, 0, 30.0),
        changes.pop("float_layers", ()), **changes,
    )  # fmt: skip


def test_goal_is_in_points_of_map():
    """Catches fractions taken for points, and gains taken for losses."""

    def met(score, error=1.0):
        exact, found = {"bbox_mAP": 0.525}, {"bbox_mAP": score}
        return Goal(1.0).is_met(exact, found, OutputError(error, 0, None))

    assert met(0.515)
    assert not met(0.514, error=0.0)
    assert met(0.9)
    for error, expected in ((0.04, True), (0.06, False)):
        found = OutputError(error, 0, 1)
        assert Goal(error=0.05).is_met({}, {}, found) == expected


def test_float_layers_are_told_in_short():
    """Catches a part that is told although one of its layers is INT8."""
    names = ["backbone.a.1", "backbone.a.2", "backbone.b", "head.c", "head.cd"]
    assert whole_parts(names[:3], names) == ["backbone"]
    assert whole_parts(["backbone.a.1", "head.c"], names) == ["backbone.a.1", "head.c"]
    assert whole_parts(names[:2], names) == ["backbone.a"]
    assert whole_parts([], names) == []


def test_report_tells_every_step(tmp_path):
    latency = Latency(2.0, 3.0, 5)
    report = QuantizationReport(
        {"name": "<digits>"}, {"threads": 1}, {"scored": 3}, Goal(),
        [
            step("FP32", 0.525, latency=latency, times_faster=Gain(1.0, 1.0, 1.0)),
            step("plain", 0.5, 0.1, latency=latency, times_faster=Gain(1.6, 1.5, 1.7)),
            step("mixed precision", 0.52, 0.05, float_layers=("conv_stem",)),
        ],
        [
            *ranking(0.5),
            BlockSensitivity("stem", ("conv_stem",), OutputError(0.1, 0, None)),
        ], {"onnxruntime": {"all INT8": 7.0}},
        {"onnxruntime": {"FP32": [KernelTime("Conv", 50.0, 2)], "plain": []}},
        {"onnxruntime": "a.onnx"},
        {"onnxruntime": "onnxruntime: too slow."},
        ["Only on x86."],
    )  # fmt: skip
    plain, mixed = steps_table(report).rows[1:]
    assert plain == (
        *("onnxruntime", "plain", "1.00", "0.500", "2.5", "0.1000", "2.00 / 3.00"),
        *("1.60 (1.50 to 1.70)", "-"),
    )
    assert mixed[-3:] == ("-", "-", "1")
    report.write(tmp_path)
    text = (tmp_path / "quantization.md").read_text()
    assert re.search(r"\| us \(kernels\) +\| +FP32 +\| +plain +\|", text)
    assert re.search(r"\| Conv +\| +50 \(2\) +\| +- +\|", text)
    told = (
        *("- onnxruntime: conv_stem", "all INT8: 7.00 ms", "too slow", "| b0 "),
        *("Goal: mAP within 1 points", "- Only on x86.", "INT8: <digits>"),
    )
    for part in told:
        assert part in text
    page = (tmp_path / "quantization.html").read_text()
    assert "INT8: &lt;digits&gt;" in page
    assert "1.60 (1.50 to 1.70)" in page
    assert '<p class="bad">Goal missed. onnxruntime: too slow.</p>' in page
    (address,) = re.findall(r'src="data:image/svg\+xml;base64,([^"]+)"', page)
    chart = base64.b64decode(address).decode()
    # What was not timed has no place in it.
    for words, count in {
        "FP32": 1,
        "plain": 1,
        "goal": 1,
        "mixed precision": 0,
    }.items():
        assert chart.count(f">{words}<") == count
    assert "bbox_mAP" in chart

    def refuse(constant):
        raise AssertionError(f"{constant} is not JSON")

    stored = json.loads(
        (tmp_path / "quantization.json").read_text(), parse_constant=refuse
    )
    assert stored["format"] == "ghostnet_mm.quantization/2"
    assert stored["steps"][2]["float_layers"] == ["conv_stem"]
    assert stored["steps"][1]["times_faster"]["median"] == 1.6
