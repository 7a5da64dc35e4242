"""Time is charged to who takes it, and what is recommended was measured faster."""

import itertools
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from mmdet.models.layers import ChannelAttention, SELayer
from mmdet.registry import MODELS
from mmdet.utils import register_all_modules
from timm.layers import SEModule
from torch import nn
from torchvision.ops import SqueezeExcitation

from ghostnet_mm.benchmarking import (
    Benchmark,
    BenchmarkCandidate,
    BenchmarkSettings,
    eager,
)
from ghostnet_mm.benchmarking.measuring import BenchmarkRow
from ghostnet_mm.benchmarking.pictures import synthetic_picture
from ghostnet_mm.benchmarking.subjects import ScopedCandidate
from ghostnet_mm.configuration import Options, load_config
from ghostnet_mm.doctor import markdown, write_json, write_page
from ghostnet_mm.doctor import operator_kinds as kinds
from ghostnet_mm.doctor import timed_proposals as timed_module
from ghostnet_mm.doctor.ceilings import Ceilings, measure_ceilings
from ghostnet_mm.doctor.diagnosis import Diagnosis
from ghostnet_mm.doctor.eager_profile import OperatorClock, profile_eager
from ghostnet_mm.doctor.onnx_profile import BETWEEN, profile_onnx
from ghostnet_mm.doctor.part_labels import (
    DECODE,
    GATES,
    NMS,
    OTHER,
    PREPROCESSING,
    PartClock,
    labelled,
)
from ghostnet_mm.doctor.profile_tables import (
    Profile,
    Share,
    total_milliseconds,
    with_rest,
)
from ghostnet_mm.doctor.proposals import Proposal, propose
from ghostnet_mm.doctor.timed_proposals import (
    ORIGINAL,
    TimedProposal,
    time_proposals,
)
from ghostnet_mm.errors import OptionError
from ghostnet_mm.layers.squeeze_excite import SqueezeExcite
from ghostnet_mm.measuring.complexity import parts_of_detector
from ghostnet_mm.measuring.detector_complexity import detector_complexity
from ghostnet_mm.measuring.latency import Gain, Timing

SIZE = (64, 96)


@pytest.fixture(autouse=True)
def _registered():
    register_all_modules(init_default_scope=True)


@pytest.fixture(scope="module")
def digits(project_root):
    return str(project_root / "configs" / "retinanet_ghostnet_digits.py")


class Clock:
    """Moves only when told; with ``step`` by so much at each look."""

    def __init__(self, step=0.0):
        self.now, self.step = 0.0, step

    def __call__(self):
        self.now += self.step
        return self.now

    def works(self, seconds):
        self.now += seconds


def test_time_is_charged_to_the_innermost_part():
    clock = Clock()
    parts = PartClock(clock)
    clock.works(100)
    parts.start()
    clock.works(1)
    with parts.inside("a"):
        clock.works(2)
        with parts.inside("b", kind="gate"):
            clock.works(4)
            # A gate inside of a part stays in that part.
            with parts.inside(kind="other gate"):
                assert (parts.part, parts.kind) == ("b", "other gate")
                clock.works(8)
            assert parts.kind == "gate"
        assert parts.kind is None
        clock.works(16)
    clock.works(32)
    assert parts.stop() == {OTHER: 33, "a": 18, "b": 12}


class Slow(nn.Module):
    def __init__(self, clock, seconds):
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(1))
        self.clock, self.seconds = clock, seconds

    def forward(self, x):
        self.clock.works(self.seconds)
        return x

    def predict_by_feat(self, x):
        self.clock.works(1000)
        return self._bbox_post_process(x)

    def _bbox_post_process(self, x):
        self.clock.works(2000)
        return x


