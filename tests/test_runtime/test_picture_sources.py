import cv2
import numpy as np
import pytest
from ghostnet_runtime.errors import DataError
from ghostnet_runtime.picture_sources import open_source


def picture(value):
    return np.full((24, 32, 3), value, dtype=np.uint8)


def test_a_folder_gives_its_images_in_order(tmp_path):
    (tmp_path / "below").mkdir()
    for index, name in enumerate(["b.png", "a.PNG", "below/c.bmp"]):
        assert cv2.imwrite(str(tmp_path / name), picture(50 * index))
    (tmp_path / "notes.txt").write_text("no image")
    source = open_source(str(tmp_path))
    assert not source.is_video
    assert source.total == 3
    found = {one.name: int(one.pixels[0, 0, 0]) for one in source}
    assert found == {"a.PNG": 50, "b.png": 0, "below/c.bmp": 100}


def test_one_image_has_its_own_name(tmp_path):
    cv2.imwrite(str(tmp_path / "ä b.png"), picture(7))
    (only,) = open_source(str(tmp_path / "ä b.png"))
    assert only.name == "ä b.png"
    assert (only.pixels == 7).all()


def test_a_film_gives_every_frame_once(tmp_path):
    film = str(tmp_path / "film.avi")
    writer = cv2.VideoWriter(film, cv2.VideoWriter_fourcc(*"MJPG"), 5, (32, 24))
    for index in range(4):
        writer.write(picture(60 * index))
    writer.release()
    source = open_source(film)
    assert (source.is_video, source.total, source.rate) == (True, 4, 5)
    frames = list(source)
    assert [frame.name for frame in frames] == [0, 1, 2, 3]
    means = [frame.pixels.mean() for frame in frames]
    np.testing.assert_allclose(means, [0, 60, 120, 180], atol=3)


def test_a_camera_that_is_not_there(capfd):
    with pytest.raises(DataError, match="camera 99 cannot be read"):
        open_source("99")
    assert capfd.readouterr().err == ""


def test_an_empty_file_is_no_image(tmp_path):
    (tmp_path / "a.png").write_bytes(b"")
    with pytest.raises(DataError, match=r"a\.png cannot be read"):
        list(open_source(str(tmp_path / "a.png")))
