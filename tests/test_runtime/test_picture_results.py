"""Detecting on a source: nothing stops it, and what is finished stays."""

import errno
import json
import os
import signal
import subprocess
import sys
import time
from contextlib import contextmanager

import cv2
import numpy as np
import pytest
from ghostnet_runtime import DataError, Detections, OptionError
from ghostnet_runtime.picture_results import detect_all

NAMES = ("cat", "dog")
DAMAGED = b"\xff\xd8\xff\xe0 no picture"


def detect(pixels):
    """A dog whose score is the picture's first grey level in percent."""
    score = pixels[0, 0, 0] / 100
    return Detections([[2, 3, 20, 15]], [score], [1], NAMES)


@pytest.fixture
def photos(tmp_path):
    """Six photos of rising grey levels, of which the third is damaged."""
    folder = tmp_path / "photos"
    folder.mkdir()
    for index in range(6):
        pixels = np.full((24, 32, 3), 40 + 10 * index, np.uint8)
        cv2.imwrite(str(folder / f"{index}.png"), pixels)
    (folder / "2.png").write_bytes(DAMAGED)
    return folder


@pytest.fixture
def film(tmp_path):
    path = tmp_path / "film.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"MJPG"), 5, (64, 48))
    for _ in range(30):
        writer.write(np.full((48, 64, 3), 50, np.uint8))
    writer.release()
    return path


def written(folder):
    return json.loads((folder / "detections.json").read_text())


def files_of(folder):
    return sorted(file.name for file in folder.iterdir())


def frames_of(path):
    film = cv2.VideoCapture(str(path))
    count = 0
    while film.read()[0]:
        count += 1
    return count


def stop_at(count, error):
    calls = iter(range(1, count + 1))

    def limited(pixels):
        if next(calls) == count:
            raise error
        return detect(pixels)

    return limited


def test_a_damaged_picture_is_missing_and_the_rest_is_there(photos, tmp_path, capsys):
    (photos / "._0.png").write_bytes(DAMAGED)
    (photos / "notes.txt").write_text("notes")
    results = detect_all(detect, str(photos), tmp_path / "out")
    assert (results.pictures, [item.name for item in results.missing]) == (5, ["2.png"])
    assert results.path == tmp_path / "out" / "detections.json"
    entries = written(tmp_path / "out")
    assert [entry["image"] for entry in entries] == [f"{i}.png" for i in range(6)]
    assert "2.png cannot be read" in entries[2]["error"]
    assert set(entries[2]) == {"image", "error"}
    found = [entry for entry in entries if "error" not in entry]
    assert [entry["detections"][0]["score"] for entry in found] == [
        *(0.4, 0.5, 0.7, 0.8, 0.9)
    ]
    assert found[0] == {
        "image": "0.png",
        "width": 32,
        "height": 24,
        "detections": [
            {"class": "dog", "label": 1, "score": 0.4, "bbox": [2, 3, 20, 15]}
        ],
    }
    assert files_of(tmp_path / "out") == [
        *("0.png", "1.png", "3.png", "4.png", "5.png", "detections.json")
    ]
    out, err = capsys.readouterr()
    assert "5 detections on 5 pictures" in out
    assert "1 file is no picture: notes.txt" in out
    assert "missing: 1 of 6 pictures" in err
    assert "2.png cannot be read" in err


def test_scores_below_the_threshold_are_left_out(photos, tmp_path):
    results = detect_all(detect, str(photos), tmp_path / "out", score_threshold=0.75)
    counts = [len(entry.get("detections", "x")) for entry in written(tmp_path / "out")]
    assert counts == [0, 0, 1, 0, 1, 1]
    unsure = cv2.imread(str(tmp_path / "out" / "0.png"))
    np.testing.assert_array_equal(unsure, cv2.imread(str(photos / "0.png")))
    assert results.pictures == 5


def test_what_the_detector_cannot_use_is_missing_too(photos, tmp_path):
    def diverging(pixels):
        if pixels[0, 0, 0] == 70:
            return Detections([[0, 0, np.inf, 9]], [0.5], [0], NAMES)
        return detect(pixels)

    results = detect_all(diverging, str(photos), tmp_path / "out")
    assert [item.name for item in results.missing] == ["2.png", "3.png"]
    assert "no number" in written(tmp_path / "out")[3]["error"]