class Detector(nn.Module):
    def __init__(self, clock):
        super().__init__()
        self.data_preprocessor = Slow(clock, 1)
        self.backbone, self.bbox_head = Slow(clock, 10), Slow(clock, 100)

    def forward(self, x):
        x = self.backbone(self.data_preprocessor(x))
        # As mmdet calls some heads: past their hooks.
        return self.bbox_head.predict_by_feat(self.bbox_head.forward(x))


def test_parts_are_known_however_they_are_called_and_forgotten_after():
    clock = Clock()
    model, parts = Detector(clock), PartClock(clock)
    with labelled(model, parts):
        parts.start()
        model(torch.zeros(1))
        found = parts.stop()
    # The preprocessor has parameters here, and is told apart all the same.
    found = {name: seconds for name, seconds in found.items() if seconds}
    assert found.pop("backbone") == 10
    assert found.pop("bbox_head") == 100
    assert found.pop(DECODE) == 1000
    assert found.pop(NMS) == 2000
    assert found.popitem() == ("data_preprocessor", 1)
    assert not any("forward" in vars(module) for module in model.modules())
    assert "predict_by_feat" not in vars(model.bbox_head)


def test_gates_of_every_library_are_known_by_name():
    gates = (SELayer, ChannelAttention, SEModule, SqueezeExcitation, SqueezeExcite)
    assert {gate.__name__ for gate in gates} <= GATES


def test_operators_are_told_apart_and_counted():
    clock = Clock(step=1.0)
    operators = OperatorClock(PartClock(clock), clock)
    image = torch.rand(1, 8, 6, 6)
    dense, point, depth, grouped = (
        torch.rand(16, 8, 3, 3),
        torch.rand(16, 8, 1, 1),
        torch.rand(16, 1, 3, 3),
        torch.rand(16, 4, 1, 1),
    )
    with torch.no_grad(), operators:
        F.conv2d(image, dense)
        F.conv2d(image, point)
        F.conv2d(image, depth, groups=8)
        F.conv2d(image, grouped, groups=2)
        out = torch.cat((image, image), 1)
        F.relu_(out)
        out.view(-1).mean()
    found = operators.by_kind
    # One tick passes during each operator.
    assert found.seconds == {
        kinds.DENSE: 2,
        kinds.POINTWISE: 1,
        kinds.DEPTHWISE: 1,
        kinds.CONCAT: 1,
        kinds.ACTIVATION: 1,
        kinds.LAYOUT: 1,
        kinds.SQUEEZE: 1,
    }
    assert found.macs[kinds.DENSE] == 16 * 4 * 4 * 72 + 36 * 16 * 4
    assert found.macs[kinds.POINTWISE] == 36 * 16 * 8
    assert found.macs[kinds.DEPTHWISE] == 16 * 16 * 9
    assert found.macs[kinds.CONCAT] == 0
    # Float32, read and written; a view moves nothing.
    assert found.bytes_moved[kinds.CONCAT] == 4 * (2 * 288 + 576)
    assert found.bytes_moved[kinds.ACTIVATION] == 4 * 2 * 576
    assert found.bytes_moved[kinds.LAYOUT] == 0
    assert operators.by_part.seconds == {OTHER: 8}


@pytest.mark.parametrize("family", ["GhostNet", "GhostNetV3"])
def test_parts_and_operators_add_up(family, digits):
    # Training branches of V3 stand for convolutions without calling one.
    candidate = BenchmarkCandidate(
        "a", digits, cfg_options={"model.backbone.type": family}
    )
    detector = eager.load_eager(candidate, SIZE)
    # One tick per look at the clock: operators are few beside the looks at parts.
    profile = profile_eager(detector, [synthetic_picture(0, SIZE)], 1, Clock(1e-3))
    _, rows = detector_complexity(detector.cfg, SIZE, model=detector.model)
    expected = {row.name: row.macs for row in rows[:-1]}
    found = {part.name: part.macs for part in profile.parts}
    assert set(parts_of_detector(detector.model)) == set(expected)
    assert {name: found[name] for name in expected} == expected
    assert sum(found.values()) == rows[-1].macs
    assert sum(kind.macs for kind in profile.kinds) == rows[-1].macs
    whole = total_milliseconds(profile.parts)
    assert total_milliseconds(profile.kinds) == pytest.approx(whole)
    names = {kind.name for kind in profile.kinds}
    assert {kinds.DEPTHWISE, kinds.SQUEEZE, kinds.DECODE, kinds.PREPROCESSING} <= names
    assert {PREPROCESSING, DECODE, "neck", "bbox_head"} <= set(found)
    # By the same clock: the bytes of an operator are in its part and in its kind.
    both = (profile.parts, profile.kinds)
    moved = [sum(row.bytes_moved for row in rows) for rows in both]
    assert moved[0] == moved[1] > 0


