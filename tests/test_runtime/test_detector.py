"""The detector on tiny models of every form, and alone in its process."""

import json
import os
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from ghostnet_runtime import DataError, Detector, ModelError, OptionError
from ghostnet_runtime.backends import OpenVinoBackend
from ghostnet_runtime.description_text import description_file

BOXES = [[2, 4, 10, 20], [2, 4, 10, 21], [-3, 8, 30, 40], [1, 1, 1, 9]]
SCORES = [[0.1, 0.8, 0.0], [0.1, 0.7, 0.2], [0.6, 0.0, 0.0], [0.0, 0.0, 0.9]]
# With mean 0 and deviation 1 the network's input is the picture's grey levels.
PLAIN = {"mean": [0, 0, 0], "std": [1, 1, 1]}


def test_candidates_of_a_tensor(tmp_path, tiny_onnx, raw_description):
    raw = raw_description(input=PLAIN)
    path = tiny_onnx(tmp_path / "a.onnx", raw, BOXES, SCORES)
    detector = Detector(path, threads=1)
    assert detector.classes == ("cat", "dog", "bird")
    found = detector(np.zeros((64, 16, 3), np.uint8))
    # Twice as high, half as wide; the second box of the dog goes, as does the flat one.
    expected = [[1, 8, 5, 40], [0, 16, 15, 64], [1, 8, 5, 42]]
    np.testing.assert_array_equal(found.labels[:2], [1, 0])
    np.testing.assert_allclose(found.scores, [0.8, 0.6, 0.2, 0.1], rtol=1e-6)
    np.testing.assert_array_equal(found.boxes[:3], expected)
    assert (found.boxes.dtype, found.labels.dtype) == (np.float32, np.int64)
    assert found.masks is None
    assert len(found) == 4


def test_the_picture_reaches_the_network(tmp_path, tiny_onnx, raw_description):
    path = tiny_onnx(tmp_path / "a.onnx", raw_description(input=PLAIN), BOXES, SCORES)
    image = np.zeros((32, 32, 3), np.uint8)
    image[:16, :, 0] = 1
    found = Detector(path, score_threshold=0.5)(image)
    # Its mean is 1/6, of which the model adds a half.
    np.testing.assert_allclose(found.scores, [0.8 + 1 / 12, 0.6 + 1 / 12], rtol=1e-5)


def test_candidates_of_pixels_of_any_size(tmp_path, tiny_onnx, raw_description):
    fed = {"form": "pixels", "channel_order": "bgr"}
    path = tiny_onnx(tmp_path / "a.onnx", raw_description(input=fed), BOXES, SCORES)
    found = Detector(path, score_threshold=0.7)(np.zeros((64, 16, 3), np.uint8))
    np.testing.assert_array_equal(found.boxes, [[1, 8, 5, 40]])


def detections_model(path, raw, with_sizes=False):
    """Five rows, of which the last is empty; the image sizes come out as a box."""
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    rows = np.float32([[*BOXES[0], 0.9], [*BOXES[2], 0.4], [1, 2, 3, 4, 0.2]])
    rows = np.concatenate([rows, np.zeros((2, 5), np.float32)])[None]
    is_pixels = raw["input"]["form"] == "pixels"
    kind = TensorProto.UINT8 if is_pixels else TensorProto.FLOAT
    shape = [1, None, None, 3] if is_pixels else [1, 3, None, None]
    inputs = [helper.make_tensor_value_info("image", kind, shape)]
    nodes = [
        helper.make_node("Identity", ["rows"], ["detections"]),
        helper.make_node("Identity", ["all_labels"], ["labels"]),
    ]
    if with_sizes:
        inputs.append(
            helper.make_tensor_value_info("image_sizes", TensorProto.FLOAT, [1, 2])
        )
        nodes[0] = helper.make_node(
            "ScatterND", ["rows", "at", "sizes"], ["detections"]
        )
        nodes.insert(0, helper.make_node("Reshape", ["image_sizes", "two"], ["sizes"]))
    constants = {
        "rows": rows,
        "all_labels": np.int64([[1, 0, 2, -1, -1]]),
        "at": np.int64([[0, 0, 2], [0, 0, 3]]),
        "two": np.int64([2]),
    }
    graph = helper.make_graph(
        nodes,
        "tiny",
        inputs,
        [
            helper.make_tensor_value_info("detections", TensorProto.FLOAT, [1, 5, 5]),
            helper.make_tensor_value_info("labels", TensorProto.INT64, [1, 5]),
        ],
        [numpy_helper.from_array(v, k) for k, v in constants.items()],
    )
    opset = [helper.make_opsetid("", 17)]
    model = helper.make_model(graph, opset_imports=opset, ir_version=8)
    helper.set_model_props(model, {"ghostnet_mm": json.dumps(raw)})
    onnx.save(model, str(path))
    return path


