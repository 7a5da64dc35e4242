"""ONNX Runtime computes what the graph computes, from one self-contained file."""

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from support.descriptions import described
from support.random_detectors import INPUT, PICTURES, build, images
from support.reference_selection import select

from ghostnet_mm.errors import OptionError
from ghostnet_mm.export.description import describe
from ghostnet_mm.export.exported_models import open_exported
from ghostnet_mm.export.formats.base import ExportJob, ExportOptions
from ghostnet_mm.export.formats.onnx.format import save_onnx
from ghostnet_mm.export.formats.registry import FORMATS
from ghostnet_mm.export.graph.detection_graph import DetectionGraph

CLASSES = [str(label) for label in range(80)]


def export(name, path, size=INPUT, **options):
    cfg, model = build(name)
    graph = DetectionGraph(model)
    description = describe(cfg, graph, CLASSES, size=size)
    write(graph, description, path, **options)
    return graph, open_exported(path).description


def write(graph, description, path, name="onnx", **options):
    FORMATS[name].write(ExportJob(graph, description, path, ExportOptions(**options)))


def run_both(graph, path, batch, *second):
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    names = [value.name for value in session.get_inputs()]
    assert names == ["image", "image_sizes"][: 1 + len(second)]
    feeds = {
        name: tensor.numpy()
        for name, tensor in zip(names, (batch, *second), strict=True)
    }
    with torch.no_grad():
        wanted = graph(batch, *second)
    found = session.run(None, feeds)
    outputs = [value.name for value in session.get_outputs()]
    assert outputs == list(wanted) == list(graph.output_names)
    return wanted, dict(zip(outputs, map(torch.from_numpy, found), strict=True))


def assert_same(wanted, found):
    for key, values in wanted.items():
        torch.testing.assert_close(
            found[key], values, atol=1e-3 if key == "boxes" else 2e-5, rtol=1e-5
        )


@pytest.mark.parametrize(
    "name",
    [
        "retinanet_ghostnet_digits",
        "yolox_ghostnet-nano_coco",
        "gfl_ghostnet-nano_coco",
    ],
)
def test_static_files(name, tmp_path):
    path = tmp_path / "made" / "model.onnx"
    graph, description = export(name, path)
    assert_same(*run_both(graph, path, images(1)))
    assert [file.name for file in path.parent.iterdir()] == ["model.onnx"]
    assert description.name == name
    model = onnx.load(path)
    assert not model.functions
    assert {node.domain for node in model.graph.node} == {""}
    kinds = {node.op_type for node in model.graph.node}
    # Norms are folded, priors are constants.
    assert not kinds & {"BatchNormalization", "Range", "Shape", "Identity", "Dropout"}
    # Nothing of this machine.
    assert b"site-packages" not in path.read_bytes()
    # The graph takes other sizes again.
    with torch.no_grad():
        assert graph(images(1, (96, 96)))["scores"].shape[1] < 1200


def test_two_stages_find_the_same_on_images_of_any_number_and_size(tmp_path):
    """Proposals are faint, where ONNX Runtime's Sigmoid is not in order, or equal."""
    path = tmp_path / "model.onnx"
    cfg, model = build("faster-rcnn_ghostnet_coco")
    with torch.no_grad():
        model.rpn_head.rpn_cls.bias -= 16
    model.rpn_head.rpn_cls.register_forward_hook(
        lambda *call: (call[2] * 4).round() / 4
    )
    graph = DetectionGraph(model)
    # More than a level has in the smaller input, fewer than in the larger.
    graph.decoder.nms_pre = 200
    description = describe(cfg, graph, CLASSES, size=INPUT)
    write(graph, description, path, dynamic_batch=True, dynamic_size=True)
    for size, pictures in (
        ((96, 64), ((90, 64),)),
        (INPUT, (*PICTURES, (128, 90))),
    ):
        second = torch.tensor(pictures).float()
        batch = images(len(pictures), size)
        wanted, found = run_both(graph, path, batch, second)
        for index, picture in enumerate(pictures):
            # Proposals of nearly the same score may change places.
            mine = select(wanted, index, description, picture, (1, 1))
            other = select(found, index, description, picture, (1, 1))
            assert len(mine[1]) >= 50
            torch.testing.assert_close(other[0], mine[0], atol=1e-3, rtol=0)
            torch.testing.assert_close(other[1], mine[1], atol=1e-5, rtol=0)
            torch.testing.assert_close(other[2], mine[2])


def test_free_batch_and_size(tmp_path):
    path = tmp_path / "model.onnx"
    graph, description = export(
        "retinanet_ghostnet_digits", path, dynamic_batch=True, dynamic_size=True
    )
    for count, size in ((1, (128, 160)), (3, (192, 96))):
        assert_same(*run_both(graph, path, images(count, size)))
    assert description.input.height is None
    dims = onnx.load(path).graph.input[0].type.tensor_type.shape.dim
    named = [dim.dim_param or dim.dim_value for dim in dims]
    assert named == ["batch", 3, "height", "width"]


def test_anchors_of_one_size_are_not_exported_for_others(tmp_path):
    path = tmp_path / "model.onnx"
    with pytest.raises(OptionError, match="SSD's anchors"):
        export("ssdlite_ghostnet_coco", path, size=None, dynamic_size=True)
    assert not path.exists()


def test_operators_outside_of_the_standard_are_refused(tmp_path):
    node = onnx.helper.make_node("Relu", ["x"], ["y"], domain="com.example")
    float_type = onnx.TensorProto.FLOAT
    values = [onnx.helper.make_tensor_value_info(n, float_type, [1]) for n in "xy"]
    model = onnx.helper.make_model(
        onnx.helper.make_graph([node], "g", values[:1], values[1:])
    )
    with pytest.raises(RuntimeError, match=r"com\.example"):
        save_onnx(model, described(), tmp_path / "model.onnx")
    assert list(tmp_path.iterdir()) == []


def test_selection_and_preprocessing_join_the_graph(tmp_path):
    path = tmp_path / "model.nms.onnx"
    cfg, model = build("yolox_ghostnet-nano_coco")
    graph = DetectionGraph(model)
    without = describe(cfg, graph, CLASSES, size=INPUT)
    write(graph, without, path, "onnx-nms", preprocess=True)
    description = open_exported(path).description
    assert description.outputs.form == "detections"
    assert description.input.form == "pixels"
    # mmdet keeps any number here, a graph needs one.
    assert description.selection.max_per_img == 300
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    picture = np.random.default_rng(0).integers(0, 255, (1, 97, 131, 3), np.uint8)
    detections, labels = session.run(None, {"image": picture})
    assert detections.shape == (1, 300, 5)
    assert labels.shape == (1, 300)
    assert description.outputs.names == ("detections", "labels")
