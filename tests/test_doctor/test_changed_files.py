"""Changed copies of a detector are what their proposals say, and only copies."""

import hashlib
import sys
from math import prod

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from mmcv.cnn import build_conv_layer
from mmdet.models.layers import ChannelAttention, SELayer
from mmdet.utils import register_all_modules
from mmengine.config import Config
from onnx import TensorProto, helper, numpy_helper
from support.random_norms import randomize_norms
from timm.layers import SEModule
from torch import nn

from ghostnet_mm.benchmarking import Candidate, eager
from ghostnet_mm.benchmarking.pictures import synthetic_picture
from ghostnet_mm.doctor import Examination, changed_files, diagnose, diagnosis, markdown
from ghostnet_mm.doctor import trials as trials_module
from ghostnet_mm.doctor.changed_files import ChangedFiles, without_gates
from ghostnet_mm.doctor.channel_padding import convolution_macs, pad_file, padded_model
from ghostnet_mm.doctor.channel_runs import ChannelRuns
from ghostnet_mm.doctor.exported_files import export_all
from ghostnet_mm.doctor.proposals import FILE_SCOPES, KEEPS, Proposal
from ghostnet_mm.doctor.trials import TrialSettings, run_trials
from ghostnet_mm.errors import OptionError
from ghostnet_mm.export import exported_models
from ghostnet_mm.export.exported_models import open_exported
from ghostnet_mm.export.graph.detection_graph import DetectionGraph
from ghostnet_mm.layers.squeeze_excite import SqueezeExcite
from ghostnet_mm.measuring.detector_complexity import detector_complexity

SIZE = (64, 96)
SMALL = {
    "model.neck.out_channels": 20,
    "model.bbox_head.in_channels": 20,
    "model.bbox_head.feat_channels": 20,
    "model.bbox_head.stacked_convs": 1,
}
IN_ONNX, IN_OPENVINO = FILE_SCOPES["onnx"], FILE_SCOPES["xml"]
GATES_OF_DIGITS = 4


def graph_of(nodes, weights, size, outputs):
    """An ONNX model of a float image (1, 3, *size)."""
    inputs = [helper.make_tensor_value_info("image", TensorProto.FLOAT, [1, 3, *size])]
    listed = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)
        for name, shape in outputs.items()
    ]
    tensors = [
        numpy_helper.from_array(values, name) for name, values in weights.items()
    ]
    graph = helper.make_graph(nodes, "g", inputs, listed, tensors)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)])
    model.ir_version = 10
    onnx.checker.check_model(model, full_check=True)
    return model