def test_what_operators_leave_of_the_whole_is_python(digits):
    detector = eager.load_eager(BenchmarkCandidate("a", digits), SIZE)
    profile = profile_eager(detector, [synthetic_picture(0, SIZE)], 2)
    whole = sum(part.milliseconds for part in profile.parts)
    times = {kind.name: kind.milliseconds for kind in profile.kinds}
    between = times.pop(kinds.PYTHON)
    assert between == pytest.approx(max(whole - sum(times.values()), 0))
    order = [kind.milliseconds for kind in profile.kinds]
    assert order == sorted(order, reverse=True)


def test_the_rest_is_what_the_rows_leave_of_the_whole():
    rows = with_rest([Share("a", 2.0), Share("b", 3.0)], "rest", 7.0)
    assert [(row.name, row.milliseconds) for row in rows][1:] == [("b", 3), ("rest", 2)]
    assert with_rest([Share("a", 2.0)], "rest", 1.0)[-1].milliseconds == 0


def test_the_nearer_ceiling_counts():
    ceilings = Ceilings(gmacs_per_second=100, gbytes_per_second=10)
    share = Share("a", 2.0, macs=20 * 10**6, bytes_moved=10 * 10**6)
    assert share.gmacs_per_second == pytest.approx(10)
    assert share.gbytes_per_second == pytest.approx(5)
    assert share.of_ceiling(ceilings) == pytest.approx(0.5)
    assert Share("a", 0.0, 1, 1).gmacs_per_second == 0


def test_ceilings_divide_the_work_by_the_best_time(monkeypatch):
    # Every look at the clock is a second later: each run takes one second.
    seconds = itertools.count()
    monkeypatch.setattr("time.perf_counter", lambda: float(next(seconds)))
    found = measure_ceilings(side=8, copied=400)
    assert found.gmacs_per_second == pytest.approx(8**3 / 1e9)
    assert found.gbytes_per_second == pytest.approx(2 * 400 / 1e9)


def onnx_file(path):
    """Convolution, activation, depthwise, concat, pointwise; 4 and 8 channels."""
    onnx = pytest.importorskip("onnx")
    from onnx import TensorProto, helper, numpy_helper

    def weight(name, *shape):
        values = np.random.default_rng(0).normal(size=shape).astype(np.float32)
        return numpy_helper.from_array(values, name)

    def conv(source, name, out, group=1, pad=0):
        inputs = [source, f"network.{name}.weight"]
        return helper.make_node(
            "Conv", inputs, [out], f"node_{out}", group=group, pads=[pad] * 4
        )

    nodes = [
        conv("image", "backbone.first", "a", pad=1),
        helper.make_node("Relu", ["a"], ["b"], "node_b"),
        conv("b", "backbone.cheap", "c", group=4, pad=1),
        helper.make_node("Concat", ["b", "c"], ["d"], "node_d", axis=1),
        conv("d", "neck.last", "e"),
        helper.make_node("Softmax", ["e"], ["out"], "node_out", axis=1),
    ]
    weights = [
        weight("network.backbone.first.weight", 4, 3, 3, 3),
        weight("network.backbone.cheap.weight", 4, 1, 3, 3),
        weight("network.neck.last.weight", 6, 8, 1, 1),
    ]
    image = helper.make_tensor_value_info("image", TensorProto.FLOAT, [1, 3, 8, 8])
    out = helper.make_tensor_value_info("out", TensorProto.FLOAT, [1, 6, 8, 8])
    graph = helper.make_graph(nodes, "g", [image], [out], weights)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)])
    model.ir_version = 10
    onnx.save(model, path)
    return path


