"""mmdet fed as a file of a fixed size finds what the file finds."""

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import cv2
import ghostnet_runtime
import numpy as np
import pytest
import torch
from mmcv.transforms import Compose, Resize
from support.descriptions import described
from support.random_detectors import PICTURES, build, images, samples

from ghostnet_mm.engine.inference.detection import TrainedDetector, picture_pipeline
from ghostnet_mm.errors import OptionError
from ghostnet_mm.export.card.agreement import detection_agreement
from ghostnet_mm.export.card.export_request import ExportRequest
from ghostnet_mm.export.card.mmdet_reference import (
    StableSorts,
    reference_detector,
    resized_detector,
)
from ghostnet_mm.export.description import describe
from ghostnet_mm.export.exported_models import DescribedBackend
from ghostnet_mm.export.exporting import export_detector
from ghostnet_mm.export.graph.detection_graph import DetectionGraph
from ghostnet_mm.export.graph.resizing import (
    fitting_scales,
    mmdet_feeds_otherwise,
    shrunk_pictures,
)

CLASSES = tuple(str(label) for label in range(80))


def picture(height, width):
    coarse = np.random.default_rng(height).integers(0, 256, (9, 8, 3), np.uint8)
    return cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)


def detector_of(name, scale=None):
    cfg, model = build(name)
    if scale is not None:
        for step in cfg.test_dataloader.dataset.pipeline:
            if step["type"] == "Resize":
                step["scale"] = scale
    model.cfg = cfg
    return TrainedDetector(model, CLASSES, picture_pipeline(cfg))


def graph_as_file(detector, size=None):
    """The exact graph behind the runtime's pre- and postprocessing."""
    graph = DetectionGraph(detector)
    cfg = detector.model.cfg
    description = describe(cfg, graph, CLASSES, size=size)

    def compute(inputs, names):
        with torch.no_grad():
            outputs = graph(*map(torch.from_numpy, inputs.values()))
        return {name: outputs[name].numpy() for name in names}

    backend = DescribedBackend(description.to_json(), Path("graph.json"), compute)
    runtime = ghostnet_runtime.Detector.of_backend(backend)
    return description, runtime


def fixed_input(description):
    return description.input.size


def agreement(detect, other, pixels):
    return detection_agreement([detect(pixels)], [other(pixels)])


def assert_agrees(found):
    assert found.pairs > 20
    assert found.unmatched <= 0.01 * found.pairs
    assert found.box.largest < 0.1
    assert found.score.largest < 1e-3


@pytest.fixture(scope="module")
def wide():
    """Like Resize(scale=(1333, 800)): an input wider than high, and than the scale."""
    detector = detector_of("retinanet_ghostnet_coco", (220, 130))
    description, detect = graph_as_file(detector)
    assert fixed_input(description) == (160, 224)
    return detector, description, detect


@pytest.mark.parametrize(
    ("height", "width"),
    [(200, 300), (300, 200), (40, 61), (61, 40), (201, 200), (200, 201), (30, 400)],
)
def test_a_wide_input(wide, height, width):
    detector, description, detect = wide
    reference = reference_detector(detector, fixed_input(description))
    assert_agrees(agreement(reference.detect, detect, picture(height, width)))


def test_mmdet_as_configured_differs_and_stays(wide):
    detector, description, detect = wide
    # mmdet turns the input for the first, and pads the second to 160 x 160.
    upright, lying = picture(300, 200), picture(200, 210)
    before = detector.detect(lying)
    reference = reference_detector(detector, fixed_input(description))
    for pixels in (upright, lying):
        as_configured = agreement(detector.detect, detect, pixels)
        assert as_configured.unmatched > 0 or as_configured.box.largest > 0.1
        assert_agrees(agreement(reference.detect, detect, pixels))
    np.testing.assert_array_equal(detector.detect(lying).boxes, before.boxes)
    assert reference.model.backbone is detector.model.backbone  # no copy
    own = reference.model.data_preprocessor
    assert own is not detector.model.data_preprocessor
    assert reference_detector(detector, None) is detector


@pytest.mark.parametrize(
    ("name", "size"),
    [
        ("rtmdet_ghostnet-nano_coco", (128, 192)),
        ("yolox_ghostnet-nano_coco", (192, 128)),
    ],
)
def test_inputs_that_the_pipeline_itself_pads(name, size):
    """RTMDet pads to a size, YOLOX to a square: both to the file's input instead."""
    detector = resized_detector(detector_of(name), size)
    description, detect = graph_as_file(detector, size)
    assert fixed_input(description) == size
    reference = reference_detector(detector, size)
    for shape in ((150, 100), (100, 150), (50, 70)):
        assert_agrees(agreement(reference.detect, detect, picture(*shape)))


def test_two_stages_clip_to_the_picture(wide):
    detector = detector_of("faster-rcnn_ghostnet_coco", (220, 130))
    description, detect = graph_as_file(detector)
    reference = reference_detector(detector, fixed_input(description))
    for shape in ((300, 200), (200, 300)):
        found = agreement(reference.detect, detect, picture(*shape))
        assert found.pairs > 20
        # Proposals of nearly equal scores may change places.
        assert found.unmatched <= 0.01 * found.pairs
        assert found.box.largest < 0.1


