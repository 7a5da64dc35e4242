"""tools/export.py as a user runs it, and what it says of a wrong file."""

import copy
import json
from dataclasses import replace

import numpy as np
import pytest
from running_tools import TINY, run, run_here
from tiny_coco import make_tiny_coco

from ghostnet_mm.configuration import Options
from ghostnet_mm.deployment import export_formats
from ghostnet_mm.deployment.accuracy import coco_scores, labelled_pictures
from ghostnet_mm.deployment.exported_detector import ExportedDetector
from ghostnet_mm.deployment.exporting import ExportRequest, export_detector
from ghostnet_mm.engine.detection import load_detector
from ghostnet_mm.evaluation.shown_objects import Boxes


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A folder with pictures and a detector that found something in them."""
    folder = tmp_path_factory.mktemp("export")
    make_tiny_coco(folder / "coco")
    done = run_here(
        "train",
        *(TINY, "--data-root", folder / "coco", "--work-dir", folder / "run"),
        *("--cfg-options", "train_cfg.max_epochs=30", "train_cfg.val_interval=30"),
        cwd=folder,
    )
    assert done.returncode == 0, done.stderr
    return folder


def checkpoint(folder):
    return next((folder / "run").glob("epoch_30.pth"))


def test_files_and_card(trained):
    done = run(
        "export",
        *(TINY, checkpoint(trained), "--data-root", trained / "coco", "--out", "out"),
        *("--formats", "onnx", "onnx-nms", "openvino", "ncnn", "--threads", 1),
        *("--latency-rounds", 2, "--name", "tiny"),
        cwd=trained,
    )
    assert done.returncode == 0, done.stderr + done.stdout
    card = json.loads((trained / "out" / "deploy_card.json").read_text())
    names = [one["name"] for one in card["formats"]]
    assert names == ["onnx", "onnx-nms", "openvino", "ncnn"]
    # mmdet pads these pictures to 64 x 96, the files' input is 96 x 96.
    assert card["pytorch"]["bbox_mAP"] != card["pytorch_padded"]["bbox_mAP"]
    expected = card["pytorch_padded"]["bbox_mAP"]
    assert expected > 0.05  # or equality would mean little
    for one in card["formats"]:
        assert one["metrics"]["bbox_mAP"] == expected, one["name"]
        assert one["detections"]["pairs"] > 4
        assert one["failures"] == []
        assert (trained / "out" / one["file"]).is_file()
        assert one["end_to_end"]["rounds"] == 2
    assert "deploy_card.html" in done.stdout
    assert {"onnxruntime", "openvino", "ncnn"} <= set(card["machine"])


def test_the_graph_takes_pictures_on_request(trained):
    done = run_here(
        "export",
        *(trained / "run" / "tiny_detector.py", checkpoint(trained)),
        *("--images", trained / "coco" / "val2017"),
        *("--formats", "onnx-nms", "--preprocess", "--no-map", "--out", "pixels"),
        *("--latency-rounds", 0, "--name", "tiny", "--box-tolerance", 1),
        *("--score-tolerance", 0.05),
        cwd=trained,
    )
    assert done.returncode == 0, done.stderr
    card = json.loads((trained / "pixels" / "deploy_card.json").read_text())
    (one,) = card["formats"]
    assert one["outputs"] is None
    assert one["detections"]["pairs"] > 4
    assert one["metrics"] == {}
    detector = ExportedDetector(trained / "pixels" / "tiny.nms.onnx")
    assert detector.network_input(np.zeros((48, 64, 3), np.uint8)).dtype == np.uint8


def test_a_wrong_file_is_an_error_that_names_the_layer(trained, monkeypatch):
    """A writer that changes one layer on the way stands for an exporter's bug."""
    layer = "network.backbone.blocks.2.0.ghost1.primary_conv.0"

    def write(graph, description, path, example, onnx_options):
        wrong = copy.deepcopy(graph)
        wrong_network = getattr(wrong, "source", wrong)
        wrong_network.get_submodule(layer).bias.data += 0.5
        sound.write(wrong, description, path, example, onnx_options)

    sound = export_formats.FORMATS["torchscript"]
    monkeypatch.setitem(
        export_formats.FORMATS, "torchscript", replace(sound, write=write)
    )
    detector = load_detector(checkpoint(trained), device="cpu")
    pictures = [np.full((64, 96, 3), 120, np.uint8)]
    card = export_detector(
        detector,
        trained / "wrong",
        "tiny",
        ExportRequest(formats=["torchscript"], pictures=pictures, rounds=0),
    )
    (one,) = card.formats
    assert one.failures
    assert one.divergence.layer == layer
    page = (trained / "wrong" / "deploy_card.html").read_text()
    assert layer in page


def test_scores_are_those_of_the_test_tool(trained):
    done = run_here(
        "test",
        *(TINY, checkpoint(trained), "--data-root", trained / "coco"),
        *("--work-dir", trained / "tested"),
        cwd=trained,
    )
    assert done.returncode == 0, done.stderr
    options = Options(data_root=str(trained / "coco"))
    detector = load_detector(checkpoint(trained), TINY, options, device="cpu")
    pictures = labelled_pictures(detector.model.cfg)
    scores = coco_scores(pictures, detector.detect)
    assert f"{100 * scores['bbox_mAP']:.1f}" in done.stdout or (
        f"{scores['bbox_mAP']:.3f}" in done.stdout
    )
    nothing = Boxes(np.zeros((0, 4), np.float32), np.zeros(0, int), np.zeros(0))
    assert coco_scores(pictures, lambda pixels: nothing) == {"bbox_mAP": 0.0}


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--formats", "onx"), "--formats onx"),
        (("--images", "nowhere"), "nowhere"),
    ],
)
def test_mistakes_are_told_in_a_sentence(trained, arguments, says):
    images = () if "--images" in arguments else ("--data-root", trained / "coco")
    config = trained / "run" / "tiny_detector.py"
    done = run_here(
        "export",
        *(config, checkpoint(trained), "--latency-rounds", 0, *images, *arguments),
        cwd=trained,
    )
    assert done.returncode == 2
    assert says in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def test_two_stages_are_refused_where_they_do_not_fit():
    chosen, left_out = export_formats.chosen_formats(None, two_stages=True)
    assert "onnx" in {one.name for one in chosen}
    assert "ncnn" in left_out
    with pytest.raises(ValueError, match="two-stage"):
        export_formats.chosen_formats(["ncnn"], two_stages=True)


def test_masks_and_free_sizes_leave_out_what_cannot_hold_them():
    _, left_out = export_formats.chosen_formats(None, two_stages=False, masks=True)
    assert "onnx-nms" in left_out
    _, left_out = export_formats.chosen_formats(None, two_stages=False, any_size=True)
    assert {"ncnn", "torchscript"} <= set(left_out)
