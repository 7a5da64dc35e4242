"""Pictures by their content: as mmdet reads them, or told."""

import cv2
import mmcv
import numpy as np
import pytest
from ghostnet_runtime.errors import DataError
from ghostnet_runtime.picture_reading import is_picture, read_picture
from PIL import Image

HEIC = b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(200)


@pytest.fixture
def scene():
    corners = np.random.default_rng(0).integers(0, 256, (6, 8, 3), dtype=np.uint8)
    return cv2.resize(corners, (80, 60), interpolation=cv2.INTER_LINEAR)


def as_mmdet(path):
    return mmcv.imfrombytes(path.read_bytes(), flag="color", backend="cv2")


def reads(path):
    pixels, note = read_picture(path)
    assert pixels.dtype == np.uint8
    assert pixels.ndim == 3
    return pixels, note


MODES = {
    "png": ("RGB", "L", "P", "RGBA", "LA", "1"),
    "jpg": ("RGB", "L", "CMYK"),
    "tif": ("RGB", "L", "P", "RGBA", "LA", "1", "CMYK"),
    "bmp": ("RGB", "L", "P", "RGBA", "1"),
    "webp": ("RGB", "L", "RGBA"),
    "gif": ("RGB", "L", "P", "RGBA"),
}


@pytest.mark.parametrize(
    ("suffix", "mode"), [(suffix, mode) for suffix in MODES for mode in MODES[suffix]]
)
def test_usual_pictures_are_read_as_mmdet_does(tmp_path, scene, suffix, mode):
    """Catches a flag that turns, spreads or colors another way than IMREAD_COLOR."""
    path = tmp_path / f"a.{suffix}"
    image = Image.fromarray(scene).convert(mode)
    exif = image.getexif()
    exif[0x112] = 6  # turned by 90 degrees
    image.save(path, exif=exif)
    pixels, note = reads(path)
    np.testing.assert_array_equal(pixels, as_mmdet(path))
    assert note == ""


@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_16_bits_in_full_are_read_as_mmdet_does(tmp_path, suffix):
    path = tmp_path / f"a.{suffix}"
    deep = np.random.default_rng(0).integers(0, 65536, (40, 50, 3)).astype(np.uint16)
    cv2.imwrite(str(path), deep)
    pixels, note = reads(path)
    np.testing.assert_array_equal(pixels, as_mmdet(path))
    assert note == ""


@pytest.mark.parametrize("suffix", ["png", "tif"])
@pytest.mark.parametrize("bits", [8, 10, 12, 14])
def test_the_bits_that_are_used_count(tmp_path, scene, suffix, bits):
    path = tmp_path / f"a.{suffix}"
    cv2.imwrite(str(path), scene.astype(np.uint16) << (bits - 8))
    pixels, note = reads(path)
    np.testing.assert_array_equal(pixels, scene)
    assert note == f"16 bits of which {bits} are used were scaled to 8"


def test_a_dark_picture_of_a_series_is_scaled_like_the_others(tmp_path, scene):
    """Catches a scale of the brightest pixel, which differs from picture to picture."""
    cv2.imwrite(str(tmp_path / "a.png"), scene.astype(np.uint16) * 7)  # 11 bits
    pixels, _ = reads(tmp_path / "a.png")
    np.testing.assert_array_equal(pixels, (scene.astype(np.uint16) * 7) >> 4)


def test_grey_and_transparent_pictures_of_12_bits_are_in_color(tmp_path, scene):
    deep = scene.astype(np.uint16) << 4
    cv2.imwrite(str(tmp_path / "grey.png"), deep[:, :, 0])
    pixels, _ = reads(tmp_path / "grey.png")
    for channel in range(3):
        np.testing.assert_array_equal(pixels[:, :, channel], scene[:, :, 0])
    clear = np.dstack([deep, np.full(deep.shape[:2], 65535, np.uint16)])
    cv2.imwrite(str(tmp_path / "clear.png"), clear)
    np.testing.assert_array_equal(reads(tmp_path / "clear.png")[0], scene)


def test_a_black_picture_of_16_bits_is_black(tmp_path):
    cv2.imwrite(str(tmp_path / "a.png"), np.zeros((20, 30, 3), np.uint16))
    pixels, note = reads(tmp_path / "a.png")
    assert (pixels.max(), note) == (0, "")


@pytest.mark.parametrize("top", [1.0, 5000.0])
def test_real_numbers_are_scaled(tmp_path, scene, top):
    values = scene.astype(np.float32) * np.float32(top / 255)
    values[0, 0] = np.nan
    cv2.imwrite(str(tmp_path / "a.tif"), values)
    pixels, note = reads(tmp_path / "a.tif")
    scale = 255 if top == 1 else 255 / values[1:].max()
    np.testing.assert_allclose(pixels[1:], values[1:] * scale, atol=1)
    assert "were scaled to 255" in note


@pytest.mark.parametrize("name", ["a.jfif", "a", "a.HEIC", "a.jpg.download"])
def test_the_content_counts_and_not_the_name(tmp_path, scene, name):
    content = cv2.imencode(".jpg", scene)[1]
    (tmp_path / name).write_bytes(content.tobytes())
    assert is_picture(tmp_path / name)
    pixels, _ = reads(tmp_path / name)
    np.testing.assert_array_equal(pixels, cv2.imdecode(content, cv2.IMREAD_COLOR))


def test_a_film_of_pictures_gives_its_first_and_tells(tmp_path, scene):
    frames = [Image.fromarray(scene), Image.fromarray(255 - scene)]
    for name in ("a.gif", "a.tif", "a.webp"):
        frames[0].save(tmp_path / name, save_all=True, append_images=frames[1:])
        pixels, note = reads(tmp_path / name)
        assert abs(pixels.astype(int) - scene[:, :, ::-1]).mean() < 20
        assert "the first is taken" in note


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("a.heic", HEIC, "is HEIC, which OpenCV does not read; convert it to JPEG"),
        ("a.jpg", HEIC, "is HEIC"),
        ("a.NEF", b"II*\0" + bytes(100), "is a camera's raw file; convert it"),
        ("a.jpg", b"\xff\xd8\xff\xe0 no picture", "damaged or not an image"),
        ("a.png", b"", "damaged or not an image"),
    ],
)
def test_what_cannot_be_read_is_told(tmp_path, capfd, name, content, says):
    (tmp_path / name).write_bytes(content)
    assert is_picture(tmp_path / name)
    with pytest.raises(DataError, match=f"{name} cannot be read: .*{says}"):
        read_picture(tmp_path / name)
    assert capfd.readouterr().err == ""


def test_a_picture_that_vanished_is_told(tmp_path):
    with pytest.raises(DataError, match=r"a\.jpg cannot be read: No such file"):
        read_picture(tmp_path / "a.jpg")


@pytest.mark.parametrize("content", [b"", b"hello", b"{}", b"PK\3\4", bytes(100)])
def test_other_files_are_no_pictures(tmp_path, capfd, content):
    (tmp_path / "notes.txt").write_bytes(content)
    assert not is_picture(tmp_path / "notes.txt")
    assert capfd.readouterr().err == ""
