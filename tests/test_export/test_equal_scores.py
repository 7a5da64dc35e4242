"""The best of a level come in the same order from every runtime, ties too."""

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from ghostnet_runtime.description_text import METADATA_KEY
from support.descriptions import described

from ghostnet_mm.export.formats.onnx.format import save_onnx
from ghostnet_mm.export.formats.onnx.model import onnx_model
from ghostnet_mm.export.formats.openvino import openvino_from_onnx
from ghostnet_mm.export.graph.exportable_graph import ExportableGraph
from ghostnet_mm.export.graph.ranking import best_in_order

SIDE, BATCH = 128, 3


class Ranking(ExportableGraph):
    """The best pixels of the first channel, and where they are."""

    output_names = ("scores", "boxes")

    def __init__(self, count):
        super().__init__()
        self.count = count

    def forward(self, image):
        best, places = best_in_order(image[:, 0].flatten(1), self.count)
        return {"scores": best, "boxes": places}


def scores_with_ties(levels):
    """Many pixels of each of a few scores, some of them 0 and below."""
    generator = np.random.default_rng(levels)
    image = generator.integers(-1, levels, (BATCH, 3, SIDE, SIDE)).astype("f4") / levels
    image[0, 0] = 0.5
    image[1, 0, 1] = 0.75
    return image


def ranked(image, count):
    """numpy's stable sort."""
    scores = image[:, 0].reshape(BATCH, -1)
    places = np.argsort(-scores, axis=1, kind="stable")[:, :count]
    return np.take_along_axis(scores, places, axis=1), places


def check(outputs, image, count):
    scores, places = ranked(image, count)
    assert len(np.unique(scores)) < scores.size
    np.testing.assert_array_equal(outputs[0], scores)
    np.testing.assert_array_equal(outputs[1], places)


@pytest.fixture(scope="module", params=[1, 37, 1000, SIDE * SIDE])
def exported(request, tmp_path_factory):
    count = request.param
    path = tmp_path_factory.mktemp("ranking") / "model.onnx"
    description = described(
        input=dict(height=SIDE, width=SIDE, batch=None),
        resize=dict(scale=(SIDE, SIDE)),
    )
    save_onnx(onnx_model(Ranking(count), description), description, path)
    return count, path


@pytest.mark.parametrize("count", [1, 37, SIDE * SIDE])
def test_pytorch(count):
    image = scores_with_ties(7)
    with torch.no_grad():
        found = Ranking(count)(torch.from_numpy(image))
    check([found["scores"].numpy(), found["boxes"].numpy()], image, count)


@pytest.mark.parametrize("threads", [1, 2])
def test_onnx_runtime(exported, threads):
    count, path = exported
    model = onnx.load(path)
    # No level is sorted for the sake of some of it.
    (node,) = [node for node in model.graph.node if node.op_type == "TopK"]
    (wanted,) = [c for c in model.graph.initializer if c.name == node.input[1]]
    assert onnx.numpy_helper.to_array(wanted).tolist() == [count]
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(path, options)
    for levels in (2, 7, 300):
        image = scores_with_ties(levels)
        check(session.run(None, {"image": image}), image, count)


def test_openvino(exported, tmp_path):
    """Catches TopK as the importer leaves it, where equal scores change places."""
    openvino = pytest.importorskip("openvino")
    count, path = exported
    file = openvino_from_onnx(path, tmp_path / "model.xml")
    core = openvino.Core()
    model = core.read_model(file)
    assert model.has_rt_info([METADATA_KEY])
    compiled = core.compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    for levels in (2, 7, 300):
        image = scores_with_ties(levels)
        results = compiled(image)
        check([results[name] for name in ("scores", "boxes")], image, count)
