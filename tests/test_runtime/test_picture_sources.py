"""What there is in a folder or a film, and what of it cannot be read."""

import cv2
import numpy as np
import pytest
from ghostnet_runtime.errors import DataError, OptionError
from ghostnet_runtime.picture_sources import (
    MissingPicture,
    Picture,
    open_source,
    refuse_overwriting,
)


def picture(value):
    return np.full((24, 32, 3), value, dtype=np.uint8)


def write_film(path, code, count=40, size=(96, 64)):
    """Frames whose grey level says which they are, with noise to make them large."""
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*code), 10, size)
    noise = np.random.default_rng(0)
    for index in range(count):
        frame = np.full((size[1], size[0], 3), 5 * index, np.uint8)
        frame[10:30, 10:50] = noise.integers(0, 255, (20, 40, 3))
        writer.write(frame)
    writer.release()
    return path


def overwrite(path, start, end):
    content = bytearray(path.read_bytes())
    first, last = int(start * len(content)), int(end * len(content))
    content[first:last] = bytes(last - first)
    path.write_bytes(content)


def shown_index(item):
    """Which of `write_film`'s frames this is."""
    return item.pixels[50:, 60:].mean() / 5


def test_a_folder_gives_its_images_in_order(tmp_path):
    (tmp_path / "below").mkdir()
    for index, name in enumerate(["b.png", "a.PNG", "below/c.bmp"]):
        assert cv2.imwrite(str(tmp_path / name), picture(50 * index))
    source = open_source(str(tmp_path))
    assert not source.is_video
    assert source.total == 3
    found = {item.name: int(item.pixels[0, 0, 0]) for item in source}
    assert found == {"a.PNG": 50, "b.png": 0, "below/c.bmp": 100}
    assert source.remarks == []


def test_a_folder_tells_what_is_no_picture_and_passes_dot_files_over(tmp_path):
    cv2.imwrite(str(tmp_path / "a.png"), picture(0))
    content = cv2.imencode(".jpg", picture(9))[1].tobytes()
    (tmp_path / ".hidden").mkdir()
    for name in ("b.jfif", "c", "._a.jpg", ".hidden/d.jpg", ".DS_Store"):
        (tmp_path / name).write_bytes(content)
    for name in ("notes.txt", "film.mp4", "z.json", "empty"):
        (tmp_path / name).write_bytes(b"{}" if name != "empty" else b"")
    source = open_source(str(tmp_path))
    assert [item.name for item in source] == ["a.png", "b.jfif", "c"]
    (remark,) = source.remarks
    assert remark == "4 files are no pictures: empty, film.mp4, notes.txt and 1 more"


def test_one_image_has_its_own_name(tmp_path):
    (tmp_path / ".ä b").write_bytes(cv2.imencode(".png", picture(7))[1].tobytes())
    (only,) = open_source(str(tmp_path / ".ä b"))
    assert only.name == ".ä b"
    assert (only.pixels == 7).all()


def test_attempts_go_on_past_what_cannot_be_read(tmp_path):
    cv2.imwrite(str(tmp_path / "a.png"), picture(0))
    (tmp_path / "b.jpg").write_bytes(b"\xff\xd8\xff no picture")
    (tmp_path / "c.heic").write_bytes(b"\0\0\0\x18ftypheic" + bytes(100))
    cv2.imwrite(str(tmp_path / "d.png"), picture(1))
    first, broken, heic, last = open_source(str(tmp_path)).attempts()
    assert (first.name, last.name) == ("a.png", "d.png")
    assert isinstance(broken, MissingPicture)
    assert (broken.name, broken.count) == ("b.jpg", 1)
    assert "b.jpg cannot be read: it is damaged" in broken.reason
    assert "is HEIC" in heic.reason
    with pytest.raises(DataError, match=r"b\.jpg cannot be read"):
        list(open_source(str(tmp_path)))


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("a.avi", "MJPG"),
        ("a.avi", "XVID"),
        ("a.mp4", "mp4v"),
        ("a.mkv", "VP80"),
        ("a.webm", "VP80"),
    ],
)
def test_a_film_gives_every_frame_once(tmp_path, name, code):
    source = open_source(str(write_film(tmp_path / name, code)))
    assert (source.is_video, source.total, source.rate) == (True, 40, 10)
    frames = list(source.attempts())
    assert [frame.name for frame in frames] == list(range(40))
    found = [shown_index(frame) for frame in frames]
    np.testing.assert_allclose(found, range(40), atol=0.9)
    assert source.remarks == []