def test_fused_nodes_are_found_again_in_the_exported_file(tmp_path):
    path = onnx_file(tmp_path / "a.onnx")
    labels = {"backbone": ("backbone", None), "neck": ("neck", None)}
    image = np.zeros((1, 3, 8, 8), np.float32)
    profile = profile_onnx(path, {"image": image}, 2, 1, labels)
    # ONNX Runtime computes in blocks of 8 or 16 channels; the file has 4, 8 and 6.
    macs = {kind.name: kind.macs for kind in profile.kinds if kind.macs}
    assert macs == {
        kinds.DENSE: 64 * 4 * 27,
        kinds.DEPTHWISE: 64 * 4 * 9,
        kinds.POINTWISE: 64 * 6 * 8,
    }
    parts = {part.name: part.macs for part in profile.parts if part.name != BETWEEN}
    assert {name: parts[name] for name in ("backbone", "neck")} == {
        "backbone": 64 * 4 * 36,
        "neck": 64 * 6 * 8,
    }
    assert BETWEEN in {part.name for part in profile.parts}
    assert {kinds.CONCAT, kinds.ACTIVATION} <= {kind.name for kind in profile.kinds}
    assert not list(tmp_path.glob("*profile*"))


def test_proposals_build_and_say_what_is_true(digits):
    cfg = load_config(digits, training=False)
    proposals, notes = propose(cfg.model, has_weights=True)
    assert {
        proposed.cfg_options.get("model.test_cfg.nms_pre") for proposed in proposals
    } >= {
        300,
        100,
    }
    by_key = {
        key: (proposed, value)
        for proposed in proposals
        for key, value in proposed.cfg_options.items()
    }
    width, value = by_key["model.backbone.widen_factor"]
    together = {key: value for key, (_, value) in by_key.items()}
    changed = load_config(digits, Options(cfg_options=together), training=False)
    assert changed.model.bbox_head.feat_channels == 32
    shares = []
    divisor = int(width.name.partition("multiples of ")[2].partition(":")[0])
    for factor in (value, cfg.model.backbone.widen_factor):
        backbone = MODELS.build({**cfg.model.backbone, "widen_factor": factor})
        weights = [weight for weight in backbone.parameters() if weight.dim() == 4]
        counts = [
            count
            for weight in weights
            if weight.shape[2:] == (1, 1)
            for count in weight.shape[:2]
        ]
        shares.append(np.mean([count % divisor == 0 for count in counts]))
    assert f"{shares[0]:.0%} instead of {shares[1]:.0%}" in width.name
    assert shares[0] > shares[1]
    assert by_key["model.bbox_head.feat_channels"][1] == 32
    assert by_key["model.bbox_head.stacked_convs"][1] == 1
    assert not notes


def test_thresholds_are_only_tried_with_weights(digits):
    cfg = load_config(digits, training=False)
    proposals, notes = propose(cfg.model, has_weights=False)
    assert not any(
        "test_cfg" in key for proposed in proposals for key in proposed.cfg_options
    )
    assert any("pass a checkpoint" in note for note in notes)


def test_an_option_that_a_backbone_has_is_used():
    backbone = dict(type="CSPNeXt", widen_factor=0.25, deepen_factor=0.1)
    proposals, notes = propose(dict(backbone=backbone), has_weights=False)
    options = [dict(proposed.cfg_options) for proposed in proposals]
    assert {"model.backbone.channel_attention": False} in options
    assert not any("squeeze and excitation" in note for note in notes)
    # Nothing to leave out where it is off already, and nothing to say.
    backbone["channel_attention"] = False
    proposals, _ = propose(dict(backbone=backbone), has_weights=False)
    assert not any(
        "channel_attention" in str(proposed.cfg_options) for proposed in proposals
    )


