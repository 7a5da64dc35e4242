"""The tools with masks and panoptic maps, on a few real pictures."""

import json
import re

import cv2
import numpy as np
import pytest
import torch
from mmdet.registry import MODELS
from pycocotools import mask as coco_mask
from support.running_tools import ROOT, run, run_here

from ghostnet_mm.configuration import Options, load_config
from ghostnet_mm.configuration.options import parse_assignments

PANOPTIC = ROOT / "configs" / "panoptic-fpn_ghostnet_coco.py"
INSTANCES = ROOT / "configs" / "rtmdet-ins_ghostnet_coco.py"


def two_small_pictures(scale):
    """Options for two pictures a split, loaded in the tool's own process."""
    options = ["train_cfg.max_epochs=1"]
    for split in ("train", "val", "test"):
        options += [
            f"{split}_dataloader.dataset.indices=2",
            f"{split}_dataloader.batch_size=1",
            f"{split}_dataloader.num_workers=0",
            f"{split}_dataloader.persistent_workers=False",
        ]
    for split in ("val", "test"):
        options.append(f"{split}_dataloader.dataset.pipeline.1.scale={scale}")
    return options


# A detector of two steps is sure of nothing: let it say what it thinks all the same.
PANOPTIC_OPTIONS = [
    *two_small_pictures("(160,120)"),
    "train_dataloader.dataset.pipeline.2.scale=(160,120)",
    "model.roi_head.bbox_head.fc_out_channels=32",
    "model.test_cfg.rcnn.score_thr=0.0",
    "model.test_cfg.rcnn.max_per_img=6",
    "model.test_cfg.panoptic.stuff_area_limit=0",
]


@pytest.fixture(scope="module")
def trained(coco_subset, tmp_path_factory):
    folder = tmp_path_factory.mktemp("panoptic")
    done = run(
        *("train", PANOPTIC, "--data-root", coco_subset, "--work-dir", "run"),
        *("--backbone-weights", "none", "--cfg-options", *PANOPTIC_OPTIONS),
        cwd=folder,
    )
    assert done.returncode == 0, done.stderr
    (folder / "console.txt").write_text(done.stdout)
    return folder


def test_panoptic_training_ends_with_panoptic_quality(trained):
    (log,) = (trained / "run").glob("*/*.log")
    text = log.read_text()
    assert "loss_seg" in text
    assert "loss_mask" in text
    assert re.search(r"coco_panoptic/PQ: \d+\.\d+", text)
    assert "COCO panoptic" in (trained / "console.txt").read_text()


def test_pictures_of_testing_and_detecting_are_the_same(trained, coco_subset, tmp_path):
    """Testing draws after mmdet's evaluator has written its void into the map."""
    checkpoint = trained / "run" / "epoch_1.pth"
    tested = run_here(
        *("test", PANOPTIC, checkpoint, "--data-root", coco_subset),
        *("--show-dir", "tested", "--cfg-options", *PANOPTIC_OPTIONS),
        cwd=tmp_path,
    )
    assert tested.returncode == 0, tested.stderr
    pictures = sorted((tmp_path / "tested").iterdir())
    assert len(pictures) == 2
    for picture in pictures:
        source = coco_subset / "val2017" / picture.name
        detected = run_here(
            *("detect", source, "--checkpoint", checkpoint, "--panoptic-png"),
            *("--out", "found"),
            cwd=tmp_path,
        )
        assert detected.returncode == 0, detected.stderr
        drawn = cv2.imread(str(tmp_path / "found" / picture.name))
        assert drawn.shape == cv2.imread(str(source)).shape
        np.testing.assert_array_equal(drawn, cv2.imread(str(picture)))
        (entry,) = json.loads((tmp_path / "found" / "detections.json").read_text())
        png = cv2.imread(str(tmp_path / "found" / f"{picture.name}.panoptic.png"))
        blue, green, red = np.moveaxis(png.astype(int), -1, 0)
        ids, areas = np.unique(red + 256 * green + 65536 * blue, return_counts=True)
        in_png = dict(zip(ids.tolist(), areas.tolist(), strict=True))
        in_png.pop(0, None)
        assert {s["id"]: s["area"] for s in entry["segments"]} == in_png
        assert {s["is_thing"] for s in entry["segments"]} == {True, False}


@pytest.fixture(scope="module")
def instance_checkpoint(tmp_path_factory):
    """An untrained RTMDet-Ins that reports the objects it is unsure of."""
    options = [*two_small_pictures("(96,96)"), "model.test_cfg.score_thr=0.0"]
    for split in ("val", "test"):
        options.append(f"{split}_dataloader.dataset.pipeline.2.size=(96,96)")
    options += ["model.test_cfg.max_per_img=5", "model.test_cfg.nms_pre=50"]
    cfg = load_config(
        INSTANCES,
        Options(cfg_options=parse_assignments(options), backbone_weights="none"),
    )
    model = MODELS.build(cfg.model)
    model.init_weights()
    path = tmp_path_factory.mktemp("instances") / "epoch_1.pth"
    meta = dict(cfg=cfg.pretty_text)
    torch.save(dict(state_dict=model.state_dict(), meta=meta), path)
    return path, options


def test_masks_are_written_and_drawn(instance_checkpoint, coco_subset, tmp_path):
    checkpoint, options = instance_checkpoint
    tested = run_here(
        *("test", INSTANCES, checkpoint, "--data-root", coco_subset, "--out"),
        *("all.json", "--show-dir", "tested", "--score-threshold", "0"),
        *("--cfg-options", *options),
        cwd=tmp_path,
    )
    assert tested.returncode == 0, tested.stderr
    assert re.search(r"^masks +\d", tested.stdout, re.MULTILINE)
    results = json.loads((tmp_path / "all.segm.json").read_text())
    picture = sorted((tmp_path / "tested").iterdir())[0]
    source = coco_subset / "val2017" / picture.name
    detected = run_here(
        *("detect", source, "--checkpoint", checkpoint, "--score-threshold", "0"),
        cwd=tmp_path,
    )
    assert detected.returncode == 0, detected.stderr
    drawn = cv2.imread(str(tmp_path / "detections" / picture.name))
    np.testing.assert_array_equal(drawn, cv2.imread(str(picture)))
    (entry,) = json.loads((tmp_path / "detections" / "detections.json").read_text())
    expected = [result for result in results if result["image_id"] == int(picture.stem)]
    assert len(entry["detections"]) == len(expected) > 0
    ours, theirs = (
        np.sum([coco_mask.decode(result["segmentation"]) for result in found], axis=0)
        for found in (entry["detections"], expected)
    )
    assert ours.shape == cv2.imread(str(source)).shape[:2]
    # mmdet scales masks back by a rounded factor: its own may lack the last column.
    height, width = theirs.shape
    assert not ours[height:].any()
    assert not ours[:, width:].any()
    np.testing.assert_array_equal(ours[:height, :width], theirs)


def test_panoptic_pngs_of_a_model_without_them_are_refused(
    instance_checkpoint, coco_subset, tmp_path
):
    picture = next((coco_subset / "val2017").iterdir())
    done = run_here(
        *("detect", picture, "--checkpoint", instance_checkpoint[0]),
        *("--panoptic-png", "--out", "found"),
        cwd=tmp_path,
    )
    assert done.returncode == 2
    assert "needs a panoptic model" in done.stderr
    assert not (tmp_path / "found").exists()