def test_pictures_that_come_first_but_are_missing_come_first(photos, tmp_path):
    (photos / "0.png").write_bytes(DAMAGED)
    detect_all(detect, str(photos), tmp_path / "out", max_frames=4)
    entries = written(tmp_path / "out")
    assert [entry["image"] for entry in entries] == [f"{i}.png" for i in range(4)]
    assert ["error" in entry for entry in entries] == [True, False, True, False]


def test_nothing_readable_leaves_nothing(photos, tmp_path):
    for photo in photos.iterdir():
        photo.write_bytes(DAMAGED)
    with pytest.raises(DataError, match=r"Of 6 pictures in .*photos not one"):
        detect_all(detect, str(photos), tmp_path / "out")
    with pytest.raises(DataError, match=r"^The image .*1\.png cannot be read"):
        detect_all(detect, str(photos / "1.png"), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_results_of_before_stay_until_there_are_new_ones(photos, tmp_path):
    detect_all(detect, str(photos), tmp_path / "out")
    before = written(tmp_path / "out")
    with pytest.raises(KeyboardInterrupt):
        detect_all(stop_at(1, KeyboardInterrupt), str(photos), tmp_path / "out")
    assert written(tmp_path / "out") == before


@pytest.mark.parametrize(
    "error", [KeyboardInterrupt(), RuntimeError("a bug"), MemoryError()], ids=repr
)
def test_what_is_finished_stays_whatever_comes(photos, tmp_path, error):
    with pytest.raises(type(error)):
        detect_all(stop_at(4, error), str(photos), tmp_path / "out")
    entries = written(tmp_path / "out")
    names = [entry["image"] for entry in entries if "error" not in entry]
    assert names == ["0.png", "1.png", "3.png"]
    assert files_of(tmp_path / "out") == [*names, "detections.json"]


def test_ctrl_c_ends_a_film_and_keeps_it(film, tmp_path, capsys):
    stopped = stop_at(8, KeyboardInterrupt())
    results = detect_all(stopped, str(film), tmp_path / "out")
    assert results.pictures == 7
    assert [entry["frame"] for entry in written(tmp_path / "out")] == list(range(7))
    assert frames_of(tmp_path / "out" / "film.mp4") == 7
    assert files_of(tmp_path / "out") == ["detections.json", "film.mp4"]
    assert "ended early" in capsys.readouterr().out


def test_a_bug_in_the_middle_of_a_film_keeps_its_frames(film, tmp_path):
    with pytest.raises(RuntimeError):
        detect_all(stop_at(8, RuntimeError("a bug")), str(film), tmp_path / "out")
    assert frames_of(tmp_path / "out" / "film.mp4") == 7
    assert len(written(tmp_path / "out")) == 7


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
def test_a_killed_run_leaves_what_is_finished(tmp_path, film, project_root, how):
    program = f"""
import sys, time
import numpy as np
from ghostnet_runtime import Detections
from ghostnet_runtime.picture_results import detect_all
count = 0
def detect(pixels):
    global count
    count += 1
    if count == 6:
        print("here", file=sys.stderr, flush=True)
        time.sleep(60)
    return Detections([[2, 3, 20, 15]], [0.5], [1], ("cat", "dog"))
detect_all(detect, {str(film)!r}, {str(tmp_path / "out")!r})
"""
    process = subprocess.Popen(
        [sys.executable, "-c", program],
        env={**os.environ, "PYTHONPATH": str(project_root / "runtime")},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr.readline() == "here\n"
    time.sleep(0.1)
    process.send_signal(how)
    process.communicate(timeout=30)
    assert process.returncode != 0
    assert [entry["frame"] for entry in written(tmp_path / "out")] == list(range(5))
    if how == signal.SIGTERM:
        assert frames_of(tmp_path / "out" / "film.mp4") == 5
        assert files_of(tmp_path / "out") == ["detections.json", "film.mp4"]


def test_sigterm_is_handed_back(photos, tmp_path):
    before = signal.getsignal(signal.SIGTERM)
    seen = []

    def look(pixels):
        seen.append(signal.getsignal(signal.SIGTERM))
        return detect(pixels)

    detect_all(look, str(photos), tmp_path / "out")
    assert signal.getsignal(signal.SIGTERM) is before
    assert seen[0] is not before
    # A handler of somebody else stays.
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    try:
        detect_all(look, str(photos), tmp_path / "out")
    finally:
        signal.signal(signal.SIGTERM, before)
    assert seen[-1] is signal.SIG_IGN


@contextmanager
def no_file_above(size):
    """Beyond its limit the system writes part of what is asked for, and fails."""
    resource = pytest.importorskip("resource", reason="Windows has no such limit")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)


def test_a_full_disk_keeps_what_is_finished(tmp_path):
    folder = tmp_path / "photos"
    folder.mkdir()
    for index in range(40):
        cv2.imwrite(
            str(folder / f"{index:02d}.png"), np.full((24, 32, 3), 50, np.uint8)
        )
    told = r"results of \d+ pictures are there"
    with no_file_above(1500), pytest.raises(OptionError, match=told) as told:
        detect_all(detect, str(folder), tmp_path / "out")
    assert os.strerror(errno.EFBIG) in str(told.value)
    entries = written(tmp_path / "out")
    assert 5 < len(entries) < 40
    assert [entry["image"] for entry in entries] == [
        f"{index:02d}.png" for index in range(len(entries))
    ]
    assert f"of {len(entries)} pictures" in str(told.value)
    assert not list((tmp_path / "out").glob(".unfinished*"))


def test_a_film_that_does_not_fit_is_told_once(tmp_path, film, capfd):
    noise = np.random.default_rng(0)

    def detect_and_scribble(pixels):
        pixels[:] = noise.integers(0, 256, pixels.shape)
        return Detections.none(NAMES)

    told = r"film\.mp4 cannot be written in full; make room"
    with no_file_above(20_000), pytest.raises(OptionError, match=told):
        detect_all(detect_and_scribble, str(film), tmp_path / "out")
    assert files_of(tmp_path / "out") == ["detections.json"]
    assert len(written(tmp_path / "out")) == 30
    assert capfd.readouterr().err == ""


def test_further_files_lie_beside_their_picture(photos, film, tmp_path):
    def keep(found, target):
        target.parent.mkdir(parents=True, exist_ok=True)
        target.with_name(f"{target.name}.txt").write_text(str(len(found)))

    detect_all(detect, str(photos), tmp_path / "out", keep=keep)
    assert (tmp_path / "out" / "3.png.txt").read_text() == "1"
    detect_all(detect, str(film), tmp_path / "film", max_frames=2, keep=keep)
    assert (tmp_path / "film" / "frame_000001.txt").is_file()


def test_pictures_of_every_kind_are_drawn(photos, tmp_path, capsys):
    content = cv2.imencode(".jpg", np.full((24, 32, 3), 50, np.uint8))[1].tobytes()
    (photos / "6.jfif").write_bytes(content)
    (photos / "7").write_bytes(content)
    cv2.imwrite(str(photos / "8.png"), np.full((24, 32, 3), 800, np.uint16))
    results = detect_all(detect, str(photos), tmp_path / "out")
    assert results.pictures == 8
    assert {"6.jfif.jpg", "7.jpg", "8.png"} <= set(files_of(tmp_path / "out"))
    entries = {entry["image"]: entry for entry in written(tmp_path / "out")}
    assert entries["7"]["detections"][0]["score"] == 0.5
    assert entries["8.png"]["detections"][0]["score"] == 2.0  # 800 of 1023 levels
    told = capsys.readouterr().out
    assert "1 x 16 bits of which 10 are used were scaled to 8: 8.png" in told


def test_a_name_that_the_console_cannot_show(photos, tmp_path, monkeypatch):
    (photos / "图片.png").write_bytes(DAMAGED)
    path = tmp_path / "console.txt"
    with open(path, "w", encoding="ascii") as console:
        monkeypatch.setattr(sys, "stdout", console)
        monkeypatch.setattr(sys, "stderr", console)
        results = detect_all(detect, str(photos), tmp_path / "out")
    assert "\\u56fe\\u7247.png cannot be read" in path.read_text()
    assert results.missing[-1].name == "图片.png"


def test_the_output_is_checked_before_the_work(photos, tmp_path):
    def fail(pixels):
        raise AssertionError("detected for nothing")

    (tmp_path / "file").write_text("")
    with pytest.raises(OptionError, match="is a file; name a folder"):
        detect_all(fail, str(photos), tmp_path / "file")
    with pytest.raises(OptionError, match="the pictures themselves"):
        detect_all(fail, str(photos), photos)
