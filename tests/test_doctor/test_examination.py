"""A whole examination: its files, what is said of them, and that it changes nothing."""

import hashlib
import json
import shutil
import sys
from dataclasses import replace
from types import SimpleNamespace

import onnx
import pytest
import torch
from mmdet.utils import register_all_modules
from support.random_norms import randomize_norms
from torch import nn

from ghostnet_mm.benchmarking import BenchmarkCandidate, eager, run_benchmark
from ghostnet_mm.benchmarking.pictures import synthetic_picture
from ghostnet_mm.doctor import (
    Examination,
    diagnose,
    diagnosis,
    exported_files,
    markdown,
    timed_proposals,
    write_json,
)
from ghostnet_mm.doctor.exported_files import (
    export_all,
    int8_proposals,
    runtime_proposals,
)
from ghostnet_mm.export.exported_detector import ExportedDetector
from ghostnet_mm.quantization.output_error import output_error

SIZE = (64, 96)
SMALL = {
    "model.neck.out_channels": 16,
    "model.bbox_head.in_channels": 16,
    "model.bbox_head.feat_channels": 16,
    "model.bbox_head.stacked_convs": 1,
}


def digest(module):
    found = hashlib.sha256()
    for name, values in module.state_dict().items():
        found.update(name.encode() + values.numpy().tobytes())
    return found.hexdigest()


class Written:
    """A small detector with all its files."""

    def __init__(self, config, folder):
        register_all_modules(init_default_scope=True)
        torch.manual_seed(0)
        self.candidate = BenchmarkCandidate("digits", config, cfg_options=SMALL)
        self.detector = eager.load_eager(self.candidate, SIZE)
        model = randomize_norms(self.detector.model)
        # Classes that differ, and not all alike.
        nn.init.normal_(model.bbox_head.retina_cls.weight, std=0.1)
        self.pictures = [synthetic_picture(seed, SIZE) for seed in range(2)]
        self.before = digest(model)
        self.notes = []
        self.files = export_all(self.detector, folder, self.notes)
        self.float_files = dict(self.files)
        self.exact = ExportedDetector(self.files["onnx"], 1)
        self.proposals = int8_proposals(
            self.exact, self.pictures, self.files, self.notes
        )


@pytest.fixture(scope="module")
def written(project_root, tmp_path_factory):
    config = project_root / "configs" / "retinanet_ghostnet_digits.py"
    return Written(str(config), tmp_path_factory.mktemp("files"))


def test_the_detector_that_is_handed_in_stays_as_it_is(written):
    assert digest(written.detector.model) == written.before
    assert [name for name in written.files if not name.startswith("int8.")] == list(
        written.float_files
    )
    for path in written.files.values():
        opened = ExportedDetector(path, 1)
        assert opened.model.description == written.exact.model.description


def test_int8_is_per_channel_and_its_error_is_said(written):
    (found,) = [each for each in written.proposals if each.runtime == "int8.onnx"]
    assert found.scope == "network in ONNX Runtime"
    assert found.how.endswith(
        "ghostnet quantize CONFIG CHECKPOINT --runtimes onnxruntime"
    )
    path = written.files["int8.onnx"]
    model = onnx.load(str(path))
    weights = {tensor.name: tensor for tensor in model.graph.initializer}
    scales = [
        tuple(weights[node.input[1]].dims)
        for node in model.graph.node
        if node.op_type == "DequantizeLinear" and node.input[0] in weights
        if len(weights[node.input[0]].dims) == 4
    ]
    assert scales
    assert all(len(dims) == 1 and dims[0] > 1 for dims in scales)
    images = [written.exact.network_input(picture) for picture in written.pictures]
    exact = [written.exact.model.run(image) for image in images]
    rough = [ExportedDetector(path, 1).model.run(image) for image in images]
    error = output_error(exact, rough).total
    assert error > 1e-3
    assert f"(output error {error:.4f} on 2 pictures)" in found.accuracy


def test_what_cannot_be_written_is_said_and_costs_nothing_else(
    written, monkeypatch, tmp_path
):
    def fails(*_):
        raise ValueError("Trace.\nan odd graph.")

    def copies(_, path):
        shutil.copyfile(written.files["onnx"], path)

    notes = []
    monkeypatch.setattr(exported_files, "_export_onnx", copies)
    monkeypatch.setattr(exported_files, "openvino_from_onnx", fails)
    files = export_all(written.detector, tmp_path, notes)
    assert list(files) == ["onnx"]
    assert notes == ["OpenVINO: does not run here (an odd graph)."]
    notes = []
    monkeypatch.setitem(sys.modules, "nncf", None)
    both = {suffix: files["onnx"] for suffix in ("onnx", "xml")}
    found = int8_proposals(written.exact, written.pictures, both, notes)
    assert [each.runtime for each in found] == ["int8.onnx"]
    (note,) = notes
    assert note.startswith("INT8 in OpenVINO: does not run here (")
    assert "pip install" in note
    given = SimpleNamespace(input=SimpleNamespace(image_sizes="image_sizes"))
    two_stage = SimpleNamespace(model=SimpleNamespace(description=given))
    notes = []
    assert not int8_proposals(two_stage, written.pictures, dict(both), notes)
    assert "detectors of two stages are not quantized" in notes[0]


@pytest.fixture
def one_process(monkeypatch):
    """Processes of their own take half a minute here; benchmarks test them."""

    def run(candidates, settings, pictures, leave_out):
        settings = replace(settings, isolated=False)
        return run_benchmark(candidates, settings, pictures, leave_out=leave_out)

    monkeypatch.setattr(timed_proposals, "run_benchmark", run)


@pytest.mark.parametrize("exported", [True, False])
def test_an_examination_times_every_proposal(
    written, monkeypatch, one_process, exported, tmp_path
):
    def add_int8(*arguments):
        arguments[2].update(written.files)
        return written.proposals

    monkeypatch.setattr(diagnosis, "export_all", lambda *_: dict(written.float_files))
    monkeypatch.setattr(diagnosis, "int8_proposals", add_int8)
    asked = Examination(size=SIZE, threads=1, rounds=1, runtimes=exported)
    found = diagnose(written.candidate, written.pictures, asked)
    timed = {(each.proposal.name, each.proposal.scope) for each in found.trials}
    files = [*written.proposals, *runtime_proposals(written.float_files)]
    expected = {(each.name, each.scope) for each in files if exported}
    eager_ones = {name for name, scope in timed - expected if scope == "network"}
    assert timed >= expected
    assert any(name.startswith("deploy form") for name in eager_ones)
    assert any(name.startswith("backbone width") for name in eager_ones)
    assert [profile.runtime for profile in found.profiles] == (
        ["eager PyTorch", "ONNX Runtime"] if exported else ["eager PyTorch"]
    )
    table = markdown(found).partition("## Changes, measured")[2]
    for name, scope in timed:
        assert sum(name in line and scope in line for line in table.splitlines())
    write_json(found, tmp_path / "a.json")
    assert len(json.loads((tmp_path / "a.json").read_text())["trials"]) == len(timed)


def test_an_interrupted_examination_keeps_its_profiles(written, monkeypatch):
    def time_proposals(*_):
        yield [], ["A note."]
        raise KeyboardInterrupt

    monkeypatch.setattr(diagnosis, "time_proposals", time_proposals)
    asked = Examination(size=SIZE, threads=1, rounds=1, runtimes=False)
    found = diagnose(written.candidate, written.pictures, asked)
    assert found.was_interrupted
    assert found.profiles
    assert found.notes[-2:] == ("A note.", "Interrupted: not all changes were timed.")
