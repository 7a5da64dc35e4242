"""Time is charged to who takes it, and what is recommended was measured faster."""

import itertools
import json
from dataclasses import replace

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from mmdet.registry import MODELS
from mmdet.utils import register_all_modules
from torch import nn

from ghostnet_mm.benchmarking import Candidate, eager
from ghostnet_mm.benchmarking.pictures import synthetic_picture
from ghostnet_mm.configuration import Options, load_config
from ghostnet_mm.doctor import markdown, write_json, write_page
from ghostnet_mm.doctor import operator_kinds as kinds
from ghostnet_mm.doctor import trials as trials_module
from ghostnet_mm.doctor.ceilings import Ceilings, measure_ceilings
from ghostnet_mm.doctor.diagnosis import Diagnosis
from ghostnet_mm.doctor.eager_profile import OperatorClock, profile_eager
from ghostnet_mm.doctor.onnx_profile import BETWEEN, profile_onnx
from ghostnet_mm.doctor.part_labels import (
    DECODE,
    NMS,
    OTHER,
    PREPROCESSING,
    PartClock,
    labelled,
)
from ghostnet_mm.doctor.profile_tables import Profile, Share, fractions
from ghostnet_mm.doctor.proposals import Proposal, propose
from ghostnet_mm.doctor.trials import Trial, TrialSettings, run_trials
from ghostnet_mm.errors import OptionError
from ghostnet_mm.measuring.complexity import parts_of_detector
from ghostnet_mm.measuring.detector_complexity import detector_complexity

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
    assert not any("forward" in vars(one) for one in model.modules())
    assert "predict_by_feat" not in vars(model.bbox_head)


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
    candidate = Candidate("a", digits, cfg_options={"model.backbone.type": family})
    detector = eager.load_eager(candidate, SIZE)
    # One tick per look at the clock: operators are few beside the looks at parts.
    profile = profile_eager(detector, [synthetic_picture(0, SIZE)], 1, Clock(1e-3))
    _, rows = detector_complexity(detector.cfg, SIZE, model=detector.model)
    expected = {row.name: row.macs for row in rows[:-1]}
    found = {one.name: one.macs for one in profile.parts}
    assert set(parts_of_detector(detector.model)) == set(expected)
    assert {name: found[name] for name in expected} == expected
    assert sum(found.values()) == rows[-1].macs
    assert sum(one.macs for one in profile.kinds) == rows[-1].macs
    assert sum(fractions(profile.parts).values()) == pytest.approx(1)
    assert sum(fractions(profile.kinds).values()) == pytest.approx(1)
    names = {one.name for one in profile.kinds}
    assert {kinds.DEPTHWISE, kinds.SQUEEZE, kinds.DECODE, kinds.PREPROCESSING} <= names
    assert {PREPROCESSING, DECODE, "neck", "bbox_head"} <= set(found)
    # By the same clock: the bytes of an operator are in its part and in its kind.
    both = (profile.parts, profile.kinds)
    moved = [sum(one.bytes_moved for one in rows) for rows in both]
    assert moved[0] == moved[1] > 0


def test_what_operators_leave_of_the_whole_is_python(digits):
    detector = eager.load_eager(Candidate("a", digits), SIZE)
    profile = profile_eager(detector, [synthetic_picture(0, SIZE)], 2)
    whole = sum(one.milliseconds for one in profile.parts)
    times = {one.name: one.milliseconds for one in profile.kinds}
    between = times.pop(kinds.PYTHON)
    assert between == pytest.approx(max(whole - sum(times.values()), 0))
    order = [one.milliseconds for one in profile.kinds]
    assert order == sorted(order, reverse=True)


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
    profile = profile_onnx(path, image, 2, 1, labels)
    # ONNX Runtime computes in blocks of 8 or 16 channels; the file has 4, 8 and 6.
    macs = {one.name: one.macs for one in profile.kinds if one.macs}
    assert macs == {
        kinds.DENSE: 64 * 4 * 27,
        kinds.DEPTHWISE: 64 * 4 * 9,
        kinds.POINTWISE: 64 * 6 * 8,
    }
    parts = {one.name: one.macs for one in profile.parts if one.name != BETWEEN}
    assert {name: parts[name] for name in ("backbone", "neck")} == {
        "backbone": 64 * 4 * 36,
        "neck": 64 * 6 * 8,
    }
    assert sum(fractions(profile.parts).values()) == pytest.approx(1)
    assert {kinds.CONCAT, kinds.ACTIVATION} <= {one.name for one in profile.kinds}
    assert not list(tmp_path.glob("*profile*"))


