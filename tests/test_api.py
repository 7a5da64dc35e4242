"""The few lines of Python, alone and beside the commands."""

import inspect
import json
import os
import signal
import subprocess
import sys
import threading
from dataclasses import FrozenInstanceError, fields
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from ghostnet_runtime import Detector as RuntimeDetector
from mmengine.logging import MMLogger
from mmengine.registry import DefaultScope
from support.running_tools import TINY, run_here
from support.tiny_coco import edit_annotations, make_tiny_coco

import ghostnet_mm
from ghostnet_mm import Detector, StopTraining
from ghostnet_mm.cli.commands import command_of_tool
from ghostnet_mm.configuration import Options, TrainingFlags
from ghostnet_mm.errors import DataError, OptionError, TrainingError
from ghostnet_mm.export.trained_export import ExportFlags, export_trained

LINES = f"""
import json, sys
import ghostnet_mm
rooms = ("ghostnet_mm.api", "ghostnet_mm.export")
early = [name for name in sys.modules if name.startswith(rooms)]
assert not early, early
from ghostnet_mm import Detector

detector = Detector({TINY!r}, weights=None)
run = detector.train("photos", epochs=16, seed=0)
found = detector("photos/val2017/0000.png")
several = detector("photos/val2017")
frames = list(detector.stream("film.avi"))
scores = detector.evaluate("photos")
exported = detector.export("onnx", latency_rounds=0)
print(json.dumps(dict(
    best=str(run.best), scores=run.scores, curves=run.curves,
    plots=[str(path) for path in run.plots], found=found.to_json(),
    several=[item.source for item in several], frames=[item.source for item in frames],
    tested=scores.scores, classes=scores.class_scores,
    onnx=str(exported.paths["onnx"]), agree=exported.card.failures,
)))
"""


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """A folder with photos and a film, where the lines have run in a fresh process."""
    folder = tmp_path_factory.mktemp("api")
    make_tiny_coco(folder / "photos")
    film = cv2.VideoWriter(
        str(folder / "film.avi"), cv2.VideoWriter_fourcc(*"MJPG"), 5, (96, 64)
    )
    for name in ("0000.png", "0001.png"):
        film.write(cv2.imread(str(folder / "photos" / "val2017" / name)))
    film.release()
    done = subprocess.run(
        [sys.executable, "-c", LINES],
        cwd=folder,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert "\r" not in done.stdout
    (folder / "said.json").write_text(done.stdout.splitlines()[-1])
    return folder


@pytest.fixture(scope="module")
def said(home):
    return json.loads((home / "said.json").read_text())


@pytest.fixture
def detector(home, said):
    return Detector(home / said["best"], device="cpu")


@pytest.fixture
def photos(home):
    return home / "photos"


@pytest.fixture(autouse=True)
def _in_a_folder_of_its_own(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def quick(photos, name=TINY, **options):
    fresh = Detector(name, weights=None, device="cpu")
    return fresh, fresh.train(photos, **{"epochs": 2, "seed": 0, **options})


def test_the_lines_train_detect_judge_and_export(home, said):
    run = home / "work_dirs" / "tiny_detector"
    assert Path(said["best"]).name.startswith("best_coco_bbox_mAP_epoch_")
    assert (home / said["best"]).parent == run
    assert [row["epoch"] for row in said["curves"]] == list(range(1, 17))
    validated = [row for row in said["curves"] if "coco/bbox_mAP" in row]
    assert [row["epoch"] for row in validated] == [8, 16]
    best = max(row["coco/bbox_mAP"] for row in validated)
    assert said["scores"]["coco/bbox_mAP"] == best > 0
    assert said["tested"]["coco/bbox_mAP"] == best  # of the weights that it holds
    assert set(said["classes"]) == {"cup", "plate"}
    assert said["curves"][-1]["loss"] < said["curves"][0]["loss"]
    for plot in said["plots"]:
        assert cv2.imread(str(home / plot)) is not None
    assert (run / "curves.csv").read_text().count("\n") == 17
    names = [f"photos/val2017/{index:04d}.png" for index in range(4)]
    assert said["several"] == names
    assert said["frames"] == [0, 1]
    assert said["agree"] == []
    assert (home / said["onnx"]).is_file()


def test_tracks_and_slices_are_those_of_the_exported_file(home, said, detector):
    photo = cv2.imread(str(home / "photos" / "val2017" / "0000.png"))
    # Squares, which the file of a fixed size does not pad.
    frames = [np.ascontiguousarray(photo[:, 2 * i : 2 * i + 64]) for i in range(4)]
    exported = RuntimeDetector(home / said["onnx"])
    assert detector.input_side == exported.input_side == 96
    options = dict(slice=48, score_threshold=0.04, track=True)
    ours, theirs = (
        list(either.stream(frames, **options)) for either in (detector, exported)
    )
    for mine, other in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(mine.boxes, other.boxes, atol=0.01)
        ids = [found.data["tracker_id"].tolist() for found in (mine, other)]
        assert ids[0] == ids[1]
    assert max(ours[-1].data["tracker_id"]) >= 0


def test_the_commands_do_the_same(home, said, photos, tmp_path):
    done = run_here(
        "train",
        *(TINY, "--data-root", photos, "--backbone-weights", "none"),
        *("--epochs", 16, "--seed", 0, "--work-dir", tmp_path / "run"),
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stderr
    theirs = tmp_path / "run" / Path(said["best"]).name
    weights = [
        torch.load(path, weights_only=False)["state_dict"]
        for path in (theirs, home / said["best"])
    ]
    for name, value in weights[0].items():
        assert torch.equal(value, weights[1][name]), name
    options = ("--score-threshold", 0.02, "--device", "cpu")
    picture = photos / "val2017" / "0000.png"
    done = run_here("detect", picture, "--checkpoint", theirs, *options, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    (entry,) = json.loads((tmp_path / "detections" / "detections.json").read_text())
    ours = [item for item in said["found"]["detections"] if item["score"] >= 0.02]
    assert entry["detections"] == ours
    assert len(ours) > 1
    Detector(theirs, device="cpu").detect_all(picture, "mine", score_threshold=0.02)
    assert json.loads(Path("mine/detections.json").read_text()) == [entry]


def test_names_and_defaults_are_those_of_the_commands():
    def parsed(tool):
        actions = command_of_tool(tool).parser(tool)._actions
        known = {action.dest: action.default for action in actions}
        # For Python, --safe-config is a variable of the environment.
        left_out = ("help", "config", "safe_config")
        return {k: v for k, v in known.items() if k not in left_out}

    def taken(function, *left_out):
        known = inspect.signature(function).parameters
        return {k: p.default for k, p in known.items() if k not in ("self", *left_out)}

    def same(ours, theirs):
        assert set(ours) == set(theirs)
        for name, default in theirs.items():
            # A flag of argparse is False, or none, where nothing is asked for.
            plain = [
                None if value in (False, "none") else value
                for value in (ours[name], default)
            ]
            assert plain[0] == plain[1], name

    options = {option.name: option for option in fields(Options)}
    callbacks = {"on_epoch_end", "on_iteration_end", "on_validation_end"}
    train = set(taken(Detector.train, "flags", *callbacks))
    assert train | set(TrainingFlags.__annotations__) == set(parsed("train"))
    assert set(parsed("train")) == set(options)
    test = parsed("test")
    del test["checkpoint"], test["compare"]  # Evaluation.compare
    same(taken(Detector.evaluate), test)
    detect = parsed("detect")
    for name in ("checkpoint", "device", "cfg_options"):  # of the constructor
        del detect[name]
    detect["input"] = inspect.Parameter.empty
    same(taken(Detector.detect_all), detect)
    export = parsed("export")
    del export["checkpoint"]
    whole = {**taken(export_trained, "detector", "use_labels")}
    flags = {name: whole[name] for name in ExportFlags.__annotations__}
    whole |= taken(Detector.export, "flags")
    same(whole, export)
    assert set(flags) | set(taken(Detector.export, "flags")) == set(export)


def test_an_untrained_detector_refuses(photos):
    fresh = Detector("gfl_ghostnet-nano_coco")
    picture = np.zeros((9, 9, 3), np.uint8)
    for use in (
        lambda: fresh(picture),
        lambda: next(fresh.stream([picture])),
        lambda: fresh.detect_all(photos / "val2017"),
        lambda: fresh.evaluate(photos),
        lambda: fresh.export("onnx", data_root=photos),
        lambda: fresh.classes,
    ):
        with pytest.raises(OptionError, match="gfl_ghostnet-nano_coco is not trained"):
            use()
    assert not list(Path().iterdir())


def test_mistakes_of_the_constructor_are_told_at_once(home, said):
    with pytest.raises(OptionError, match="did you mean gfl_ghostnet-nano_coco"):
        Detector("gfl_ghostnet-nano_coc")
    with pytest.raises(OptionError, match="weights of its own"):
        Detector(home / said["best"], weights=None)
    with pytest.raises(OptionError, match="score_threshold is 30"):
        Detector(TINY, score_threshold=30)


def test_a_checkpoint_may_come_with_a_config(home, said, detector, photos):
    picture = photos / "val2017" / "0001.png"
    options = {"model.bbox_head.num_classes": 2}
    both = Detector(TINY, home / said["best"], device="cpu", cfg_options=options)
    np.testing.assert_array_equal(both(picture).boxes, detector(picture).boxes)
    least = float(both(picture).scores[2])
    strict = Detector(home / said["best"], device="cpu", score_threshold=least)
    assert len(strict(picture)) == 3 < len(detector(picture))


def test_callbacks_are_told_how_it_goes(photos):
    told = {"iteration": [], "epoch": [], "validation": []}
    _, run = quick(
        photos,
        epochs=3,
        on_iteration_end=told["iteration"].append,
        on_epoch_end=told["epoch"].append,
        on_validation_end=told["validation"].append,
        cfg_options={"train_cfg.val_interval": 2, "train_cfg.dynamic_intervals": None},
    )
    places = [(item.epoch, item.iteration) for item in told["iteration"]]
    assert places == [(1, 1), (1, 2), (2, 3), (2, 4), (3, 5), (3, 6)]
    assert all(item.losses["loss"] > 0 for item in told["iteration"])
    assert [item.epoch for item in told["epoch"]] == [1, 2, 3]
    assert [item.row() for item in told["epoch"]] == list(run.curves)
    for epoch in told["epoch"]:
        mean = np.mean(
            [i.losses["loss"] for i in told["iteration"] if i.epoch == epoch.epoch]
        )
        assert epoch.losses["loss"] == pytest.approx(mean, rel=1e-5)
        assert (epoch.max_epochs, epoch.max_iterations) == (3, 6)
    validated = [item for item in told["epoch"] if item.scores]
    assert told["validation"] == validated
    assert told["validation"][-1].scores == run.last_scores
    with pytest.raises(FrozenInstanceError):
        run.best = None


def test_a_callback_stops_a_run_early(photos):
    def stop(progress):
        if progress.iteration == 4:
            raise StopTraining

    fresh, run = quick(photos, epochs=9, on_epoch_end=stop)
    assert run.curves[-1]["iteration"] == 4
    assert run.best.is_file()
    assert fresh.is_trained
    assert len(list(run.work_dir.glob("epoch_9.pth"))) == 0


def test_an_exception_of_a_callback_loses_nothing(photos):
    def fail(progress):
        if progress.iteration == 3:
            raise ZeroDivisionError

    handlers = {number: signal.getsignal(number) for number in (2, 15)}
    fresh = Detector(TINY, weights=None, device="cpu")
    with pytest.raises(ZeroDivisionError):
        fresh.train(photos, epochs=3, seed=0, on_iteration_end=fail)
    assert {number: signal.getsignal(number) for number in (2, 15)} == handlers
    assert DefaultScope.get_current_instance().scope_name == "mmdet"
    assert not [name for name in MMLogger._instance_dict if "tiny" in name]
    assert not fresh.is_trained
    run = fresh.train(photos, epochs=3, resume=True)
    assert run.work_dir == Path("work_dirs/tiny_detector").resolve()
    assert [row["iteration"] for row in run.curves] == [4, 6]
    assert fresh.is_trained


def test_eight_threads_get_equal_answers(detector, photos):
    pictures = sorted((photos / "val2017").glob("*.png"))
    alone = [detector(picture) for picture in pictures]
    answers = {}

    def ask(index):
        answers[index] = [detector(picture) for picture in pictures]

    threads = [threading.Thread(target=ask, args=(index,)) for index in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(answers) == 8
    for found in answers.values():
        for ours, theirs in zip(found, alone, strict=True):
            np.testing.assert_array_equal(ours.boxes, theirs.boxes)
            np.testing.assert_array_equal(ours.scores, theirs.scores)


def test_a_second_training_at_once_is_refused(detector, photos):
    started, go_on, outcome = threading.Event(), threading.Event(), []

    def wait(progress):
        started.set()
        assert go_on.wait(60)

    def first():
        outcome.append(quick(photos, epochs=1, on_iteration_end=wait))

    thread = threading.Thread(target=first)
    thread.start()
    assert started.wait(60)
    try:
        with pytest.raises(TrainingError, match="going on in this process"):
            quick(photos)
        with pytest.raises(TrainingError):
            detector.evaluate(photos, work_dir="judged")
        assert len(detector(photos / "val2017" / "0000.png")) > 1
    finally:
        go_on.set()
        thread.join()
    assert outcome[0][1].best.is_file()
    assert not Path("judged").exists()


def test_runs_one_after_another_are_not_mixed_up(photos, tmp_path):
    other = make_tiny_coco(tmp_path / "bolts")

    def rename(content):
        content["categories"] = [{"id": 1, "name": "bolt"}]
        content["annotations"] = [
            item for item in content["annotations"] if item["category_id"] == 1
        ]

    for split in ("train2017", "val2017"):
        edit_annotations(other, rename, split)
    cups, first = quick(photos, epochs=1)
    with pytest.raises(DataError):
        Detector(TINY, weights=None).train(tmp_path / "nowhere")
    bolts, second = quick(other, epochs=1)
    names = [run.work_dir.name for run in (first, second)]
    assert names == ["tiny_detector", "tiny_detector-2"]
    picture = photos / "val2017" / "0000.png"
    assert cups.classes == cups(picture).names == ("cup", "plate")
    assert bolts.classes == bolts(picture).names == ("bolt",)
    assert set(cups.evaluate().class_scores) == {"cup", "plate"}
    # Trained again, the first one goes on from its weights, with classes as they come.
    third = cups.train(other, epochs=1, seed=0)
    assert cups.classes == ("bolt",)
    assert third.work_dir.name == "tiny_detector-3"
    assert first.best.is_file()


def test_the_package_names_what_it_has():
    assert ghostnet_mm.Detector is Detector
    with pytest.raises(AttributeError, match="no attribute 'Detektor'"):
        _ = ghostnet_mm.Detektor
