"""Preprocessing against mmdet's pipelines, bit for bit."""

import cv2
import numpy as np
import pytest
from ghostnet_runtime.errors import DataError
from ghostnet_runtime.preprocessing import Preprocessor
from mmcv.transforms import Compose
from mmdet.models.data_preprocessors import DetDataPreprocessor

SIZES = [(37, 53), (64, 64), (211, 96), (33, 300), (480, 640)]
GREY = [114, 114, 114]
PACK = dict(
    type="mmdet.PackDetInputs",
    meta_keys=("ori_shape", "img_shape", "scale_factor", "border"),
)


def mmdet_input(image, steps, divisor, bgr_to_rgb, mean, std):
    if steps and steps[0]["type"] == "mmdet.RandomCenterCropPad":
        image = image.astype(np.float32)
    load = dict(type="mmdet.LoadImageFromNDArray")
    data = Compose([load, *steps, PACK])(dict(img=image, img_id=0))
    preprocessor = DetDataPreprocessor(
        mean=mean, std=std, bgr_to_rgb=bgr_to_rgb, pad_size_divisor=divisor
    )
    batch = {"inputs": [data["inputs"]], "data_samples": [data["data_samples"]]}
    batch = preprocessor(batch)
    return batch["inputs"].numpy(), batch["data_samples"][0].metainfo


def check(description, image, steps, resize, bgr_to_rgb=True, divisor=32):
    mean, std = [123.675, 116.28, 103.53], [58.395, 57.12, 57.375]
    if not bgr_to_rgb:
        mean, std = [103.53, 116.28, 123.675], [1.0, 2.0, 3.0]
    fed = {
        "height": None,
        "width": None,
        "mean": mean,
        "std": std,
        "size_divisor": divisor,
        "channel_order": "rgb" if bgr_to_rgb else "bgr",
    }
    resize = {"pad_value": mean, **resize}
    mine, placement = Preprocessor(description(input=fed, resize=resize))(image)
    theirs, meta = mmdet_input(image, steps, divisor, bgr_to_rgb, mean, std)
    np.testing.assert_array_equal(mine, theirs)
    assert mine.dtype == np.float32
    assert placement.picture == tuple(meta["ori_shape"])
    if "scale_factor" in meta:
        assert placement.scale == tuple(meta["scale_factor"])
        assert placement.clip == tuple(meta["img_shape"])
    return placement, meta


@pytest.fixture
def image(request):
    rng = np.random.default_rng(0)
    return rng.integers(0, 256, (*request.param, 3), dtype=np.uint8)


on_sizes = pytest.mark.parametrize("image", SIZES, indirect=True)


@on_sizes
@pytest.mark.parametrize("keep_ratio", [True, False])
@pytest.mark.parametrize("bgr_to_rgb", [True, False])
def test_resized_and_padded_to_the_divisor(description, image, keep_ratio, bgr_to_rgb):
    steps = [dict(type="mmdet.Resize", scale=(133, 80), keep_ratio=keep_ratio)]
    resize = {"scale": [133, 80], "keep_ratio": keep_ratio, "pad": "divisor"}
    check(description, image, steps, resize, bgr_to_rgb)


@on_sizes
def test_padded_to_a_fixed_size(description, image):
    # 100 is no multiple of 32: the pipeline pads with grey, the model with zeros.
    for side in (96, 100):
        steps = [
            dict(type="mmdet.Resize", scale=(side, side), keep_ratio=True),
            dict(type="mmdet.Pad", size=(side, side), pad_val=dict(img=tuple(GREY))),
        ]
        resize = {"scale": [side, side], "keep_ratio": True, "pad": "fixed"}
        check(description, image, steps, {**resize, "pad_value": GREY})


@on_sizes
def test_centered_as_for_centernet(description, image):
    step = dict(
        type="mmdet.RandomCenterCropPad", ratios=None, border=None, mean=[0, 0, 0],
        std=[1, 1, 1], to_rgb=True, test_mode=True,
        test_pad_mode=["logical_or", 31], test_pad_add_pix=1,
    )  # fmt: skip
    resize = {"scale": None, "keep_ratio": True, "pad": "around"}
    placement, meta = check(
        description, image, [step], {**resize, "pad_value": [0, 0, 0]}
    )
    top, _, left, _ = meta["border"]
    assert placement.corner == (top, left)
    box = np.float32([[left, top, left + 7, top + 9]])
    np.testing.assert_array_equal(placement.to_picture(box), [[0, 0, 7, 9]])


def test_no_padding_where_the_divisor_is_one(description):
    image = np.random.default_rng(1).integers(0, 256, (45, 61, 3), dtype=np.uint8)
    steps = [dict(type="mmdet.Resize", scale=(50, 50), keep_ratio=True)]
    resize = {"scale": [50, 50], "keep_ratio": True, "pad": "divisor"}
    check(description, image, steps, resize, divisor=1)


def test_an_upright_picture_is_made_to_fit_a_wide_input(description):
    fed = {"height": 64, "width": 96}
    resize = {"scale": [96, 64], "keep_ratio": True}
    prepare = Preprocessor(description(input=fed, resize=resize))
    image = np.full((300, 200, 3), 200, dtype=np.uint8)
    tensor, placement = prepare(image)
    assert tensor.shape == (1, 3, 64, 96)
    assert placement.resized == (64, 43)
    assert (tensor[..., 43:] == 0).all()
    assert (tensor[..., :43] != 0).all()
    # A wide one has mmdet's size, to the last bit of the factor.
    assert prepare(np.zeros((200, 300, 3), np.uint8))[1].resized == (64, 96)


def test_a_line_of_pixels_stays_a_line(description):
    resize = {"scale": [32, 32], "keep_ratio": True}
    image = np.zeros((1, 900, 3), dtype=np.uint8)
    placement = Preprocessor(description(resize=resize))(image)[1]
    assert placement.resized == (1, 32)


@pytest.mark.parametrize("order", ["bgr", "rgb"])
def test_pixels_go_in_as_they_are(description, order):
    image = np.random.default_rng(2).integers(0, 256, (9, 7, 3), dtype=np.uint8)
    fed = {"form": "pixels", "channel_order": order}
    array, placement = Preprocessor(description(input=fed))(image)
    expected = image if order == "bgr" else cv2.cvtColor(image, cv2.COLOR_BGR2RGB)
    np.testing.assert_array_equal(array, expected[None])
    assert placement.scale == (32 / 7, 32 / 9)


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.zeros((8, 8), np.uint8), r"COLOR_GRAY2BGR"),
        (np.zeros((8, 8, 1), np.uint8), r"COLOR_GRAY2BGR"),
        (np.zeros((8, 8, 4), np.uint8), r"COLOR_BGRA2BGR"),
        (np.zeros((8, 8, 3), np.float32), r"is \(8, 8, 3\) float32\."),
        (np.zeros((1, 8, 8, 3), np.uint8), r"is \(1, 8, 8, 3\) uint8\."),
        (np.zeros((0, 8, 3), np.uint8), r"is empty"),
        (None, r"not a NoneType; read files with cv2\.imread"),
    ],
)
def test_other_arrays_are_refused(description, array, message):
    with pytest.raises(DataError, match=message):
        Preprocessor(description())(array)
