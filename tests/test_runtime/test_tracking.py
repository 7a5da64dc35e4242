"""Ids that stay with their objects, in films made of photos."""

import json
import sys

import cv2
import numpy as np
import pytest
from ghostnet_runtime import Detections
from ghostnet_runtime.errors import OptionError
from ghostnet_runtime.picture_detector import PictureDetector
from ghostnet_runtime.tracking import Tracker
from test_runtime.test_slicing import NAMES, finds_spots

FRAMES = 14


class Spots(PictureDetector[Detections]):
    """Finds spots; surer of large ones."""

    def detect(self, pixels):
        return finds_spots(pixels, least=0.02)


def frame(number):
    """Return a frame where two red spots and a green one cross each other."""
    pixels = np.full((120, 260, 3), 40, np.uint8)
    left = 10 + 12 * number
    pixels[20:50, left : left + 30, 2] = 255
    pixels[70:100, 200 - 12 * number : 230 - 12 * number, 2] = 255
    pixels[20:50, 215 - 12 * number : 245 - 12 * number, 1] = 255
    return pixels


@pytest.fixture
def film(tmp_path):
    path = tmp_path / "film.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"MJPG"), 10, (260, 120))
    for number in range(FRAMES):
        writer.write(frame(number))
    writer.release()
    return path


def paths_of(entries):
    """Return the left edges of each id, in the order of the frames."""
    paths = {}
    for entry in entries:
        for found in entry["detections"]:
            if "track" in found:
                paths.setdefault((found["track"], found["class"]), []).append(
                    found["bbox"][0]
                )
    return paths


def test_objects_keep_their_ids_through_a_film(film, tmp_path):
    Spots().detect_all(film, tmp_path / "out", score_threshold=0.3, track=True)
    entries = json.loads((tmp_path / "out" / "detections.json").read_text())
    assert len(entries) == FRAMES
    paths = paths_of(entries)
    assert len({track for track, _ in paths}) == 3
    for edges in paths.values():
        steps = np.diff(edges)
        assert (np.sign(steps) == np.sign(steps[0])).all()  # none turns round
    shown = cv2.VideoCapture(str(tmp_path / "out" / "film.mp4"))
    assert int(shown.get(cv2.CAP_PROP_FRAME_COUNT)) == FRAMES


def test_a_stream_and_frames_one_by_one_are_tracked_too(film):
    streamed = list(Spots().stream(film, track=True))
    one_by_one = list(Spots().stream([frame(n) for n in range(FRAMES)], track=True))
    for found in (streamed, one_by_one):
        ids = [set(item.data["tracker_id"].tolist()) - {-1} for item in found]
        assert ids[0] == set()
        assert ids[1] == ids[-1] == {0, 1, 2}
    again = list(Spots().stream(film, track=True))
    assert set(again[1].data["tracker_id"].tolist()) == {0, 1, 2}  # each film anew


def test_an_unsure_detection_goes_on_with_its_track_and_begins_none():
    tracker = Tracker(10, 0.3)
    for number in range(6):
        left = 10 + 4 * number
        boxes = np.array([[left, 10, left + 40, 50], [200, 5, 240, 40]])
        score = 0.08 if number == 4 else 0.9
        found = Detections(boxes.astype(float), [score, 0.2], [0, 1], NAMES)
        assert tracker.least_score == pytest.approx(0.05)
        shown = tracker.update(found)
        assert len(shown) == 1
        assert shown.labels.tolist() == [0]
        if number:
            assert shown[0].track == 0
            assert shown.scores[0] == score
    assert len(tracker.update(Detections.none(NAMES))) == 0


def test_ids_reach_supervision_tables_and_pictures():
    found = Detections(
        [[1, 2, 90, 50]], [0.9], [1], NAMES, data={"tracker_id": np.array([7])}
    )
    assert found.to_supervision().tracker_id.tolist() == [7]
    assert found.to_columns()["tracker_id"] == [7]
    assert found.to_json()["detections"][0]["track"] == 7
    blank = np.zeros((60, 100, 3), np.uint8)
    without = Detections([[1, 2, 90, 50]], [0.9], [1], NAMES)
    assert (found.plot(blank) != without.plot(blank)).any()


def test_pictures_that_do_not_follow_one_another_are_refused(tmp_path):
    cv2.imwrite(str(tmp_path / "a.png"), frame(0))
    with pytest.raises(OptionError, match="Tracking is for a film"):
        Spots().detect_all(tmp_path, tmp_path / "out", track=True)
    with pytest.raises(OptionError, match="Tracking is for a film"):
        list(Spots().stream(tmp_path, track=True))
    assert not (tmp_path / "out").exists()


def test_a_missing_library_is_named(film, monkeypatch):
    monkeypatch.setitem(sys.modules, "trackers", None)
    with pytest.raises(OptionError, match="pip install trackers"):
        list(Spots().stream(film, track=True))
