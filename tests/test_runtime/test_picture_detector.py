"""Calling a detector: everything that holds a picture, and one after another."""

import json
import threading
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from ghostnet_runtime import DataError, Detections, Detector, OptionError
from ghostnet_runtime.picture_detector import PictureDetector
from ghostnet_runtime.picture_inputs import pixels_of
from PIL import Image


class Means(PictureDetector[Detections]):
    """Finds one box as large as the picture, and keeps the mean of its channels."""

    def detect(self, pixels):
        assert pixels.dtype == np.uint8
        assert pixels.ndim == 3
        assert pixels.shape[2] == 3
        height, width = pixels.shape[:2]
        means = pixels.reshape(-1, 3).mean(0)[None]
        return Detections(
            [[0, 0, width, height]], [1], [0], ["all"], None, {"bgr": means}
        )


@pytest.fixture
def pixels():
    return np.random.default_rng(0).integers(0, 256, (7, 11, 3), dtype=np.uint8)


@pytest.fixture
def folder(tmp_path, pixels):
    for name, value in (("b.png", 200), ("a.png", 10), ("sub/c.png", 90)):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        cv2.imwrite(str(tmp_path / name), np.full((5, 6, 3), value, np.uint8))
    return tmp_path


def write_film(path, levels):
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"MJPG"), 5, (32, 24))
    for level in levels:
        writer.write(np.full((24, 32, 3), level, np.uint8))
    writer.release()
    return path


def means(found):
    return found.data["bgr"][0]


def rgb_tensor(pixels):
    return torch.from_numpy(pixels[..., ::-1].copy())


FORMS = {
    "array": lambda p: p,
    "reversed view": lambda p: p[..., ::-1].copy()[..., ::-1],
    "with alpha": lambda p: np.dstack([p, np.full(p.shape[:2], 9, np.uint8)]),
    "pil": lambda p: Image.fromarray(p[..., ::-1]),
    "pil rgba": lambda p: Image.fromarray(p[..., ::-1]).convert("RGBA"),
    "tensor hwc": rgb_tensor,
    "tensor chw": lambda p: rgb_tensor(p).permute(2, 0, 1),
    "tensor with alpha": lambda p: torch.cat(
        [rgb_tensor(p), torch.zeros(*p.shape[:2], 1, dtype=torch.uint8)], 2
    ),
}


@pytest.mark.parametrize("form", FORMS)
def test_a_picture_is_the_same_in_every_form(pixels, form):
    np.testing.assert_array_equal(pixels_of(FORMS[form](pixels)), pixels)


GREY = {
    "array": lambda p: p,
    "one channel": lambda p: p[..., None],
    "pil": Image.fromarray,
    "pil palette": lambda p: Image.fromarray(p).convert("P"),
    "tensor": lambda p: torch.from_numpy(p)[None],
}


@pytest.mark.parametrize("form", GREY)
def test_grey_has_three_equal_channels(pixels, form):
    grey = np.ascontiguousarray(pixels[..., 1])
    np.testing.assert_array_equal(
        pixels_of(GREY[form](grey)), np.repeat(grey[..., None], 3, 2)
    )


@pytest.mark.parametrize(
    ("given", "says"),
    [
        (np.zeros((4, 5, 3)), r"\(4, 5, 3\) float64"),
        (np.zeros((4, 5, 2), np.uint8), r"\(4, 5, 2\) uint8"),
        (np.zeros((2, 4, 5, 3), np.uint8), r"\(2, 4, 5, 3\)"),
        (np.zeros((0, 5), np.uint8), r"\(0, 5\)"),
        (torch.zeros(3, 4, 5), r"uint8 in RGB.*\(3, 4, 5\) float32; scale"),
        (torch.zeros(2, 3, 4, 5, dtype=torch.uint8), "batch as a list"),
        (torch.zeros(7, 4, 5, dtype=torch.uint8), r"\(7, 4, 5\)"),
        (Image.new("I;16", (4, 5)), "mode I;16 has more than 8 bits"),
        (Image.new("F", (4, 5)), "mode F has more than 8 bits"),
        (None, "not a NoneType"),
        ({"img": 1}, "not a dict"),
    ],
    # Not str: the address of a PIL picture differs between the test processes.
    ids=[
        "floats",
        "two channels",
        "batch",
        "empty",
        "float tensor",
        "batch tensor",
        "seven channels",
        "16 bits",
        "float picture",
        "nothing",
        "dict",
    ],
)
def test_what_is_no_picture_is_told_in_a_sentence(given, says):
    with pytest.raises(DataError, match=says) as caught:
        Means()(given)
    assert "\n" not in str(caught.value)


def test_a_path_gives_what_is_in_it(folder):
    for path in (folder / "b.png", str(folder / "b.png")):
        found = Means()(path)
        assert isinstance(found, Detections)
        assert means(found).tolist() == [200] * 3
        assert found.source == str(folder / "b.png")
        assert found.pixels is None
        assert found.plot().shape == (5, 6, 3)