def test_frames_that_cannot_be_decoded_are_counted(tmp_path):
    film = write_film(tmp_path / "film.mp4", "mp4v")
    overwrite(film, 0.5, 0.55)
    items = list(open_source(str(film)).attempts())
    (gap,) = (item for item in items if isinstance(item, MissingPicture))
    frames = [item for item in items if isinstance(item, Picture)]
    assert gap.count >= 2
    assert f"{gap.count} frames from {gap.name} on cannot be decoded" in gap.reason
    # The numbers are those of the whole film.
    covered = [frame.name for frame in frames] + [
        gap.name + i for i in range(gap.count)
    ]
    assert sorted(covered) == list(range(40))
    for frame in frames:
        if frame.name >= gap.name + gap.count:
            assert abs(shown_index(frame) - frame.name) < 1


def test_a_film_that_begins_with_damage_is_read(tmp_path):
    film = write_film(tmp_path / "film.mp4", "mp4v")
    overwrite(film, 48 / film.stat().st_size, 0.05)  # after the header
    first, second, *_ = open_source(str(film)).attempts()
    assert isinstance(first, MissingPicture)
    assert (first.name, second.name) == (0, first.count)


@pytest.mark.parametrize("code", ["MJPG", "XVID"])
def test_a_film_that_is_cut_off_does_not_look_complete(tmp_path, code):
    film = write_film(tmp_path / "film.avi", code)
    content = film.read_bytes()
    film.write_bytes(content[: len(content) // 2])
    *frames, end = open_source(str(film)).attempts()
    assert isinstance(end, MissingPicture)
    assert end.name == len(frames)
    assert end.name + end.count == 40
    assert f"announces 40 frames, and {len(frames)} could be read" in end.reason


def test_frames_lost_in_the_middle_are_told_at_the_end(tmp_path):
    """AVI has no times: its decoder passes damage over, and counts on."""
    film = write_film(tmp_path / "film.avi", "MJPG")
    overwrite(film, 0.5, 0.55)
    *frames, end = open_source(str(film)).attempts()
    assert all(isinstance(frame, Picture) for frame in frames)
    assert (len(frames), end.count) == (38, 2)
    film = write_film(tmp_path / "film.mkv", "VP80")
    overwrite(film, 0.5, 0.55)
    source = open_source(str(film))
    frames = list(source.attempts())
    # By its times the film is there up to its end, so that the number of frames may be
    # an estimate: told, and not missing.
    assert all(isinstance(frame, Picture) for frame in frames)
    (remark,) = source.remarks
    assert f"announces 40 frames, and {len(frames)} could be read" in remark


def test_a_camera_that_is_not_there(capfd):
    with pytest.raises(DataError, match="camera 99 cannot be read"):
        open_source("99")
    assert capfd.readouterr().err == ""


def test_what_is_neither(tmp_path):
    (tmp_path / "a.txt").write_text("text")
    with pytest.raises(DataError, match=r"a\.txt is neither an image"):
        open_source(str(tmp_path / "a.txt"))
    with pytest.raises(DataError, match="holds no image"):
        open_source(str(tmp_path))


def test_results_never_take_the_place_of_their_sources(tmp_path):
    (tmp_path / "in" / "old").mkdir(parents=True)
    for name in ("a.png", "old/a.png", "old/b.png"):
        cv2.imwrite(str(tmp_path / "in" / name), picture(0))
    pictures = open_source(str(tmp_path / "in"))
    with pytest.raises(OptionError, match="the pictures themselves"):
        refuse_overwriting(tmp_path / "in" / "old" / "..", pictures)
    # in/a.png would be drawn as in/old/a.png, which is a picture.
    with pytest.raises(OptionError, match="the pictures themselves"):
        refuse_overwriting(tmp_path / "in" / "old", pictures)
    refuse_overwriting(tmp_path / "in" / "new", pictures)
    refuse_overwriting(tmp_path, pictures)
    film = open_source(str(write_film(tmp_path / "film.mp4", "mp4v", 2)))
    with pytest.raises(OptionError, match="the video itself"):
        refuse_overwriting(tmp_path, film)
    refuse_overwriting(tmp_path / "new", film)
    film = open_source(str(write_film(tmp_path / "film.avi", "MJPG", 2)))
    refuse_overwriting(tmp_path, film)
