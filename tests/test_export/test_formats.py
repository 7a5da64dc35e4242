"""Every exported file computes what the graph does in PyTorch."""

import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from ghostnet_runtime.description import MaskRule
from mmdet.registry import MODELS
from support.descriptions import described
from support.random_norms import randomize_norms
from torch import nn

from ghostnet_mm.configuration import Options, load_config
from ghostnet_mm.errors import OptionError
from ghostnet_mm.export.description import describe
from ghostnet_mm.export.exported_models import OPENERS, ExportedModel, open_exported
from ghostnet_mm.export.formats.base import ExportJob, ExportOptions
from ghostnet_mm.export.formats.ncnn import rename_blobs
from ghostnet_mm.export.formats.registry import FORMATS, chosen_formats
from ghostnet_mm.export.graph.detection_graph import DetectionGraph
from ghostnet_mm.export.graph.exportable_graph import ExportableGraph
from ghostnet_mm.export.model_files import write_description

SIZE = (96, 128)
DIGITS = "retinanet_ghostnet_digits"
FILES = {
    f"model{known.suffix}": known
    for known in FORMATS.values()
    if not known.name.startswith("onnx")
}
SMALL = dict(height=8, width=8)
DETECTIONS = dict(form="detections", names=("detections", "labels"))
MASKS = MaskRule(
    strides=(8,),
    prior_offset=0,
    coordinate_scale=8,
    feature_stride=8,
    num_prototypes=8,
    dynamic_channels=8,
    num_layers=3,
    threshold=0.5,
)


def need_libraries(name):
    if name in FILES and not FILES[name].is_installed:
        pytest.skip(f"{FILES[name].modules} are not installed")


def pictures():
    generator = torch.Generator().manual_seed(1)
    return [torch.randn(1, 3, *SIZE, generator=generator) for _ in range(2)]


def build(path):
    """Build a config's detector with random weights that tell candidates apart."""
    changes = {"model.backbone.widen_factor": 0.5}
    if path.stem.startswith("fcos"):
        changes |= {
            "model.neck.out_channels": 64,
            "model.bbox_head.in_channels": 64,
            "model.bbox_head.feat_channels": 64,
        }
    options = Options(backbone_weights="none", cfg_options=changes)
    cfg = load_config(path, options, training=False)
    torch.manual_seed(0)
    model = randomize_norms(MODELS.build(cfg.model).eval())
    for layer in model.bbox_head.modules():
        if isinstance(layer, nn.Conv2d):
            nn.init.normal_(layer.weight, std=layer.weight[0].numel() ** -0.5)
    return cfg, model


@pytest.fixture(scope="module", name="detector")
def detector_fixture(project_root):
    """Build each graph and its description once."""
    made = {}

    def get(config=DIGITS):
        if config not in made:
            cfg, model = build(project_root / "configs" / f"{config}.py")
            graph = DetectionGraph(model)
            classes = [str(label) for label in range(80)]
            made[config] = graph, describe(cfg, graph, classes, size=SIZE)
        return made[config]

    return get


@pytest.fixture(scope="module", name="exported")
def exported_fixture(detector, tmp_path_factory):
    """Export each format of the digits' detector once."""
    folder = tmp_path_factory.mktemp("exported")

    def get(name):
        need_libraries(name)
        path = folder / name
        if not path.exists():
            graph, description = detector()
            FILES[name].write(ExportJob(graph, description, path))
        return path

    return get


def assert_equals_torch(path, graph, boxes_within=2e-3, scores_within=2e-5):
    model = open_exported(path, threads=1)
    for picture in pictures():
        with torch.no_grad():
            wanted = graph(picture)
        found = model.run(picture.numpy())
        assert list(found) == list(wanted)
        for name, values in wanted.items():
            within = boxes_within if name == "boxes" else scores_within
            assert found[name].shape == values.shape
            np.testing.assert_allclose(found[name], values, rtol=1e-5, atol=within)


@pytest.mark.parametrize("name", FILES)
def test_outputs_equal_torch(detector, exported, name):
    """Catches swapped outputs, and weights stored as float16."""
    graph, _ = detector()
    assert_equals_torch(exported(name), graph)


