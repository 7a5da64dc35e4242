"""``ghostnet-detect`` in a process of its own."""

import json
import os
import subprocess
import sys

import cv2
import numpy as np
import pytest
from ghostnet_runtime import Detector
from ghostnet_runtime.command_line import main

BOXES = [[2, 4, 10, 20], [-3, 8, 30, 40]]
SCORES = [[0.1, 0.8, 0.0], [0.2, 0.0, 0.0]]


@pytest.fixture
def model(tmp_path, tiny_onnx, raw_description):
    raw = raw_description(input={"mean": [0, 0, 0], "std": [1, 1, 1]})
    return tiny_onnx(tmp_path / "model.onnx", raw, BOXES, SCORES)


@pytest.fixture
def run(tmp_path, project_root):
    environment = {**os.environ, "PYTHONPATH": str(project_root / "runtime")}
    for name in ("DISPLAY", "WAYLAND_DISPLAY"):
        environment.pop(name, None)

    def call(*arguments):
        return subprocess.run(
            [sys.executable, "-m", "ghostnet_runtime", *map(str, arguments)],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
        )

    return call


def failed(done, *parts):
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert line.startswith("error: ")
    for part in parts:
        assert part in line


def write_film(path, count):
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"MJPG"), 5, (32, 24))
    for _ in range(count):
        writer.write(np.zeros((24, 32, 3), np.uint8))
    writer.release()


def test_a_folder(tmp_path, run, model):
    (tmp_path / "in" / "below").mkdir(parents=True)
    cv2.imwrite(str(tmp_path / "in/a.png"), np.zeros((64, 16, 3), np.uint8))
    # A grey file and one with transparency are read in color.
    cv2.imwrite(str(tmp_path / "in/below/b.png"), np.zeros((20, 30), np.uint8))
    cv2.imwrite(str(tmp_path / "in/c.png"), np.zeros((32, 32, 4), np.uint8))
    done = run(model, "in", "--out", "out", "--threads", 1)
    assert (done.returncode, done.stderr) == (0, "")
    assert "3/3 images" in done.stdout
    assert "ETA" in done.stdout
    assert "3 detections on 3 pictures" in done.stdout
    entries = json.loads((tmp_path / "out/detections.json").read_text())
    assert entries[0] == {
        "image": "a.png",
        "width": 16,
        "height": 64,
        "detections": [
            {"class": "dog", "label": 1, "score": 0.8, "bbox": [1.0, 8.0, 5.0, 40.0]}
        ],
    }
    assert [entry["image"] for entry in entries] == ["a.png", "below/b.png", "c.png"]
    drawn = cv2.imread(str(tmp_path / "out/below/b.png"))
    assert drawn.shape == (20, 30, 3)
    assert drawn.any()


def test_scores_below_the_threshold_are_left_out(tmp_path, run, model):
    cv2.imwrite(str(tmp_path / "a.png"), np.zeros((32, 32, 3), np.uint8))
    counts = []
    for score in (0.15, 0.9):
        done = run(model, "a.png", "--score", score)
        assert done.returncode == 0
        (entry,) = json.loads((tmp_path / "detections/detections.json").read_text())
        counts.append(len(entry["detections"]))
    assert counts == [2, 0]


def test_a_film(tmp_path, run, model):
    write_film(tmp_path / "film.avi", 5)
    done = run(model, "film.avi", "--out", "out", "--max-frames", 3)
    assert done.returncode == 0
    assert "3/3 images" in done.stdout
    entries = json.loads((tmp_path / "out/detections.json").read_text())
    assert [entry["frame"] for entry in entries] == [0, 1, 2]
    film = cv2.VideoCapture(str(tmp_path / "out/film.mp4"))
    assert film.get(cv2.CAP_PROP_FRAME_COUNT) == 3


def test_an_unreadable_picture_is_told_by_the_exit_status(tmp_path, run, model):
    (tmp_path / "in").mkdir()
    cv2.imwrite(str(tmp_path / "in/a.png"), np.zeros((32, 32, 3), np.uint8))
    (tmp_path / "in/b.jpg").write_bytes(b"\xff\xd8\xff\xe0 no picture")
    (tmp_path / "in/._a.png").write_bytes(b"macOS")
    done = run(model, "in", "--out", "out")
    assert done.returncode == 1
    first, second = done.stderr.splitlines()
    assert first == "missing: 1 of 2 pictures"
    assert "b.jpg cannot be read: it is damaged" in second
    entries = json.loads((tmp_path / "out/detections.json").read_text())
    assert [entry["image"] for entry in entries] == ["a.png", "b.jpg"]
    assert sorted(file.name for file in (tmp_path / "out").iterdir()) == [
        *("a.png", "detections.json")
    ]
    failed(run(model, "in/b.jpg", "--out", "other"), "b.jpg cannot be read")
    assert not (tmp_path / "other").exists()


def test_ctrl_c_in_a_folder_is_told_by_the_exit_status(
    tmp_path, model, monkeypatch, capsys
):
    for name in ("a.png", "b.png"):
        cv2.imwrite(str(tmp_path / name), np.zeros((32, 32, 3), np.uint8))
    results = iter([Detector(model)(np.zeros((9, 9, 3), np.uint8))])

    def stop_at_the_second(self, image):
        try:
            return next(results)
        except StopIteration:
            raise KeyboardInterrupt from None

    monkeypatch.setattr(Detector, "detect", stop_at_the_second)
    out = tmp_path / "out"
    assert main([str(model), str(tmp_path), "--out", str(out)]) == 130
    (entry,) = json.loads((out / "detections.json").read_text())
    assert entry["image"] == "a.png"
    told = capsys.readouterr()
    assert "what was done until then is kept" in told.out
    assert told.err == "interrupted\n"


def test_what_the_user_can_mistake(tmp_path, run, model):
    cv2.imwrite(str(tmp_path / "a.png"), np.zeros((32, 32, 3), np.uint8))
    failed(run("other.onnx", "a.png"), "other.onnx does not exist")
    failed(run(model, "b.png"), "b.png does not exist")
    failed(run(model, "a.png", "--out", "."), "the pictures themselves")
    failed(run(model, "a.png", "--show"), "--show needs a display")
    done = run(model, "a.png", "--score", 30)
    assert done.returncode == 2
    assert "--score must lie between 0 and 1" in done.stderr


def test_help_shows_examples_and_layout(run):
    done = run("--help")
    assert done.returncode == 0
    assert "ghostnet-detect detector.onnx" in done.stdout
    assert '"bbox": [x1, y1, x2, y2]' in done.stdout
