"""tools/export.py as a user runs it, and what it says of a wrong file."""

import copy
import json
from collections import Counter
from dataclasses import replace

import cv2
import numpy as np
import onnx
import pytest
from ghostnet_runtime import Detections
from support.running_tools import TINY, run, run_here
from support.tiny_coco import make_tiny_coco

from ghostnet_mm.configuration import Options
from ghostnet_mm.engine.inference.detection import load_detector
from ghostnet_mm.export import concat_free_choice
from ghostnet_mm.export.card.accuracy import coco_scores, labelled_pictures
from ghostnet_mm.export.card.export_request import ExportRequest
from ghostnet_mm.export.concat_free_timing import PairTiming, block_inputs
from ghostnet_mm.export.description import describe
from ghostnet_mm.export.exported_detector import ExportedDetector
from ghostnet_mm.export.exporting import export_detector
from ghostnet_mm.export.formats.onnx.model import onnx_model
from ghostnet_mm.export.formats.registry import FORMATS
from ghostnet_mm.export.graph.detection_graph import DetectionGraph
from ghostnet_mm.fusion.concat_free import ConcatFreeBottleneck, splittable_blocks
from ghostnet_mm.measuring.latency import Gain


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
    names = [entry["name"] for entry in card["formats"]]
    assert names == ["onnx", "onnx-nms", "openvino", "ncnn"]
    # mmdet pads these pictures to 64 x 96, the files' input is 96 x 96.
    # On some processors the rounded mAP is the same by chance, never all figures are.
    assert card["pytorch"] != card["pytorch_padded"]
    expected = card["pytorch_padded"]["bbox_mAP"]
    assert expected > 0.05  # or equality would mean little
    for entry in card["formats"]:
        assert entry["metrics"]["bbox_mAP"] == expected, entry["name"]
        assert entry["detections"]["pairs"] > 4
        assert entry["failures"] == []
        assert (trained / "out" / entry["file"]).is_file()
        assert entry["end_to_end"]["rounds"] == 2
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


def test_a_wide_input_agrees_on_pictures_of_every_shape(trained):
    """Upright ones are fed to mmdet smaller than it makes them itself."""
    folder = trained / "shapes"
    folder.mkdir()
    for index, file in enumerate(sorted((trained / "coco/val2017").iterdir())):
        pixels = cv2.imread(str(file))
        shapes = (pixels, pixels.transpose(1, 0, 2), pixels[:, :48], pixels[::2, ::2])
        shaped = np.ascontiguousarray(shapes[index])
        cv2.imwrite(str(folder / file.name), shaped)
    config = trained / "run" / "tiny_detector.py"
    common = ("--images", folder, "--no-map", "--latency-rounds", 0, "--name", "tiny")
    done = run_here(
        "export",
        *(config, checkpoint(trained), *common, "--size", 64, 96, "--out", "wide"),
        *("--formats", "onnx-nms"),
        cwd=trained,
    )
    assert done.returncode == 0, done.stderr
    told = [line for line in done.stdout.splitlines() if "upright" in line]
    assert len(told) == 1
    assert "--dynamic-size" in told[0]
    assert "--size 96 96" in told[0]
    card = json.loads((trained / "wide" / "deploy_card.json").read_text())
    (one,) = card["formats"]
    assert one["detections"]["pairs"] > 4
    assert one["detections"]["box"]["largest"] < 0.1
    free = run_here(
        "export",
        *(config, checkpoint(trained), *common, "--size", 64, 96, "--out", "free"),
        *("--formats", "onnx", "--dynamic-size"),
        cwd=trained,
    )
    assert free.returncode == 0, free.stderr
    assert "upright" not in free.stdout


