"""The tools end to end, as a user runs them."""

import json
import re
import shutil

import cv2

# Before OpenCV opens a film, so that FFmpeg keeps quiet.
import ghostnet_runtime.picture_sources  # noqa: F401
import numpy as np
import pytest
import torch
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval
from support.running_tools import TINY, run, run_here
from support.tiny_coco import CLASSES, edit_annotations, make_tiny_coco

from ghostnet_mm.checkpoints import load_checkpoint_file
from ghostnet_mm.configuration.files.text import config_from_text


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A folder with ``data`` and a finished run of ten epochs in ``run``."""
    folder = tmp_path_factory.mktemp("trained")
    make_tiny_coco(folder / "data")
    done = run("train", TINY, "--data-root", "data", "--work-dir", "run", cwd=folder)
    assert done.returncode == 0, done.stderr
    (folder / "console.txt").write_text(done.stdout + done.stderr)
    return folder


def test_training_leaves_checkpoints_and_a_full_log(trained):
    assert (trained / "run" / "epoch_10.pth").is_file()
    config = config_from_text((trained / "run" / "tiny_detector.py").read_text())
    assert config["model"]["bbox_head"]["num_classes"] == len(CLASSES)
    (log,) = (trained / "run").glob("*/*.log")
    text = log.read_text()
    assert "Config:" in text
    assert "Epoch(train)" in text
    losses = [float(value) for value in re.findall(r" loss: (\S+)", text)]
    assert losses
    assert np.isfinite(losses).all()


def test_the_console_is_calm_and_says_what_matters(trained):
    text = (trained / "console.txt").read_text()
    assert len(text.splitlines()) < 40
    assert re.search(
        r"epoch 10/10 iter 2/2  loss \d+\.\d+  lr 0\.004 .* ETA \d+s", text
    )
    assert re.search(r"images/s  elapsed \d+s", text)
    assert re.search(r"epoch 5/10 validation: boxes AP \d\.\d{3}", text)
    assert re.search(r"AP50 +AP75 +AP small +AP medium +AP large +AR", text)
    for name in CLASSES:
        assert re.search(rf"^{name} +(\d\.\d{{3}}|-)$", text, re.MULTILINE)
    assert "WARNING" not in text


def test_training_moves_the_backbone(trained):
    weights = [
        load_checkpoint_file(trained / "run" / f"epoch_{epoch}.pth")["state_dict"]
        for epoch in (5, 10)
    ]
    key = "backbone.conv_stem.weight"
    assert not torch.equal(weights[0][key], weights[1][key])


def test_a_run_resumes_where_it_stopped(trained, tmp_path):
    shutil.copytree(trained / "run", tmp_path / "run")
    done = run_here(
        *("train", TINY, "--data-root", trained / "data", "--work-dir", "run"),
        *("--resume", "--cfg-options", "train_cfg.max_epochs=11"),
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stderr
    assert "epoch_10.pth" in done.stdout
    assert "epoch 1/11" not in done.stdout
    assert "epoch 11/11 iter 2/2" in done.stdout
    meta = load_checkpoint_file(tmp_path / "run" / "epoch_11.pth")["meta"]
    assert (meta["epoch"], meta["iter"]) == (11, 22)


def test_resuming_equals_training_in_one_go(trained, tmp_path):
    """Same seed, no shuffling: the second epoch resumed gives the same weights."""
    options = [
        "train_dataloader.sampler.shuffle=False",
        "train_cfg.max_epochs=2",
        "default_hooks.checkpoint.interval=1",
    ]
    common = ("train", TINY, "--data-root", trained / "data", "--cfg-options", *options)
    whole = run_here(*common, "--work-dir", "whole", cwd=tmp_path)
    assert whole.returncode == 0, whole.stderr
    (tmp_path / "half").mkdir()
    shutil.copy(tmp_path / "whole" / "epoch_1.pth", tmp_path / "half")
    half = run_here(
        *common, "--work-dir", "half", "--resume", "half/epoch_1.pth", cwd=tmp_path
    )
    assert half.returncode == 0, half.stderr
    expected, resumed = (
        load_checkpoint_file(tmp_path / name / "epoch_2.pth")["state_dict"]
        for name in ("whole", "half")
    )
    torch.testing.assert_close(resumed, expected)


def test_testing_writes_coco_results_and_pictures(trained, tmp_path):
    done = run_here(
        *("test", TINY, trained / "run" / "epoch_10.pth", "--data-root"),
        *(trained / "data", "--out", "found.json", "--show-dir", "pictures"),
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stderr
    results = json.loads((tmp_path / "found.json").read_text())
    assert results
    assert set(results[0]) == {"image_id", "bbox", "score", "category_id"}
    assert {result["category_id"] for result in results} <= {1, 2}

    # The file, evaluated by pycocotools alone, gives the AP that the tool printed.
    truth = COCO(trained / "data" / "annotations" / "instances_val2017.json")
    evaluation = COCOeval(truth, truth.loadRes(results), "bbox")
    evaluation.evaluate()
    evaluation.accumulate()
    evaluation.summarize()
    assert evaluation.stats[0] > 0
    printed = re.search(r"^boxes +(\S+) +(\S+)", done.stdout, re.MULTILINE)
    assert float(printed[1]) == pytest.approx(evaluation.stats[0], abs=6e-4)
    assert float(printed[2]) == pytest.approx(evaluation.stats[1], abs=6e-4)

    pictures = sorted(path.name for path in (tmp_path / "pictures").iterdir())
    assert pictures == ["0000.png", "0001.png", "0002.png", "0003.png"]


def test_testing_says_whether_another_checkpoint_is_better(trained, tmp_path):
    checkpoints = trained / "run" / "epoch_10.pth", trained / "run" / "epoch_5.pth"
    done = run_here(
        *("test", TINY, checkpoints[0], "--data-root", trained / "data"),
        *("--compare", checkpoints[1], "--work-dir", "tested"),
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stderr
    assert "not found (Miss)" in done.stdout
    assert "4 pictures drawn again 1000 times" in done.stdout
    compared = json.loads((tmp_path / "tested" / "comparison.json").read_text())
    main = compared["bbox"]["scores"][0]
    assert main["low"] <= main["second"] - main["first"] <= main["high"]
    for place, score in (("tested", "first"), ("tested/compared", "second")):
        alone = json.loads((tmp_path / place / "evaluation.json").read_text())
        assert alone["scores"]["coco/bbox_mAP"] == pytest.approx(main[score], abs=6e-4)
        kinds = {
            kind["name"]: kind["count"] for kind in alone["errors"]["bbox"]["kinds"]
        }
        assert sum(kinds.values()) > 0


def test_classes_in_another_order_are_matched_by_name(trained, tmp_path):
    """Catches labels that are compared by number: with two classes swapped, AP 0."""
    checkpoint = trained / "run" / "epoch_10.pth"
    shutil.copytree(trained / "data", tmp_path / "swapped")

    def swap(content):
        for category in content["categories"]:
            category["id"] = 3 - category["id"]
        content["categories"].reverse()
        for annotation in content["annotations"]:
            annotation["category_id"] = 3 - annotation["category_id"]

    for split in ("train2017", "val2017"):
        edit_annotations(tmp_path / "swapped", swap, split)
    found = {}
    for name, root in (("as it was", trained / "data"), ("swapped", "swapped")):
        done = run_here(
            *("test", TINY, checkpoint, "--data-root", root, "--work-dir", name),
            cwd=tmp_path,
        )
        assert done.returncode == 0, done.stderr
        told = "another order: they are matched by name" in done.stdout
        assert told == (name == "swapped")
        evaluation = json.loads((tmp_path / name / "evaluation.json").read_text())
        found[name] = evaluation["scores"], evaluation["class_scores"]
    assert found["as it was"][0]["coco/bbox_mAP"] > 0
    assert found["swapped"] == found["as it was"]


def test_other_classes_are_refused_or_told(trained, tmp_path):
    checkpoint = trained / "run" / "epoch_10.pth"
    shutil.copytree(trained / "data", tmp_path / "renamed")

    def rename_one(content):
        content["categories"][0]["name"] = "bowl"

    for split in ("train2017", "val2017"):
        edit_annotations(tmp_path / "renamed", rename_one, split)
    test = ("test", TINY, checkpoint, "--data-root", "renamed")
    done = run_here(*test, cwd=tmp_path)
    assert done.returncode == 2
    assert "give both the same names in the same order" in done.stderr

    def rename_both(content):
        for category, name in zip(content["categories"], "ab", strict=True):
            category["name"] = name

    for split in ("train2017", "val2017"):
        edit_annotations(tmp_path / "renamed", rename_both, split)
    done = run_here(*test, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "they are compared one by one in this order" in done.stdout


def test_testing_does_not_touch_the_run(trained, tmp_path):
    shutil.copytree(trained / "run", tmp_path / "work_dirs" / "tiny_detector")
    before = (tmp_path / "work_dirs/tiny_detector/tiny_detector.py").read_bytes()
    done = run_here(
        *("test", TINY, trained / "run" / "epoch_10.pth"),
        *("--data-root", trained / "data"),
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stderr
    after = (tmp_path / "work_dirs/tiny_detector/tiny_detector.py").read_bytes()
    assert after == before


def test_detecting_on_a_folder_needs_the_checkpoint_only(trained, tmp_path):
    done = run_here(
        *("detect", trained / "data" / "val2017", "--checkpoint"),
        *(trained / "run" / "epoch_10.pth", "--score-threshold", "0"),
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stderr
    assert "images/s" in done.stdout
    results = json.loads((tmp_path / "detections" / "detections.json").read_text())
    assert [picture["image"] for picture in results] == [
        f"000{i}.png" for i in range(4)
    ]
    assert {(picture["width"], picture["height"]) for picture in results} == {(96, 64)}
    found = results[0]["detections"]
    assert found
    assert {detection["class"] for detection in found} <= set(CLASSES)
    scores = [detection["score"] for detection in found]
    assert scores == sorted(scores, reverse=True)
    assert (tmp_path / "detections" / "0003.png").is_file()
    assert not list(tmp_path.glob(".unfinished*"))


def test_detecting_past_a_damaged_picture_ends_with_1(trained, tmp_path):
    shutil.copytree(trained / "data" / "val2017", tmp_path / "photos")
    (tmp_path / "photos" / "0002.png").write_bytes(b"no picture")
    checkpoint = trained / "run" / "epoch_10.pth"
    done = run_here("detect", "photos", "--checkpoint", checkpoint, cwd=tmp_path)
    assert done.returncode == 1
    assert "missing: 1 of 4 pictures" in done.stderr
    results = json.loads((tmp_path / "detections" / "detections.json").read_text())
    assert ["error" in entry for entry in results] == [False, False, True, False]


def test_detecting_agrees_with_testing(trained, tmp_path):
    """Two ways to the same boxes: the dataset's loader, and ours."""
    checkpoint = trained / "run" / "epoch_10.pth"
    run_here(
        *("test", TINY, checkpoint, "--data-root", trained / "data", "--out", "t.json"),
        cwd=tmp_path,
    )
    run_here(
        *("detect", trained / "data" / "val2017" / "0000.png", "--score-threshold"),
        *("0", "--checkpoint", checkpoint, "--config", TINY, "--cfg-options"),
        "model.bbox_head.num_classes=2",
        cwd=tmp_path,
    )
    tested = [
        result
        for result in json.loads((tmp_path / "t.json").read_text())
        if result["image_id"] == 1
    ]
    tested.sort(key=lambda result: -result["score"])
    (picture,) = json.loads((tmp_path / "detections" / "detections.json").read_text())
    detected = picture["detections"]
    assert len(detected) == len(tested)
    for ours, theirs in zip(detected[:20], tested[:20], strict=True):
        x, y, w, h = theirs["bbox"]
        assert ours["bbox"] == pytest.approx([x, y, x + w, y + h], abs=0.02)
        assert ours["label"] + 1 == theirs["category_id"]