def test_pictures_that_fill_the_input_are_as_configured(wide):
    """A reference that always resized or padded would differ here."""
    detector = resized_detector(wide[0], (160, 224))
    reference = reference_detector(detector, (160, 224))
    pixels = picture(160, 224)
    np.testing.assert_array_equal(
        reference.detect(pixels).boxes, detector.detect(pixels).boxes
    )


@pytest.mark.parametrize(
    ("scale", "size", "lying", "upright"),
    [
        ((1333, 800), (800, 1344), (1333, 800), (800, 800)),
        ((800, 1333), (1344, 800), (800, 800), (1333, 800)),
        ((640, 640), (640, 640), (640, 640), (640, 640)),
        ((600, 600), (608, 320), (320, 320), (600, 320)),
    ],
)
def test_scales_that_fit(scale, size, lying, upright):
    assert fitting_scales(scale, size) == (lying, upright)
    longest, shortest = max(scale), min(scale)
    for height, width in ((480, 640), (640, 480), (500, 500), (7, 999), (999, 7)):
        room = upright if height > width else lying
        # mmcv's rule for a scale of two numbers.
        factor = min(max(room) / max(height, width), min(room) / min(height, width))
        own = min(longest / max(height, width), shortest / min(height, width))
        fits = min(size[0] / height, size[1] / width)
        assert factor == pytest.approx(min(own, fits))


def test_what_a_fixed_size_changes(wide):
    description = wide[1]

    def changed(height, width, **resize):
        fed = dict(height=height, width=width)
        return described(description, input=fed, resize=resize)

    assert shrunk_pictures(description) == ("upright",)
    assert mmdet_feeds_otherwise(description)
    square = changed(224, 224)
    assert shrunk_pictures(square) == ()
    assert mmdet_feeds_otherwise(square)
    assert not mmdet_feeds_otherwise(changed(224, 224, pad="fixed"))
    assert mmdet_feeds_otherwise(changed(160, 224, pad="fixed"))
    assert not mmdet_feeds_otherwise(changed(160, 224, keep_ratio=False))
    assert shrunk_pictures(changed(160, 224, keep_ratio=False)) == ()
    assert not mmdet_feeds_otherwise(changed(None, None))
    assert shrunk_pictures(changed(224, 160)) == ("lying",)
    assert shrunk_pictures(changed(128, 128)) == ("lying", "upright")


def test_a_resize_that_does_not_keep_the_ratio_stays(wide):
    step = Resize(scale=(50, 40), keep_ratio=False)
    stretching = replace(wide[0], pipeline=Compose([step]))
    (same,) = reference_detector(stretching, (64, 64)).pipeline.transforms
    assert same is step


def test_without_resizing_there_is_no_size_to_change():
    detector = SimpleNamespace(pipeline=Compose([]))
    assert resized_detector(detector, None) is detector
    with pytest.raises(OptionError, match="no --size to change"):
        resized_detector(detector, (64, 64))


@pytest.mark.parametrize("formats", [None, ["onnx"], ["ncnn"]])
def test_without_resizing_exports_ask_for_what_is_possible(formats, tmp_path):
    """Neither --size nor, for ncnn, --dynamic-size would do."""
    request = ExportRequest(formats, [picture(40, 60)])
    with pytest.raises(OptionError) as told:
        export_detector(
            detector_of("centernet_ghostnet_coco"), tmp_path / "out", "a", request
        )
    assert ("--dynamic-size" in str(told.value)) == (formats != ["ncnn"])
    assert "--size HEIGHT" not in str(told.value)
    assert not (tmp_path / "out").exists()


def test_equal_values_stay_in_order():
    """Catches sorts that are missed, and arguments that get lost on the way."""
    values = torch.randint(0, 9, (5000, 2), generator=torch.manual_seed(0)).float()
    rising = np.argsort(values.numpy(), axis=0, kind="stable")
    falling = np.argsort(-values.numpy(), axis=0, kind="stable")
    with StableSorts():
        found = [
            values.sort(0).indices,
            values.sort(dim=0, descending=True).indices,
            torch.sort(values, 0, True).indices,
            torch.sort(values, dim=0, descending=True, stable=False)[1],
        ]
    for places, expected in zip(
        found, (rising, falling, falling, falling), strict=True
    ):
        np.testing.assert_array_equal(places, expected)


def test_two_stages_with_equal_scores():
    """Catches proposals of equal scores that mmdet and the graph order differently."""
    _, model = build("faster-rcnn_ghostnet_coco")
    graph = DetectionGraph(model)
    decoder, network, batch = graph.decoder, graph.network, images(1)
    given, sizes = samples(PICTURES[:1]), torch.tensor(PICTURES[:1]).float()
    # As in plain areas of a picture, whose cells have the same scores.
    network.rpn_head.rpn_cls.register_forward_hook(lambda *call: call[2].round())
    with torch.no_grad(), StableSorts():
        features = network.extract_feat(batch)
        wanted = network.rpn_head.predict(features, given, rescale=False)
        maps = decoder.maps(features)
        priors = decoder.priors(decoder.sizes(maps), batch.device)
        boxes, found = decoder._proposals(maps, priors, sizes)
    scores = wanted[0].scores
    assert len(scores) == int(found.sum()) >= 100
    assert len(scores.unique()) < 20
    torch.testing.assert_close(boxes[found], wanted[0].bboxes, atol=1e-3, rtol=0)