def test_a_list_keeps_its_order_and_a_folder_is_in_order_of_names(folder, pixels):
    several = Means()([folder / "b.png", pixels, folder / "a.png"])
    assert [means(found)[0] for found in several] == [200, pixels[..., 0].mean(), 10]
    assert [found.source for found in several] == [
        *(str(folder / "b.png"), None, str(folder / "a.png"))
    ]
    assert Means()([]) == []
    found = Means()(folder)
    assert [Path(item.source).name for item in found] == ["a.png", "b.png", "c.png"]
    assert [means(item)[0] for item in found] == [10, 200, 90]


def test_the_wrong_one_of_a_list_is_named(folder, pixels):
    with pytest.raises(DataError, match=r"Picture 1 of the list: .*float64"):
        Means()((pixels, np.zeros((4, 4, 3))))
    with pytest.raises(DataError, match=r"nowhere\.png cannot be read"):
        Means()([folder / "a.png", "nowhere.png"])


def test_a_folder_goes_on_past_a_damaged_picture(folder, capsys):
    (folder / "a.png").write_bytes(b"no picture")
    found = Means()(folder)
    assert [Path(item.source).name for item in found] == ["b.png", "c.png"]
    assert "a.png cannot be read" in capsys.readouterr().err
    assert [Path(f.source).name for f in Means().stream(folder)] == ["b.png", "c.png"]
    assert "a.png cannot be read" in capsys.readouterr().err
    for name in ("b.png", "sub/c.png"):
        (folder / name).write_bytes(b"no picture")
    with pytest.raises(DataError, match=r"Of 3 pictures in .* not one"):
        list(Means().stream(folder))


def test_a_film_is_streamed_frame_by_frame(tmp_path):
    film = write_film(tmp_path / "a.avi", [20, 120, 220])
    with pytest.raises(OptionError, match=r"a\.avi is a film .* stream\("):
        Means()(film)
    with pytest.raises(OptionError, match="12345 is a film or a camera"):
        Means()(12345)
    frames = list(Means().stream(film))
    assert [found.source for found in frames] == [0, 1, 2]
    levels = [means(found)[0] for found in frames]
    np.testing.assert_allclose(levels, [20, 120, 220], atol=5)
    assert frames[1].plot().shape == frames[1].pixels.shape
    assert len(list(Means().stream(str(film), max_frames=2))) == 2
    with pytest.raises(OptionError, match="max_frames is 0"):
        Means().stream(film, max_frames=0)
    with pytest.raises(DataError, match="does not exist"):
        Means().stream("nowhere.mp4")


def test_pictures_are_streamed_as_they_come(pixels, folder, capsys):
    taken = []

    def camera():
        for picture in (pixels, folder / "a.png", np.zeros((2, 2)), pixels):
            taken.append(picture)
            yield picture

    stream = Means().stream(camera())
    next(stream)
    assert len(taken) == 1
    assert [found.source for found in stream] == [str(folder / "a.png"), None]
    assert "Picture 2: " in capsys.readouterr().err


def test_what_was_found_remembers_its_picture(folder, pixels, tmp_path):
    found = Means()(pixels)
    assert found.pixels is pixels
    np.testing.assert_array_equal(found.above(0.5)[:1].plot(), found.plot(pixels))
    found.save(tmp_path / "drawn.png")
    np.testing.assert_array_equal(
        cv2.imread(str(tmp_path / "drawn.png")), found.plot(pixels)
    )
    assert repr(Means()(folder / "a.png")).endswith("a.png: 1 all>")
    with pytest.raises(OptionError, match="which picture"):
        Detections.none(["all"]).plot()


def test_detect_all_writes_what_the_command_writes(folder):
    results = Means().detect_all(folder, folder / "out")
    assert results.pictures == 3
    assert (folder / "out" / "sub" / "c.png").is_file()


BOXES = [[2, 2, 12, 12], [20, 4, 28, 30]]
SCORES = [[0.9, 0.1, 0.0], [0.2, 0.8, 0.3]]


@pytest.mark.parametrize("library", ["onnxruntime", "openvino"])
def test_eight_threads_get_equal_answers(tmp_path, tiny_onnx, raw_description, library):
    """The scores grow with the picture's brightness: a mixed-up answer would show."""
    raw = raw_description(
        input=dict(mean=[0.0] * 3, std=[2550.0] * 3), selection=dict(score_threshold=0)
    )
    path = tiny_onnx(tmp_path / "a.onnx", raw, BOXES, SCORES)
    if library == "openvino":
        openvino = pytest.importorskip("openvino")
        model = openvino.convert_model(str(path))
        model.set_rt_info(json.dumps(raw), ["ghostnet_mm"])
        path = tmp_path / "a.xml"
        openvino.save_model(model, str(path), compress_to_fp16=False)
    detector = Detector(path, threads=1)
    pictures = [np.full((32, 32, 3), 30 * i, np.uint8) for i in range(8)]
    alone = [detector(picture).scores for picture in pictures]
    assert len({tuple(scores) for scores in alone}) == 8
    answers = {}

    def ask(index):
        answers[index] = [detector(pictures[index]).scores for _ in range(30)]

    threads = [threading.Thread(target=ask, args=(i,)) for i in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for index, scores in enumerate(alone):
        for answer in answers[index]:
            np.testing.assert_array_equal(answer, scores)