def test_openvino_computes_in_bfloat16_when_told(exported):
    """Catches a precision that does not arrive: float32 where bfloat16 is faster."""
    path, picture = exported("model.xml"), pictures()[0].numpy()
    from openvino import Core

    settings = {
        "INFERENCE_PRECISION_HINT": "bf16",
        "PERFORMANCE_HINT": "LATENCY",
        "INFERENCE_NUM_THREADS": 1,
    }
    wanted = Core().compile_model(str(path), "CPU", settings)(picture)["scores"]
    found = open_exported(path, threads=1, precision="bf16").run(picture)["scores"]
    # Equal to float32 on processors without bfloat16.
    np.testing.assert_array_equal(found, wanted)


@pytest.mark.parametrize(
    "config",
    ["yolox_ghostnet-nano_coco", "gfl_ghostnet-nano_coco", "fcos_ghostnet_coco"],
)
def test_every_kind_of_head_goes_through_ncnn(detector, tmp_path, config):
    """Catches operations that pnnx leaves untranslated, and a batch that stays."""
    need_libraries("model.ncnn.param")
    graph, description = detector(config)
    path = tmp_path / "a.ncnn.param"
    FORMATS["ncnn"].write(ExportJob(graph, description, path))
    assert_equals_torch(path, graph)
    assert sorted(file.name for file in tmp_path.iterdir()) == [
        "a.json",
        "a.ncnn.bin",
        "a.ncnn.param",
    ]


def test_graph_stays_as_it_is(detector, exported):
    """Catches a graph left with the priors of the exported size."""
    graph, _ = detector()
    exported("model.pt")
    with torch.no_grad():
        assert graph(torch.zeros(1, 3, 64, 64))["boxes"].shape[1] == (64 + 16) * 3


def test_blobs_are_renamed_but_not_layers():
    """Catches the renaming of layers, and of blobs whose names merely start alike."""
    text = (
        "7767517\n3 4\nInput in0 0 1 in0\nSplit out1 1 2 in0 1 out1\nReLU r 1 1 1 out10"
    )
    assert rename_blobs(text, {"in0": "image", "out1": "scores"}).splitlines()[2:] == [
        "Input in0 0 1 image",
        "Split out1 1 2 image 1 scores",
        "ReLU r 1 1 1 out10",
    ]


class Passing(ExportableGraph):
    output_names = ("boxes", "scores")

    def forward(self, image):
        return {"boxes": image * 2, "scores": image + 1}


class WithoutNcnnLayer(Passing):
    def forward(self, image):
        found = nn.functional.linear(image, torch.arange(8.0))
        return {"boxes": found, "scores": found}


def small_description(**changes):
    return described(described(input=SMALL, resize=dict(scale=(8, 8))), **changes)


def test_operation_that_ncnn_lacks_is_told_and_leaves_nothing(tmp_path):
    need_libraries("model.ncnn.param")
    with pytest.raises(OptionError, match="ncnn has no layer for"):
        FORMATS["ncnn"].write(
            ExportJob(
                WithoutNcnnLayer(), small_description(), tmp_path / "a.ncnn.param"
            )
        )
    assert not list(tmp_path.iterdir())


STATIC = [known.name for known in FORMATS.values() if not known.takes_options]


@pytest.mark.parametrize("name", STATIC)
@pytest.mark.parametrize(
    ("change", "options", "told"),
    [
        (dict(outputs=DETECTIONS), {}, "NMS"),
        (dict(input=dict(form="pixels")), {}, "preprocessing"),
        (dict(input=dict(batch=None)), {}, "fixed size"),
        (dict(input=dict(height=None, width=None)), {}, "fixed size"),
        ({}, dict(dynamic_batch=True), "no dynamic axes"),
        ({}, dict(preprocess=True), "no preprocessing"),
    ],
)
def test_forms_for_onnx_only_are_refused(tmp_path, name, change, options, told):
    """Catches options that are passed over in silence."""
    path = tmp_path / f"model{FORMATS[name].suffix}"
    description = small_description(**change)
    job = ExportJob(Passing(), description, path, ExportOptions(**options))
    with pytest.raises(OptionError, match=f"{name} .*{told}"):
        FORMATS[name].write(job)
    assert not list(tmp_path.iterdir())