def proposal(name, **settings):
    return Proposal(name, settings.pop("scope", "network"), "stay valid", **settings)


def row(label, scope, *milliseconds):
    scoped = ScopedCandidate(label, "torch, eager", scope, SIZE)
    return BenchmarkRow(scoped, Timing(milliseconds))


class Benchmarks:
    """Stands for `run_benchmark`: times that are told, by label."""

    def __init__(self, monkeypatch, *times):
        self.times, self.asked = iter(times), []
        monkeypatch.setattr(timed_module, "run_benchmark", self.run)

    def run(self, candidates, settings, pictures, leave_out):
        assert leave_out
        assert settings.isolated
        self.asked.append((settings, candidates))
        found = next(self.times)
        if isinstance(found, Exception):
            raise found
        rows = [row(label, settings.scope, *ms) for label, ms in found.items()]
        notes = [f"{c.label}: failed." for c in candidates if c.label not in found]
        return Benchmark(1, rows, notes, was_interrupted="interrupted" in found)


SETTINGS = BenchmarkSettings(size=SIZE, rounds=3, isolated=True)


def test_proposals_are_timed_beside_the_original(monkeypatch, digits):
    """Catches ratios upside down, and trained weights in a changed architecture."""
    original = BenchmarkCandidate("digits", digits, "a.pth", cfg_options={"a": 1})
    tried = [
        proposal("same", form="deploy"),
        Proposal("half", "network", "retrain", {"b": 2}),
        proposal("broken"),
        proposal("fewer", scope="end-to-end", cfg_options={"c": 3}),
    ]
    network = {ORIGINAL: (2, 20, 4), "same": (2, 20, 4), "half": (1, 10, 2)}
    end_to_end = {ORIGINAL: (6, 6, 6), "fewer": (5, 5, 5)}
    benchmarks = Benchmarks(monkeypatch, network, end_to_end)
    (timed, said), (whole, _) = time_proposals(original, tried, [], SETTINGS, {})
    found = [(each.proposal.name, each.gain.median, each.is_faster) for each in timed]
    assert found == [("half", 2.0, True), ("same", 1.0, False)]
    assert (timed[0].milliseconds, timed[0].original) == (2, 4)
    assert said == ["broken: failed."]
    assert whole[0].gain.median == pytest.approx(1.2)
    (first, candidates), (second, others) = benchmarks.asked
    assert [first.scope, second.scope] == ["network", "end-to-end"]
    assert first.size == second.size == SIZE
    by_label = {each.label: each for each in (*candidates, *others)}
    assert list(by_label) == [ORIGINAL, "same", "half", "broken", "fewer"]
    assert by_label[ORIGINAL].checkpoint == by_label["fewer"].checkpoint == "a.pth"
    assert by_label["same"].form == "deploy"
    assert by_label["half"].checkpoint is None
    assert by_label["half"].cfg_options == {"a": 1, "b": 2}


def test_files_are_timed_beside_the_file_of_the_same_runtime(monkeypatch, digits):
    original = BenchmarkCandidate("digits", digits)
    files = {name: Path(f"folder/{name}") for name in ("onnx", "xml", "int8.onnx")}
    tried = [
        proposal("INT8", scope="network in ONNX Runtime", runtime="int8.onnx"),
        proposal("run in OpenVINO", scope="end-to-end", runtime="xml"),
    ]
    whole_times = {ORIGINAL: (3, 4), "run in OpenVINO": (1, 2)}
    benchmarks = Benchmarks(monkeypatch, whole_times, {ORIGINAL: (4,)})
    (whole, _), (timed, said) = time_proposals(original, tried, [], SETTINGS, files)
    assert len(whole) == 1
    assert not timed
    assert said == ["INT8: failed."]
    paths = [[each.path for each in asked] for _, asked in benchmarks.asked]
    assert paths == [[digits, "folder/xml"], ["folder/onnx", "folder/int8.onnx"]]
    settings = benchmarks.asked[1][0]
    assert (settings.scope, settings.size) == ("network", None)