class Network:
    """Convolutions with random weights and biases, as nodes."""

    def __init__(self):
        self.nodes, self.weights = [], {}
        self.generator = np.random.default_rng(0)

    def random(self, name, *shape):
        values = self.generator.normal(size=shape)
        # Outputs of about 1 in every layer.
        values /= max(prod(shape[1:]), 1) ** 0.5
        self.weights[name] = values.astype(np.float32)

    def conv(self, source, out, channels, kernel=1, group=1, weight=None):
        name = weight or f"{out}.weight"
        if name not in self.weights:
            self.random(name, channels[1], channels[0] // group, kernel, kernel)
            self.random(f"{name}.bias", channels[1])
        inputs = [source, name, f"{name}.bias"]
        pads = [kernel // 2] * 4
        self.op("Conv", inputs, out, group=group, pads=pads)

    def op(self, kind, inputs, out, **attributes):
        self.nodes.append(helper.make_node(kind, inputs, [out], out, **attributes))


def ghost_network():
    """A ghost module, a gate, a shortcut, a resize, shared weights and a head."""
    made = Network()
    made.conv("image", "stem", (3, 20), 3)
    made.op("Relu", ["stem"], "stem_relu")
    # A ghost module of 36: halves of 18, wider than that of the shortcut's 36.
    made.conv("stem_relu", "primary", (20, 18))
    made.conv("primary", "cheap", (18, 18), 3, group=18)
    made.op("Concat", ["primary", "cheap"], "ghost", axis=1)
    made.weights["axes"] = np.int64([2, 3])
    made.op("ReduceMean", ["ghost", "axes"], "mean", keepdims=1)
    made.conv("mean", "reduce", (36, 12))
    made.op("Relu", ["reduce"], "reduce_relu")
    made.conv("reduce_relu", "expand", (12, 36))
    made.op("HardSigmoid", ["expand"], "gate")
    made.op("Mul", ["ghost", "gate"], "gated")
    # The shortcut is one convolution of all 36.
    made.conv("stem_relu", "shortcut", (20, 36))
    made.op("Add", ["shortcut", "gated"], "sum")
    made.weights["sizes"] = np.int64([1, 36, 16, 24])
    made.op("Resize", ["sum", "", "", "sizes"], "larger", mode="nearest")
    made.conv("larger", "tower", (36, 36), 3)
    # The same layer on another level.
    made.conv("sum", "tower_2", (36, 36), 3, weight="tower.weight")
    # The channels of what softmax mixes and of an output must stay.
    made.conv("tower", "mixed", (36, 12))
    made.op("Softmax", ["mixed"], "softmax", axis=1)
    made.conv("softmax", "classes", (12, 10))
    made.conv("tower_2", "boxes", (36, 12))
    outputs = {"classes": [1, 10, 16, 24], "boxes": [1, 12, 8, 12]}
    return graph_of(made.nodes, made.weights, (8, 12), outputs)


def run_onnx(model, image=None):
    content = model if isinstance(model, bytes) else model.SerializeToString()
    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    given = session.get_inputs()[0]
    if image is None:
        image = np.random.default_rng(1).normal(size=given.shape).astype(np.float32)
    names = [one.name for one in session.get_outputs()]
    return dict(zip(names, session.run(names, {given.name: image}), strict=True))


def conv_shapes(model):
    weights = {one.name: tuple(one.dims) for one in model.graph.initializer}
    return {
        node.output[0]: weights[node.input[1]]
        for node in model.graph.node
        if node.op_type == "Conv"
    }


def macs_of_a_run(model):
    """Count by the shapes that the runtime really computes."""
    shapes = conv_shapes(model)
    everything = onnx.ModelProto()
    everything.CopyFrom(model)
    kept = {one.name for one in everything.graph.output}
    everything.graph.output.extend(
        helper.make_empty_tensor_value_info(name) for name in shapes if name not in kept
    )
    outputs = run_onnx(everything)
    return sum(outputs[name].size * prod(shape[1:]) for name, shape in shapes.items())


def test_runs_that_are_added_are_split_alike():
    runs = ChannelRuns()
    halves = runs.add(10) + runs.add(10)
    whole = runs.add(20)
    runs.unite(whole, halves)
    for layout in (whole, halves):
        places, width = runs.places(layout, 16)
        assert list(places) == [*range(10), *range(16, 26)]
        assert width == 32
        assert runs.places(layout, 1)[1] == 20
    # A third map cuts elsewhere: 10 + 10 and 4 + 16 are 4 + 6 + 10.
    other = runs.add(4) + runs.add(16)
    runs.unite(halves, other)
    for layout in (whole, halves, other):
        places, width = runs.places(layout, 8)
        assert list(places) == [*range(4), *range(8, 14), *range(16, 26)]
        assert width == 32
    runs.unite(whole, other)
    assert runs.places(whole, 8)[1] == 32


def test_what_must_keep_its_width_keeps_it_through_all_that_is_added():
    runs = ChannelRuns()
    first, second = runs.add(20), runs.add(12) + runs.add(8)
    runs.fix(first)
    runs.unite(second, first)
    assert runs.places(second, 16)[1] == 20
    # And the other way round, once they are one.
    third = runs.add(20)
    runs.unite(third, second)
    assert runs.places(third, 16)[1] == 20
    fourth, fifth = runs.add(6), runs.add(6)
    runs.unite(fourth, fifth)
    runs.fix(fourth)
    assert runs.places(fifth, 16)[1] == 6


@pytest.mark.parametrize(
    ("divisor", "stem", "half", "hidden", "whole"),
    [(1, 20, 18, 12, 36), (8, 24, 24, 16, 48), (16, 32, 32, 16, 64)],
)
def test_every_width_inside_is_rounded_and_the_outputs_stay(
    divisor, stem, half, hidden, whole
):
    model = ghost_network()
    padded = padded_model(model, divisor)
    onnx.checker.check_model(padded, full_check=True)
    assert conv_shapes(padded) == {
        "stem": (stem, 3, 3, 3),
        "primary": (half, stem, 1, 1),
        "cheap": (half, 1, 3, 3),
        "reduce": (hidden, whole, 1, 1),
        # The gate and the shortcut: two halves, each rounded by itself.
        "expand": (whole, hidden, 1, 1),
        "shortcut": (whole, stem, 1, 1),
        "tower": (-(-36 // divisor) * divisor, whole, 3, 3),
        "tower_2": (-(-36 // divisor) * divisor, whole, 3, 3),
        "mixed": (12, -(-36 // divisor) * divisor, 1, 1),
        "classes": (10, 12, 1, 1),
        "boxes": (12, -(-36 // divisor) * divisor, 1, 1),
    }
    expected, found = run_onnx(model), run_onnx(padded)
    for name, values in expected.items():
        assert np.abs(values).max() > 0.1
        np.testing.assert_allclose(found[name], values, atol=1e-5)
    assert convolution_macs(padded) == macs_of_a_run(padded)
    # Both levels go on sharing their weights.
    names = [one.name for one in padded.graph.initializer]
    assert sum("tower.weight" in name and "bias" not in name for name in names) == 1
    assert len(names) == len(set(names)) == len(model.graph.initializer)


def test_grouped_convolutions_and_other_operations_stay_as_they_are():
    made = Network()
    made.conv("image", "stem", (3, 12))
    made.conv("stem", "grouped", (12, 20), group=4)
    made.conv("grouped", "last", (20, 20))
    made.op("Split", ["last"], "left", axis=1)
    made.nodes[-1].output.append("right")
    made.nodes[-1].attribute.append(helper.make_attribute("num_outputs", 2))
    # An addition of a value for each channel.
    made.conv("left", "shifted", (10, 20))
    made.random("shift", 20, 1, 1)
    made.op("Add", ["shifted", "shift"], "out")
    outputs = {"out": [1, 20, 8, 8], "right": [1, 10, 8, 8]}
    model = graph_of(made.nodes, made.weights, (8, 8), outputs)
    assert conv_shapes(padded_model(model, 8)) == conv_shapes(model)


def test_macs_are_counted_as_the_operations_say(tmp_path):
    onnx.save(ghost_network(), tmp_path / "a.onnx")
    padding = pad_file(tmp_path / "a.onnx", tmp_path / "b.onnx", 8)
    small, large = 8 * 12, 16 * 24
    before = small * (20 * 27 + 18 * 20 + 18 * 9 + 36 * 20 + 36 * 36 * 9 + 12 * 36)
    before += 2 * 12 * 36 + large * (36 * 36 * 9 + 12 * 36 + 10 * 12)
    after = small * (24 * 27 + 24 * 24 + 24 * 9 + 48 * 24 + 40 * 48 * 9 + 12 * 40)
    after += 2 * 16 * 48 + large * (40 * 48 * 9 + 12 * 40 + 10 * 12)
    assert (padding.macs_before, padding.macs_after) == (before, after)
    assert padding.growth == pytest.approx((after - before) / before)
    # All but what softmax mixes and the two outputs.
    assert (padding.layers, padding.rounded) == (11, 8)
    with pytest.raises(OptionError, match="multiples of 0"):
        pad_file(tmp_path / "a.onnx", tmp_path / "b.onnx", 0)


def test_an_open_input_size_is_refused(tmp_path):
    model = ghost_network()
    del model.graph.node[:], model.graph.output[:]
    model.graph.node.append(
        helper.make_node("Conv", ["image", "stem.weight", "stem.weight.bias"], ["out"])
    )
    model.graph.output.append(helper.make_empty_tensor_value_info("out"))
    model.graph.input[0].type.tensor_type.shape.dim[2].dim_param = "height"
    onnx.save(model, tmp_path / "a.onnx")
    with pytest.raises(OptionError, match="export it with a fixed one"):
        pad_file(tmp_path / "a.onnx", tmp_path / "b.onnx", 8)


def test_gates_of_every_library_are_left_out_of_a_copy():
    convolution = build_conv_layer(None, 16, 16, 1)
    gates = [SELayer(16), ChannelAttention(16), SEModule(16)]
    model = nn.Sequential(convolution, *gates, nn.Sequential(nn.ReLU(), SEModule(16)))
    model.eval()
    image = torch.randn(1, 16, 5, 7)
    changed, count = without_gates(model)
    assert count == 4
    assert torch.equal(changed(image), convolution(image).relu())
    assert not torch.equal(model(image), convolution(image).relu())


def digest(module):
    found = hashlib.sha256()
    for name, values in module.state_dict().items():
        found.update(name.encode() + values.numpy().tobytes())
    return found.hexdigest()


class Written:
    """A small detector with all its changed files."""

    def __init__(self, config, folder):
        register_all_modules(init_default_scope=True)
        torch.manual_seed(0)
        candidate = Candidate("digits", config, cfg_options=SMALL)
        self.candidate = candidate
        self.detector = eager.load_eager(candidate, SIZE)
        model = randomize_norms(self.detector.model)
        # Classes that differ, and not all alike.
        nn.init.normal_(model.bbox_head.retina_cls.weight, std=0.1)
        nn.init.normal_(model.bbox_head.retina_cls.bias, std=0.5)
        self.pictures = [synthetic_picture(seed, SIZE) for seed in range(2)]
        self.image = torch.randn(1, 3, *SIZE, generator=torch.manual_seed(0))
        self.before = digest(model), self.outputs()
        self.notes = []
        self.files = export_all(self.detector, folder, self.notes)
        self.changed = ChangedFiles(
            self.detector, self.files, self.pictures, folder, threads=1
        )
        self.changed.write_all()

    def outputs(self):
        with torch.no_grad():
            return self.detector.model(self.image, mode="tensor")

    def proposals(self, word):
        found = [one for one in self.changed.proposals if word in one.name]
        return {one.scope: one for one in found}

    def path(self, name):
        return self.changed.files[name]


@pytest.fixture(scope="module")
def written(project_root, tmp_path_factory):
    config = project_root / "configs" / "retinanet_ghostnet_digits.py"
    return Written(str(config), tmp_path_factory.mktemp("files"))


def test_the_detector_that_is_handed_in_stays_as_it_is(written):
    before, outputs = written.before
    assert digest(written.detector.model) == before
    for mine, other in zip(written.outputs(), outputs, strict=True):
        assert all(torch.equal(a, b) for a, b in zip(mine, other, strict=True))
    assert set(written.files) <= {"onnx", "xml"}
    assert sum(
        isinstance(one, SqueezeExcite) for one in written.detector.model.modules()
    )


def test_every_change_is_proposed_in_every_runtime(written):
    scopes = {FILE_SCOPES[suffix] for suffix in written.files}
    assert IN_ONNX in scopes
    for word in ("squeeze", "multiples of 8 ", "multiples of 16 "):
        assert set(written.proposals(word)) == scopes
    # OpenVINO's quantizer is a package of its own.
    without_nncf = any(
        "INT8 in OpenVINO: not tried" in n for n in written.changed.notes
    )
    left_out = {IN_OPENVINO} if without_nncf else set()
    assert set(written.proposals("INT8")) == scopes - left_out
    for one in written.changed.proposals:
        assert written.path(one.runtime).is_file()
        assert one.how == one.instructions
    for one in written.proposals("squeeze").values():
        assert one.weights == "retrain"
        assert one.accuracy == "not measured; needs retraining"
        assert one.how.startswith("A what-if: GhostNet has no option")
    for one in written.proposals("INT8").values():
        assert "to be measured with tools/quantize.py" in one.accuracy
    for path in written.changed.files.values():
        if path.suffix == ".onnx":
            original = open_exported(written.files["onnx"])
            assert open_exported(path).description == original.description


def test_int8_is_per_channel_and_its_difference_is_said(written):
    path = written.path("int8.onnx")
    model = onnx.load(str(path))
    kinds = {node.op_type for node in model.graph.node}
    assert {"QuantizeLinear", "DequantizeLinear"} <= kinds
    weights = {one.name: one for one in model.graph.initializer}
    scales = [
        tuple(weights[node.input[1]].dims)
        for node in model.graph.node
        if node.op_type == "DequantizeLinear" and node.input[0] in weights
        if len(weights[node.input[0]].dims) == 4
    ]
    assert scales
    assert all(len(dims) == 1 and dims[0] > 1 for dims in scales)
    mean, std = (
        np.float32([123.675, 116.28, 103.53]),
        np.float32([58.395, 57.12, 57.375]),
    )
    largest = {"scores": 0.0, "boxes": 0.0}
    for picture in written.pictures:
        image = ((picture[..., ::-1] - mean) / std).transpose(2, 0, 1)[None]
        exact = run_onnx(written.files["onnx"].read_bytes(), image)
        rough = run_onnx(path.read_bytes(), image)
        # Beyond the input, gaps of boxes count in proportion.
        beyond = np.maximum(1, np.abs(exact["boxes"]) / max(image.shape[-2:]))
        gaps = {name: np.abs(exact[name] - rough[name]) for name in largest}
        gaps["boxes"] /= beyond
        largest = {name: max(most, gaps[name].max()) for name, most in largest.items()}
    assert largest["scores"] > 1e-3
    said = written.proposals("INT8")[IN_ONNX].accuracy
    assert "on 2 pictures: " in said
    assert f"{largest['scores']:.2g} of scores" in said
    assert f"{largest['boxes']:.2g} px of boxes" in said


def test_a_file_that_computes_nan_is_said(written, monkeypatch):
    class Runs:
        def __init__(self, value):
            self.outputs = {"scores": np.full((1, 3), value), "boxes": np.zeros(4)}

        def run(self, image):
            return self.outputs

    opened = iter([Runs(0.5), Runs(np.nan)])
    monkeypatch.setattr(exported_models, "open_exported", lambda *_: next(opened))
    said = written.changed._difference("onnx", written.files["onnx"])
    assert said == "largest difference on 2 pictures: nan of scores, 0 px of boxes"


def test_the_copy_without_gates_computes_what_a_network_without_them_does(written):
    model = onnx.load(str(written.path("no_gates.onnx")))
    original = onnx.load(str(written.files["onnx"]))

    def means(one):
        kinds = [node.op_type for node in one.graph.node]
        return kinds.count("ReduceMean") + kinds.count("GlobalAveragePool")

    assert means(original) - means(model) == GATES_OF_DIGITS
    assert written.proposals("squeeze")[IN_ONNX].name.endswith("(4 left out)")
    graph = DetectionGraph(written.detector.model)
    for module in graph.modules():
        if getattr(module, "se", None) is not None:
            module.se = None
    with torch.no_grad():
        expected = graph(written.image)
    found = run_onnx(model, written.image.numpy())
    with_gates = run_onnx(original, written.image.numpy())
    for name in ("scores", "boxes"):
        scale = expected[name].abs().max().item()
        gap = np.abs(found[name] - expected[name].numpy()).max()
        assert gap < 1e-4 * scale
        assert np.abs(found[name] - with_gates[name]).max() > 1e-2 * scale


@pytest.mark.parametrize("divisor", [8, 16])
def test_a_rounded_detector_gives_the_same_outputs(written, divisor):
    path = written.path(f"rounded{divisor}.onnx")
    model = onnx.load(str(path))
    original = onnx.load(str(written.files["onnx"]))
    image = written.image.numpy()
    expected, found = run_onnx(original, image), run_onnx(model, image)
    for name in ("scores", "boxes"):
        scale = np.abs(expected[name]).max()
        np.testing.assert_allclose(found[name], expected[name], atol=1e-5 * scale)
    # The head's own outputs are 3 anchors of 10 classes and of 4 sides.
    free = [shape for shape in conv_shapes(model).values() if shape[0] % divisor]
    assert [shape[0] for shape in free] == [30, 12] * 2
    assert {shape[1] for shape in free} == {-(-20 // divisor) * divisor}
    height, width = SIZE
    _, rows = detector_complexity(
        written.detector.cfg, (height, width), model=written.detector.model
    )
    before, after = rows[-1].macs, macs_of_a_run(model)
    assert convolution_macs(original) == before
    said = written.proposals(f"multiples of {divisor} ")[IN_ONNX].name
    assert f"({before / 1e6:.1f} to {after / 1e6:.1f} M MACs, " in said
    assert f"{100 * (after / before - 1):+.0f}%)" in said


def test_what_cannot_be_written_is_said(written, monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "nncf", None)
    monkeypatch.setitem(sys.modules, "onnxruntime.quantization", None)
    bare = eager.EagerDetector(
        without_gates(written.detector.model)[0], written.detector.cfg, SIZE
    )
    files = {
        "onnx": written.path("rounded16.onnx"),
        "xml": written.path("rounded16.onnx"),
    }
    changed = ChangedFiles(bare, files, written.pictures, tmp_path, threads=1)
    changed.write_all()
    assert not changed.proposals
    gates, *rounded, onnx_note, openvino_note = changed.notes
    assert onnx_note.startswith("INT8 in ONNX Runtime: not tried. ")
    assert openvino_note.startswith("INT8 in OpenVINO: not tried. ")
    for note in (onnx_note, openvino_note):
        assert "pip install" in note
    assert gates == "without squeeze and excitation: the detector has none."
    assert [note.partition(":")[0] for note in rounded] == [
        "channels rounded up to multiples of 8",
        "channels rounded up to multiples of 16",
    ]


def test_one_failure_does_not_cost_the_others(written, monkeypatch, tmp_path):
    def fails(*_):
        raise ValueError("an odd graph.")

    monkeypatch.setattr(changed_files, "pad_file", fails)
    monkeypatch.setattr(ChangedFiles, "add_int8", lambda *_: None)
    files = {"onnx": written.files["onnx"]}
    changed = ChangedFiles(
        written.detector, files, written.pictures, tmp_path, threads=1
    )
    changed.write_all()
    assert [one.name for one in changed.proposals] == [
        "without squeeze and excitation (4 left out)"
    ]
    assert changed.notes == [
        f"channels rounded up to multiples of {divisor}: does not run here (an odd "
        f"graph)."
        for divisor in (8, 16)
    ]


def test_an_option_to_leave_gates_out_is_named(written, monkeypatch, tmp_path):
    monkeypatch.setattr(
        changed_files, "export_onnx_file", lambda *_: written.files["onnx"]
    )
    cfg = Config(dict(model=dict(backbone=dict(type="CSPNeXt"))))
    detector = eager.EagerDetector(nn.Sequential(SEModule(16)), cfg, SIZE)
    files = {"onnx": written.files["onnx"]}
    changed = ChangedFiles(detector, files, written.pictures, tmp_path, threads=1)
    changed.add_without_gates()
    (found,) = changed.proposals
    assert found.how == "`--cfg-options model.backbone.channel_attention=False`"


def test_changed_files_are_timed_beside_the_same_runtime(monkeypatch, tmp_path):
    now, opened = [0.0], []
    seconds = {"model.onnx": 4.0, "int8.onnx": 1.0, "model.xml": 3.0, "int8.xml": 1.5}
    monkeypatch.setattr("time.perf_counter", lambda: now[0])

    def network_run(candidate, pictures, size, threads):
        name = candidate.path.rpartition("/")[2]
        opened.append((name, len(pictures), threads))

        def run():
            now[0] += seconds[name]

        return run, SIZE

    monkeypatch.setattr(trials_module.exported, "network_run", network_run)
    proposals = [
        Proposal("INT8", scope, KEEPS, runtime=f"int8.{suffix}")
        for suffix, scope in FILE_SCOPES.items()
    ]
    files = {"onnx": tmp_path / "model.onnx", "xml": tmp_path / "model.xml"}
    files |= {one.runtime: tmp_path / one.runtime for one in proposals}
    found, notes = run_trials(
        Candidate("a", "a.py"), proposals, [0, 0], TrialSettings(None, 2, 3), files
    )
    ratios = [(one.proposal.scope, one.original, one.ratio) for one in found]
    assert ratios == [(IN_ONNX, 4000, 4.0), (IN_OPENVINO, 3000, 2.0)]
    assert opened == [(name, 1, 3) for name in seconds]
    assert not notes


@pytest.mark.parametrize("exported", [True, False])
def test_an_examination_reports_the_changed_files(written, monkeypatch, exported):
    class Ready:
        def __init__(self, *_):
            self.files = written.changed.files
            self.proposals = written.changed.proposals
            self.notes = ["A note of its own."]

        def write_all(self):
            pass

    def no_proposals(*_):
        return [], []

    def nothing_else(*_):
        return []

    monkeypatch.setattr(diagnosis, "export_all", lambda *_: written.files)
    monkeypatch.setattr(diagnosis, "ChangedFiles", Ready)
    monkeypatch.setattr(diagnosis, "propose", no_proposals)
    monkeypatch.setattr(diagnosis, "_runtime_proposals", nothing_else)
    asked = Examination(SIZE, 1, 1, runtimes=exported)
    found = diagnose(written.candidate, written.pictures, asked)
    if not exported:
        assert not found.trials
        assert diagnosis.WITHOUT_FILES in found.notes
        return
    assert "A note of its own." in found.notes
    names = {(one.proposal.name, one.proposal.scope) for one in found.trials}
    given = {(one.name, one.scope) for one in written.changed.proposals}
    assert names == given
    text = markdown(found)
    # Faster or not, each is explained once, with how to do it.
    for name, scope in given:
        lines = [line for line in text.splitlines() if line.startswith(f"- {name}:")]
        assert sum(f"{scope})." in line and "mAP: " in line for line in lines) == 1