class PassingTwoStages(Passing):
    takes_image_sizes = True


def chosen_names(graph, description, names=None):
    chosen, left_out = chosen_formats(names, graph, description)
    # None is lost.
    told = [reason.partition(" ")[0] for reason in left_out]
    assert sorted([known.name for known in chosen] + told) == sorted(FORMATS)
    return [known.name for known in chosen], "\n".join(left_out)


def test_two_stages_are_refused_where_they_do_not_fit(tmp_path):
    names, told = chosen_names(PassingTwoStages(), small_description())
    assert names == ["onnx", "onnx-nms", "openvino", "torchscript", "exported-program"]
    assert told.count("cannot hold two-stage") == 3
    job = ExportJob(PassingTwoStages(), small_description(), tmp_path / "a.ncnn.param")
    with pytest.raises(OptionError, match="ncnn cannot hold two-stage detectors"):
        FORMATS["ncnn"].write(job)
    with pytest.raises(OptionError, match="ncnn cannot hold two-stage detectors"):
        chosen_formats(["onnx", "ncnn"], job.graph, job.description)


def test_masks_and_free_sizes_leave_out_what_cannot_hold_them():
    names = ("boxes", "scores", "kernels", "mask_features")
    masks = small_description(outputs=dict(names=names), masks=MASKS)
    chosen, told = chosen_names(Passing(), masks)
    assert "onnx" in chosen
    assert "onnx-nms cannot hold masks" in told
    free = dict(height=None, width=None)
    chosen, told = chosen_names(Passing(), small_description(input=free))
    assert chosen == ["onnx", "onnx-nms", "openvino"]
    assert told.count("needs a fixed size") == 5


def test_nms_in_the_graph_is_left_out_where_it_would_need_picture_sizes():
    description = small_description(selection=dict(min_bbox_size=8))
    chosen, told = chosen_names(Passing(), description)
    assert {"onnx", "openvino"} <= set(chosen)
    assert "min_bbox_size asks for: set it to 0" in told


def test_unknown_formats_are_told():
    with pytest.raises(OptionError, match=r"--formats onx is unknown: .* onnx,"):
        chosen_formats(["onnx", "onx"], Passing(), small_description())


WITHOUT_LIBRARIES = """
import sys
for name in sys.argv[1].split():
    sys.modules[name] = None
from pathlib import Path
from support.descriptions import described
from ghostnet_mm.errors import OptionError
from ghostnet_mm.export.formats.base import ExportJob
from ghostnet_mm.export.formats.registry import FORMATS
from ghostnet_mm.export.graph.exportable_graph import ExportableGraph
for known in FORMATS.values():
    if known.modules:
        assert not known.is_installed
        try:
            path = Path("nowhere", f"model{known.suffix}")
            known.write(ExportJob(ExportableGraph(), described(), path))
        except OptionError as error:
            print(error)
"""


def test_formats_are_known_without_their_libraries(tmp_path, project_root):
    """Catches imports of an extra at the top of a module."""
    modules = sorted({name for known in FORMATS.values() for name in known.modules})
    paths = [project_root, project_root / "runtime", project_root / "tests"]
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_LIBRARIES, " ".join(modules)],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(map(str, paths))},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    told = done.stdout.splitlines()
    extras = [known.extra for known in FORMATS.values() if known.modules]
    assert len(told) == len(extras) == 6
    for line, extra in zip(told, extras, strict=True):
        assert line.endswith(f'run `pip install "ghostnet_mm[{extra}]"`.')
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", FILES)
def test_path_of_another_format_is_refused(detector, tmp_path, name):
    need_libraries(name)
    graph, description = detector()
    with pytest.raises(OptionError, match="name a"):
        FILES[name].write(ExportJob(graph, description, tmp_path / "model.bin"))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("name", "module", "package"),
    [
        ("model.onnx", "onnxruntime", "onnxruntime"),
        ("model.xml", "openvino", "openvino"),
        ("model.param", "ncnn", "ncnn"),
        ("model.pte", "executorch", '"ghostnet_mm[executorch]"'),
        ("model.tflite", "ai_edge_litert", '"ghostnet_mm[litert]"'),
    ],
)
def test_missing_library_is_named(tmp_path, monkeypatch, name, module, package):
    for loaded in [m for m in sys.modules if m.partition(".")[0] == module]:
        monkeypatch.delitem(sys.modules, loaded)
    monkeypatch.setitem(sys.modules, module, None)
    (tmp_path / name).write_bytes(b"")
    told = f"{module} cannot be imported .*`pip install {re.escape(package)}`"
    with pytest.raises(OptionError, match=told):
        open_exported(tmp_path / name)