def test_a_scope_that_fails_or_is_interrupted_leaves_the_others(monkeypatch, digits):
    original = BenchmarkCandidate("digits", digits)
    tried = [proposal("a"), proposal("b", scope="end-to-end")]
    found = {ORIGINAL: (2,), "b": (1,), "interrupted": (1,)}
    Benchmarks(monkeypatch, OptionError("No memory."), found)
    scopes = time_proposals(original, tried, [], SETTINGS, {})
    assert next(scopes) == ([], ["network: does not run here (No memory)."])
    timed, _ = next(scopes)
    assert timed[0].gain.median == 2
    with pytest.raises(KeyboardInterrupt):
        next(scopes)


def test_faster_means_by_two_percent_and_in_three_of_four_rounds():
    trial = TimedProposal(proposal("a"), 9.0, 10.0, Gain(1.11, 1.01, 1.2))
    assert trial.is_faster
    assert not replace(trial, gain=Gain(1.11, 0.99, 1.2)).is_faster
    assert not replace(trial, gain=Gain(1.01, 1.005, 1.2)).is_faster


def test_the_report_recommends_only_what_is_faster(tmp_path):
    rows = (Share("neck", 3.0, 6 * 10**6, 10**6), Share("<head>", 1.0))
    won = proposal("less", cfg_options={"model.test_cfg.nms_pre": 100})
    diagnosis = Diagnosis(
        "digits",
        SIZE,
        2,
        5,
        Ceilings(10.0, 5.0),
        (Profile("eager PyTorch", rows, rows),),
        (
            TimedProposal(won, 1.0, 2.0, Gain(2.0, 1.9, 2.1)),
            TimedProposal(proposal("more"), 4.0, 2.0, Gain(0.5, 0.4, 0.6)),
        ),
        ("A note.",),
    )
    text = markdown(diagnosis)
    cells = {
        line.split("|")[1].strip(): [cell.strip() for cell in line.split("|")[2:-1]]
        for line in text.splitlines()
        if line.startswith("|")
    }
    assert cells["neck"] == ["3.00", "75.0%", "6.0", "1.0", "2.0", "0.3", "20%"]
    assert cells["<head>"] == ["1.00", "25.0%", *"-----"]
    slower = ["network", "stay valid", "2.00", "4.00", "0.50 (0.40 to 0.60)", "no"]
    assert cells["more"] == slower
    advice = text.partition("## Recommended")[2].partition("##")[0]
    assert "`--cfg-options model.test_cfg.nms_pre=100`" in advice
    assert "2.00 (1.90 to 2.10) times as fast" in advice
    assert "Weights: stay valid." in advice
    assert "more" not in advice
    assert "- A note." in text
    write_json(diagnosis, tmp_path / "a.json")
    content = json.loads((tmp_path / "a.json").read_text())
    assert content["format"] == "ghostnet_mm.doctor/2"
    assert [entry["is_faster"] for entry in content["trials"]] == [True, False]
    assert content["trials"][0]["gain"] == {"median": 2.0, "low": 1.9, "high": 2.1}
    assert content["profiles"][0]["parts"][0]["macs"] == 6 * 10**6
    write_page(diagnosis, tmp_path / "a.html")
    page = (tmp_path / "a.html").read_text()
    assert "&lt;head&gt;" in page
    assert "<head>" not in page.partition("<body>")[2]
    assert page.count("<tr>") == 2 * 3 + 3
    none = replace(diagnosis, trials=diagnosis.trials[1:])
    assert "Nothing that was tried is measurably faster." in markdown(none)