DETECTIONS = {"form": "detections", "names": ["detections", "labels"]}


def test_detections_of_a_tensor(tmp_path, raw_description):
    path = detections_model(tmp_path / "a.onnx", raw_description(outputs=DETECTIONS))
    found = Detector(path)(np.zeros((64, 16, 3), np.uint8))
    assert found.labels.tolist() == [1, 0, 2]
    np.testing.assert_array_equal(found.boxes[0], [1, 8, 5, 40])
    some = Detector(path, score_threshold=0.4)(np.zeros((64, 16, 3), np.uint8))
    assert some.labels.tolist() == [1, 0]
    np.testing.assert_array_equal(some.scores, np.float32([0.9, 0.4]))


def test_detections_of_pixels_are_the_pictures(tmp_path, raw_description):
    raw = raw_description(outputs=DETECTIONS, input={"form": "pixels"})
    path = detections_model(tmp_path / "a.onnx", raw)
    found = Detector(path)(np.zeros((64, 16, 3), np.uint8))
    np.testing.assert_array_equal(found.boxes[0], BOXES[0])


def test_a_model_that_asks_is_told_the_size_inside_the_padding(
    tmp_path, raw_description
):
    raw = raw_description(
        outputs=DETECTIONS,
        input={"height": None, "width": None, "image_sizes": "image_sizes"},
        resize={"scale": [40, 40], "keep_ratio": True},
    )
    path = detections_model(tmp_path / "a.onnx", raw, with_sizes=True)
    found = Detector(path)(np.zeros((40, 20, 3), np.uint8))
    np.testing.assert_array_equal(found.boxes[0], [2, 4, 40, 20])


def test_a_description_beside_the_model(tmp_path, tiny_onnx, raw_description):
    raw = raw_description(name="beside")
    path = tiny_onnx(tmp_path / "net-1.1x_a.onnx", raw, BOXES, SCORES, embed=False)
    with pytest.raises(ModelError, match=r"needs its description net-1\.1x_a\.json"):
        Detector(path)
    (tmp_path / "net-1.1x_a.json").write_text(json.dumps(raw))
    assert Detector(path).description.name == "beside"


def test_where_the_description_of_a_file_is():
    assert description_file(Path("d/a-1.1x_b.ncnn.param")) == Path("d/a-1.1x_b.json")
    assert description_file(Path("d/a.param")) == Path("d/a.json")
    assert description_file(Path("d/a-1.1x_b.pt")) == Path("d/a-1.1x_b.json")


def test_openvino_finds_the_same(tmp_path, tiny_onnx, raw_description):
    openvino = pytest.importorskip("openvino")
    raw = raw_description()
    path = tiny_onnx(tmp_path / "a.onnx", raw, BOXES, SCORES)
    model = openvino.convert_model(str(path))
    model.set_rt_info(json.dumps(raw), ["ghostnet_mm"])
    openvino.save_model(model, str(tmp_path / "b.xml"), compress_to_fp16=False)
    image = np.full((40, 30, 3), 90, np.uint8)
    first = Detector(path)(image)
    second = Detector(tmp_path / "b.xml", threads=1)(image)
    np.testing.assert_allclose(first.boxes, second.boxes, atol=1e-5)
    np.testing.assert_allclose(first.scores, second.scores, atol=1e-5)
    np.testing.assert_array_equal(first.labels, second.labels)