@pytest.mark.parametrize("suffix", OPENERS)
def test_damaged_file_is_told(tmp_path, suffix):
    name = {".param": "model.ncnn.param"}.get(suffix, f"model{suffix}")
    need_libraries(name)
    path = tmp_path / name
    path.write_bytes(b"damaged")
    path.with_suffix(".bin").write_bytes(b"damaged")
    write_description(small_description(), path)
    with pytest.raises(OptionError, match="export it anew"):
        open_exported(path)


def test_other_files_are_refused(tmp_path):
    with pytest.raises(OptionError, match=r"must end in \.onnx"):
        open_exported(tmp_path / "weights.pth")
    with pytest.raises(OptionError, match="does not exist"):
        open_exported(tmp_path / "model.onnx")
    # Only OpenVINO has a choice of it.
    with pytest.raises(OptionError, match=r"must end in \.xml\."):
        open_exported(tmp_path / "model.onnx", precision="bf16")


def test_missing_description_is_told(exported, tmp_path):
    path = tmp_path / "model.pt"
    path.write_bytes(exported("model.pt").read_bytes())
    with pytest.raises(OptionError, match=r"needs its description model\.json"):
        open_exported(path)


def test_wrong_inputs_are_refused(exported):
    model = open_exported(exported("model.pt"))
    picture = pictures()[0].numpy()
    for wrong in (picture.astype(np.uint8), picture[0], picture[..., :64]):
        with pytest.raises(OptionError, match="takes float32 images"):
            model.run(wrong)


class Echo:
    """Gives back what it is fed, the picture as boxes."""

    def run(self, inputs, names):
        return {name: inputs.get(name, inputs["image"]) for name in names}


def test_files_with_preprocessing_take_pictures_of_any_size():
    """Catches pixels held to the size of the network inside."""
    description = small_description(input=dict(form="pixels"))
    model = ExportedModel(Path("model.onnx"), description, Echo())
    picture = np.zeros((1, 5, 7, 3), np.uint8)
    assert model.run(picture)["boxes"] is picture
    with pytest.raises(OptionError, match=r"uint8 images of the shape \(1, H, W, 3\)"):
        model.run(np.zeros((1, 3, 8, 8), np.float32))


def test_picture_fills_its_image_unless_told():
    """Catches heights and widths in the wrong order, and integers."""
    description = small_description(input=dict(image_sizes="scores"))
    model = ExportedModel(Path("model.onnx"), description, Echo())
    image = np.zeros((1, 3, 8, 8), np.float32)
    sizes = model.run(image)["scores"]
    assert sizes.dtype == np.float32
    assert sizes.tolist() == [[8, 8]]
    assert model.run(image, [[5, 7]])["scores"].tolist() == [[5, 7]]


def test_threads_of_torch_are_given_back(exported):
    before = torch.get_num_threads()
    open_exported(exported("model.pt2"), threads=before + 1).run(pictures()[0].numpy())
    assert torch.get_num_threads() == before


@pytest.mark.parametrize("name", ["onnx", "openvino", "torchscript"])
def test_names_of_any_letters_are_read_back(tmp_path, name):
    """Catches texts that XML, protobuf or the system's own encoding spoil."""
    known = FORMATS[name]
    if not known.is_installed:
        pytest.skip(f"{known.modules} are not installed")
    description = small_description(classes=('\u732b & <"dog">', "na\u00efve\n\t'x'"))
    path = tmp_path / f"model{known.suffix}"
    known.write(ExportJob(Passing(), description, path))
    assert open_exported(path).description == description


def test_description_of_export_is_read_back(detector, exported):
    _, description = detector()
    for name in ("model.pt", "model.pt2", "model.ncnn.param", "model.xml"):
        assert open_exported(exported(name)).description == description