def test_every_block_without_concatenation(trained):
    done = run(
        "export",
        *(trained / "run" / "tiny_detector.py", checkpoint(trained), "--no-map"),
        *("--images", trained / "coco" / "val2017", "--formats", "onnx"),
        *("--concat-free", "all", "--latency-rounds", 0, "--threads", 1),
        *("--out", "split", "--name", "tiny"),
        cwd=trained,
    )
    assert done.returncode == 0, done.stderr + done.stdout
    card = json.loads((trained / "split" / "deploy_card.json").read_text())
    (one,) = card["formats"]
    assert one["failures"] == []
    assert one["outputs"]["boxes"]["largest"] > 0  # it is another network
    detector = load_detector(checkpoint(trained), device="cpu")
    graph = DetectionGraph(detector)
    blocks = splittable_blocks(graph)
    assert len(blocks) > 10
    assert [block["name"] for block in card["concat_free"]["blocks"]] == list(blocks)
    assert f"{len(blocks)} of {len(blocks)} blocks rewritten" in done.stdout
    page = (trained / "split" / "deploy_card.html").read_text()
    assert all(name in page for name in blocks)
    description = describe(detector.model.cfg, graph, detector.class_names)
    before = concatenations(onnx_model(graph, description).graph)
    after = concatenations(onnx.load(trained / "split" / "tiny.onnx").graph)
    # Squeeze and excitation of two halves joins their means, a pixel each.
    joining_means = sum(block.se is not None for block in blocks.values())
    assert before - after == len(blocks) - joining_means


def concatenations(graph):
    return Counter(node.op_type for node in graph.node)["Concat"]


def test_blocks_measured_faster_without_concatenation(trained, monkeypatch, capsys):
    chosen = ["network.backbone.blocks.2.0", "network.backbone.blocks.6.3"]

    def time_blocks(graph, image, runtime, rounds, threads):
        assert image.shape == (1, 3, 96, 96)
        for name, x in block_inputs(graph, image).items():
            low = 1.1 if name in chosen else 0.9
            gain = Gain(low + 0.1, low, low + 0.2)
            yield PairTiming(name, x.shape, runtime, 2, 1, gain)

    def write(job):
        written.extend(
            name
            for name, module in job.graph.named_modules()
            if isinstance(module, ConcatFreeBottleneck)
        )
        soundly(job)

    written = []
    soundly = FORMATS["torchscript"].write
    monkeypatch.setattr(FORMATS["torchscript"], "write", write)
    monkeypatch.setattr(concat_free_choice, "time_blocks", time_blocks)
    detector = load_detector(checkpoint(trained), device="cpu")
    card = export_detector(
        detector,
        trained / "measured",
        "tiny",
        ExportRequest(
            formats=["torchscript"],
            pictures=[cv2.imread(str(trained / "coco/val2017/0000.png"))],
            rounds=1,
            concat_free="measured",
        ),
    )
    assert card.failures == []
    assert card.concat_free.rewritten == chosen
    assert "2 of 16 blocks rewritten" in capsys.readouterr().out
    assert written == chosen


def test_a_wrong_file_is_an_error_that_names_the_layer(trained, monkeypatch):
    """A writer that changes one layer on the way stands for an exporter's bug."""
    layer = "network.backbone.blocks.2.0.ghost1.primary_conv.0"

    def write(job):
        wrong = copy.deepcopy(job.graph)
        wrong_network = getattr(wrong, "source", wrong)
        wrong_network.get_submodule(layer).bias.data += 0.5
        soundly(replace(job, graph=wrong))

    soundly = FORMATS["torchscript"].write
    monkeypatch.setattr(FORMATS["torchscript"], "write", write)
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
    nothing = Detections.none(pictures.classes)
    assert coco_scores(pictures, lambda pixels: nothing) == {"bbox_mAP": 0.0}


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--formats", "onx"), "--formats onx"),
        (("--images", "nowhere"), "nowhere"),
        (
            (
                *("--formats", "onnx-nms", "--cfg-options"),
                "model.test_cfg.min_bbox_size=8",
            ),
            "set it to 0",
        ),
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