def test_files_that_are_no_models(tmp_path):
    with pytest.raises(ModelError, match=r"a\.pth is no model .* end in \.onnx"):
        Detector(tmp_path / "a.pth")
    with pytest.raises(ModelError, match=r"a\.onnx does not exist"):
        Detector(tmp_path / "a.onnx")
    for name in ("a.xml", "a.param"):
        (tmp_path / name).write_bytes(b"nothing")
        with pytest.raises(ModelError, match=r"needs a\.bin beside it"):
            Detector(tmp_path / name)
    for name in ("a.onnx", "a.bin"):
        (tmp_path / name).write_bytes(b"nothing")
    for name in ("a.onnx", "a.xml", "a.param"):
        with pytest.raises(ModelError, match="cannot be loaded; copy or export it"):
            Detector(tmp_path / name)


def test_arguments_that_cannot_be(tmp_path):
    with pytest.raises(OptionError, match="threads is 0"):
        Detector(tmp_path / "a.onnx", threads=0)
    with pytest.raises(OptionError, match="score_threshold is 30"):
        Detector(tmp_path / "a.onnx", score_threshold=30)
    with pytest.raises(OptionError, match=r"'int8'; give f32 or bf16\.$"):
        OpenVinoBackend(tmp_path / "a.xml", None, "int8")


def test_a_missing_library_is_named(tmp_path, monkeypatch):
    (tmp_path / "a.xml").write_text("<net/>")
    monkeypatch.setitem(sys.modules, "openvino", None)
    with pytest.raises(OptionError, match=r"^openvino cannot.*`pip install openvino`"):
        Detector(tmp_path / "a.xml")


def test_models_that_contradict_their_description(tmp_path, tiny_onnx, raw_description):
    path = tiny_onnx(tmp_path / "a.onnx", raw_description(), BOXES, np.ones((4, 2)))
    with pytest.raises(ModelError, match=r"scores 2 classes .* names 3"):
        Detector(path)(np.zeros((9, 9, 3), np.uint8))
    raw = raw_description(selection={"levels": [3]})
    path = tiny_onnx(tmp_path / "b.onnx", raw, BOXES, SCORES)
    with pytest.raises(ModelError, match=r"gives 4 candidates .* counts 3"):
        Detector(path)(np.zeros((9, 9, 3), np.uint8))


def test_the_network_is_given_no_grey_picture(tmp_path, tiny_onnx, raw_description):
    path = tiny_onnx(tmp_path / "a.onnx", raw_description(), BOXES, SCORES)
    with pytest.raises(DataError, match="COLOR_GRAY2BGR"):
        Detector(path).detect(np.zeros((9, 9), np.uint8))


def test_no_training_library_is_imported(
    tmp_path, tiny_onnx, raw_description, project_root
):
    path = tiny_onnx(tmp_path / "a.onnx", raw_description(input=PLAIN), BOXES, SCORES)
    cv2.imwrite(str(tmp_path / "a.png"), np.zeros((9, 9, 3), np.uint8))
    program = f"""
import sys
from ghostnet_runtime import Detector
from ghostnet_runtime.command_line import main
import cv2
assert len(Detector({str(path)!r})(cv2.imread({str(tmp_path / "a.png")!r}))) == 4
assert main([{str(path)!r}, {str(tmp_path / "a.png")!r}, "--out", {str(tmp_path)!r}
             + "/out"]) == 0
unwanted = {{"torch", "torchvision", "mmcv", "mmdet", "mmengine", "matplotlib",
             "pycocotools", "onnx", "ghostnet_mm", "openvino", "ncnn"}}
print(sorted(unwanted & set(sys.modules)))
"""
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "PYTHONPATH": str(project_root / "runtime")},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.splitlines()[-1] == "[]"
