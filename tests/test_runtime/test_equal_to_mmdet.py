"""An exported detector and mmdet find the same on real photographs."""

import os

import cv2
import numpy as np
import pytest
import torch
from ghostnet_runtime import Detector
from ghostnet_runtime.selection import select
from mmdet.registry import MODELS
from mmengine.config import Config

from ghostnet_mm.engine.inference.detection import load_detector
from ghostnet_mm.export.description import describe
from ghostnet_mm.export.formats.base import ExportJob, ExportOptions
from ghostnet_mm.export.formats.onnx.format import OnnxFormat
from ghostnet_mm.export.graph.detection_graph import DetectionGraph

PICTURES = 20


@pytest.fixture
def untrained(tmp_path, project_root, randomize_norms):
    """A checkpoint whose scores lie on both sides of the threshold."""
    cfg = Config.fromfile(project_root / "configs" / "retinanet_ghostnet_digits.py")
    torch.manual_seed(0)
    model = MODELS.build({**cfg.model, "_scope_": "mmdet"})
    model.init_weights()
    randomize_norms(model)
    torch.nn.init.normal_(model.bbox_head.retina_cls.weight, std=0.3)
    torch.nn.init.constant_(model.bbox_head.retina_cls.bias, -3.0)
    torch.nn.init.normal_(model.bbox_head.retina_reg.weight, std=0.1)
    meta = {"cfg": cfg.pretty_text, "dataset_meta": {"classes": tuple("0123456789")}}
    path = tmp_path / "untrained.pth"
    torch.save({"meta": meta, "state_dict": model.state_dict()}, path)
    return path


def exported(checkpoint, path):
    mmdets = load_detector(checkpoint, device="cpu")
    graph = DetectionGraph(mmdets)
    said = describe(mmdets.model.cfg, graph, mmdets.class_names)
    options = ExportOptions(dynamic_size=True)
    OnnxFormat().write(ExportJob(graph, said, path, options))
    return mmdets, Detector(path, threads=1)


def photographs(coco_subset):
    files = sorted((coco_subset / "val2017").glob("*.jpg"))[:PICTURES]
    assert len(files) == PICTURES
    return [cv2.imread(str(file)) for file in files]


@torch.no_grad()
def mmdet_candidates(model, array):
    """Boxes and scores of the network that mmdet runs, by mmdet's own decoding."""
    head = model.bbox_head
    scores, deltas = head(model.extract_feat(torch.from_numpy(array)))
    sizes = [level.shape[-2:] for level in scores]
    priors = torch.cat(head.prior_generator.grid_priors(sizes, device="cpu"))

    def flat(maps, width):
        return torch.cat([m[0].permute(1, 2, 0).reshape(-1, width) for m in maps])

    boxes = head.bbox_coder.decode(priors, flat(deltas, 4))
    return boxes.numpy(), flat(scores, head.num_classes).sigmoid().numpy()


def test_every_step_on_real_photographs(tmp_path, untrained, coco_subset):
    # An untrained network has scores and IoUs a rounding apart, so its whole way
    # through ONNX may keep the other of two boxes; step by step nothing may differ.
    mmdets, detector = exported(untrained, tmp_path / "a.onnx")
    rule = detector.description.selection
    names = detector.description.outputs.names
    for image in photographs(coco_subset):
        theirs = mmdets.detect(image)
        assert len(theirs.scores) > 20
        array, placement = detector.preprocess(image)
        boxes, scores = mmdet_candidates(mmdets.model, array)
        mine = select(boxes, scores, None, rule, placement)
        assert rows(mine) == rows(theirs)
        np.testing.assert_array_equal(mine.scores, theirs.scores)
        values = detector._backend.run({"image": array}, names)
        np.testing.assert_allclose(values["scores"][0], scores, atol=5e-6)
        np.testing.assert_allclose(values["boxes"][0], boxes, atol=1e-3)


def rows(found):
    """All that was found, bit for bit; torch leaves open how equal scores follow."""
    return sorted(
        (float(score), int(label), *map(float, box))
        for score, label, box in zip(
            found.scores, found.labels, found.boxes, strict=True
        )
    )


def test_a_trained_detector_from_end_to_end(tmp_path, coco_subset):
    checkpoint = os.environ.get("GHOSTNET_MM_CHECKPOINT")
    if not checkpoint:
        pytest.skip("set GHOSTNET_MM_CHECKPOINT to a checkpoint of tools/train.py")
    mmdets, detector = exported(checkpoint, tmp_path / "a.onnx")
    count = 0
    for image in photographs(coco_subset):
        theirs, mine = mmdets.detect(image), detector(image)
        count += len(theirs.scores)
        assert len(mine.scores) == len(theirs.scores)
        matched = match(mine, theirs)
        np.testing.assert_array_equal(mine.labels, theirs.labels[matched])
        np.testing.assert_allclose(mine.boxes, theirs.boxes[matched], atol=5e-3)
        np.testing.assert_allclose(mine.scores, theirs.scores[matched], atol=1e-5)
    assert count > PICTURES


def match(mine, theirs):
    """Return for each of mine the nearest box of theirs of its class, each once."""
    away = np.abs(mine.boxes[:, None] - theirs.boxes).max(axis=2)
    away[mine.labels[:, None] != theirs.labels] = np.inf
    nearest = away.argmin(axis=1)
    assert len(set(nearest.tolist())) == len(nearest)
    return nearest