def test_detecting_on_a_video(trained, tmp_path):
    writer = cv2.VideoWriter(
        str(tmp_path / "film.avi"), cv2.VideoWriter_fourcc(*"MJPG"), 10, (96, 64)
    )
    for index in range(5):
        writer.write(np.full((64, 96, 3), 40 * index, dtype=np.uint8))
    writer.release()
    done = run_here(
        *("detect", "film.avi", "--checkpoint", trained / "run" / "epoch_10.pth"),
        *("--out", "result", "--max-frames", "3"),
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stderr
    results = json.loads((tmp_path / "result" / "detections.json").read_text())
    assert [frame["frame"] for frame in results] == [0, 1, 2]
    film = cv2.VideoCapture(str(tmp_path / "result" / "film.mp4"))
    assert int(film.get(cv2.CAP_PROP_FRAME_COUNT)) == 3
    assert film.get(cv2.CAP_PROP_FPS) == pytest.approx(10)


def test_amp_trains_on_a_cpu_and_real_pictures(coco_subset, tmp_path):
    done = run_here(
        *("train", TINY, "--data-root", coco_subset, "--amp", "--backbone-weights"),
        *("none", "--auto-scale-lr", "--vis", "tensorboard", "--cfg-options"),
        *("train_dataloader.dataset.indices=4", "val_dataloader.dataset.indices=2"),
        *("train_cfg.max_epochs=1",),
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stderr
    folder = tmp_path / "work_dirs" / "tiny_detector"
    config = config_from_text((folder / "tiny_detector.py").read_text())
    assert config["optim_wrapper"]["type"] == "CpuAmpOptimWrapper"
    assert config["model"]["bbox_head"]["num_classes"] == 80
    assert list(folder.rglob("events.out.tfevents*"))
    # 2 images a step where the recipe's 0.004 is for 16.
    assert "lr 0.0005 " in done.stdout