def test_proposals_build_and_say_what_is_true(digits):
    cfg = load_config(digits, training=False)
    proposals, notes = propose(cfg.model, has_weights=True)
    assert {one.cfg_options.get("model.test_cfg.nms_pre") for one in proposals} >= {
        300,
        100,
    }
    by_key = {
        key: (one, value) for one in proposals for key, value in one.cfg_options.items()
    }
    width, value = by_key["model.backbone.widen_factor"]
    together = {key: value for key, (_, value) in by_key.items()}
    changed = load_config(digits, Options(cfg_options=together), training=False)
    assert changed.model.bbox_head.feat_channels == 32
    shares = []
    divisor = int(width.name.partition("multiples of ")[2].partition(":")[0])
    for factor in (value, cfg.model.backbone.widen_factor):
        backbone = MODELS.build({**cfg.model.backbone, "widen_factor": factor})
        weights = [one for one in backbone.parameters() if one.dim() == 4]
        counts = [
            count
            for one in weights
            if one.shape[2:] == (1, 1)
            for count in one.shape[:2]
        ]
        shares.append(np.mean([count % divisor == 0 for count in counts]))
    assert f"{shares[0]:.0%} instead of {shares[1]:.0%}" in width.name
    assert shares[0] > shares[1]
    assert by_key["model.bbox_head.feat_channels"][1] == 32
    assert by_key["model.bbox_head.stacked_convs"][1] == 1
    assert any("GhostNet has no option for it" in note for note in notes)


def test_thresholds_are_only_tried_with_weights(digits):
    cfg = load_config(digits, training=False)
    proposals, notes = propose(cfg.model, has_weights=False)
    assert not any("test_cfg" in key for one in proposals for key in one.cfg_options)
    assert any("pass a checkpoint" in note for note in notes)


def test_an_option_that_a_backbone_has_is_used():
    backbone = dict(type="CSPNeXt", widen_factor=0.25, deepen_factor=0.1)
    proposals, notes = propose(dict(backbone=backbone), has_weights=False)
    options = [dict(one.cfg_options) for one in proposals]
    assert {"model.backbone.channel_attention": False} in options
    assert not any("squeeze and excitation" in note for note in notes)
    # Nothing to leave out where it is off already, and nothing to say.
    backbone["channel_attention"] = False
    proposals, _ = propose(dict(backbone=backbone), has_weights=False)
    assert not any("channel_attention" in str(one.cfg_options) for one in proposals)


def proposal(name, **settings):
    return Proposal(name, settings.pop("scope", "network"), "stay valid", **settings)


def test_trials_are_timed_in_turns_with_the_original(monkeypatch, digits):
    now, calls = [0.0], []
    monkeypatch.setattr("time.perf_counter", lambda: now[0])

    def turns_of(candidate, scope, pictures, settings):
        seconds = {"half": 1.0, "same": 2.0}.get(candidate.label, 2.0)
        if candidate.label == "broken":
            raise OptionError("It cannot be built.")

        def run():
            calls.append(candidate.label)
            now[0] += seconds

        return lambda: run

    monkeypatch.setattr(trials_module, "_turns_of", turns_of)
    tried = [proposal("same"), proposal("half"), proposal("broken")]
    found, notes = run_trials(
        Candidate("original", digits), tried, [], TrialSettings(None, 3, 1)
    )
    assert [(one.proposal.name, one.ratio, one.is_faster) for one in found] == [
        ("half", 2.0, True),
        ("same", 1.0, False),
    ]
    assert found[0].milliseconds == 1000
    assert found[0].original == 2000
    assert calls[2:8] == ["original"] * 2 + ["same"] * 2 + ["half"] * 2
    assert notes == ["broken: does not run here (It cannot be built)."]


def test_faster_means_in_three_of_four_rounds():
    trial = Trial(proposal("a"), 9.0, 10.0, 1.11, 1.01, 1.2)
    assert trial.is_faster
    assert not replace(trial, low=0.99).is_faster
    assert not replace(trial, ratio=1.01).is_faster


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
            Trial(won, 1.0, 2.0, 2.0, 1.9, 2.1),
            Trial(proposal("more"), 4.0, 2.0, 0.5, 0.4, 0.6),
        ),
        ("A note.",),
    )
    text = markdown(diagnosis)
    assert "| neck | 3.00 | 75.0% | 6.0 | 1.0 | 2.0 | 0.3 | 20% |" in text
    assert "| more | network | 2.00 | 4.00 | 0.50x (0.40 to 0.60) |" in text
    advice = text.partition("## Recommended")[2].partition("##")[0]
    assert "`--cfg-options model.test_cfg.nms_pre=100`" in advice
    assert "Weights: stay valid." in advice
    assert "more" not in advice
    assert "- A note." in text
    write_json(diagnosis, tmp_path / "a.json")
    content = json.loads((tmp_path / "a.json").read_text())
    assert content["format"] == "ghostnet_mm.doctor/1"
    assert [one["is_faster"] for one in content["trials"]] == [True, False]
    assert content["profiles"][0]["parts"][0]["macs"] == 6 * 10**6
    write_page(diagnosis, tmp_path / "a.html")
    page = (tmp_path / "a.html").read_text()
    assert "&lt;head&gt;" in page
    assert "<head>" not in page
    assert page.count("<tr>") == 2 * 3 + 3
    none = replace(diagnosis, trials=diagnosis.trials[1:])
    assert "Nothing that was tried is measurably faster." in markdown(none)
