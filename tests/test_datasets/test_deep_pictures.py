"""Pictures of 16 bits are learnt from as they are seen later."""

import cv2
import numpy as np
import pytest
import torch
from ghostnet_runtime.picture_reading import read_picture
from mmcv.transforms import Compose, LoadImageFromFile
from PIL import Image
from support.clean_copies import copy_of
from support.running_tools import TINY, run_here
from support.tiny_coco import make_tiny_coco

from ghostnet_mm.datasets.loading.deep_pictures import (
    LoadDeepImageFromFile,
    see_deep_pictures,
)
from ghostnet_mm.datasets.readers.picture_headers import read_header


@pytest.fixture
def scene():
    return np.random.default_rng(0).integers(0, 256, (40, 56, 3), dtype=np.uint8)


def loaded(path, step):
    return step.transform({"img_path": str(path)})


@pytest.mark.parametrize("options", [{}, {"to_float32": True}])
@pytest.mark.parametrize("suffix", ["png", "jpg", "bmp", "webp", "tif"])
def test_usual_pictures_are_loaded_as_mmcv_does(tmp_path, scene, suffix, options):
    path = tmp_path / f"a.{suffix}"
    exif = Image.Exif()
    exif[0x112] = 6
    Image.fromarray(scene).save(path, exif=exif)
    theirs = loaded(path, LoadImageFromFile(**options))
    ours = loaded(path, LoadDeepImageFromFile(**options))
    assert theirs.keys() == ours.keys()
    assert ours["img"].dtype == theirs["img"].dtype
    np.testing.assert_array_equal(ours["img"], theirs["img"])
    assert ours["ori_shape"] == ours["img_shape"] == theirs["img_shape"]


def test_12_bits_are_loaded_as_the_runtime_reads_them(tmp_path, scene):
    path = tmp_path / "a.png"
    cv2.imwrite(str(path), scene.astype(np.uint16) << 4)
    ours = loaded(path, LoadDeepImageFromFile())["img"]
    np.testing.assert_array_equal(ours, scene)
    np.testing.assert_array_equal(ours, read_picture(path)[0])
    assert loaded(path, LoadImageFromFile())["img"].max() < 16


def test_what_cannot_be_read_is_an_error_or_none(tmp_path):
    path = tmp_path / "a.png"
    path.write_bytes(b"no picture")
    with pytest.raises(ValueError, match="not a picture"):
        loaded(path, LoadDeepImageFromFile())
    assert loaded(path, LoadDeepImageFromFile(ignore_empty=True)) is None
    with pytest.raises(OSError, match="nowhere"):
        loaded(tmp_path / "nowhere.png", LoadDeepImageFromFile())


def test_steps_that_read_otherwise_on_purpose_stay():
    steps = [
        LoadImageFromFile(to_float32=True),
        LoadImageFromFile(color_type="grayscale"),
        LoadImageFromFile(imdecode_backend="pillow"),
    ]
    pipeline = Compose(steps)
    see_deep_pictures(pipeline)
    first, *others = pipeline.transforms
    assert isinstance(first, LoadDeepImageFromFile)
    assert first.to_float32
    assert [type(step) for step in others] == [LoadImageFromFile] * 2


def test_headers_say_so_whatever_the_colors(tmp_path, scene):
    deep = scene.astype(np.uint16) << 4
    for name, pixels, is_deep in (
        ("a.png", scene, False),
        ("a.tif", scene, False),
        ("a.jpg", scene, False),
        ("a.pgm", scene[:, :, 0], False),
        ("b.png", deep, True),
        ("c.png", deep[:, :, 0], True),
        ("b.tif", deep, True),
        ("c.tif", deep[:, :, 0], True),
        ("b.pgm", deep[:, :, 0], True),
    ):
        cv2.imwrite(str(tmp_path / name), pixels)
        assert read_header(str(tmp_path / name)).is_deep == is_deep, name


def test_training_on_12_bits_equals_training_on_8(tmp_path):
    """Catches a loader that keeps the upper 8 of 16 bits, which are nearly 0 here."""
    plain = make_tiny_coco(tmp_path / "plain")
    deep = make_tiny_coco(tmp_path / "deep")
    for path in deep.rglob("*.png"):
        cv2.imwrite(str(path), cv2.imread(str(path)).astype(np.uint16) << 4)
    states = []
    for data in (plain, deep):
        home = tmp_path / f"{data.name}-run"
        home.mkdir()
        options = ("train_cfg.max_epochs=1", "default_hooks.checkpoint.interval=1")
        done = run_here(
            "train", TINY, "--data-root", data, "--cfg-options", *options, cwd=home
        )
        assert done.returncode == 0, done.stderr
        assert ("of more than 8 bits" in done.stdout) == (data is deep)
        (checkpoint,) = home.rglob("epoch_1.pth")
        states.append(torch.load(checkpoint, weights_only=False)["state_dict"])
    for name, tensor in states[0].items():
        assert torch.equal(tensor, states[1][name]), name
    assert copy_of(deep).findings.lines() != copy_of(plain).findings.lines()
