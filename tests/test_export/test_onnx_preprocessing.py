"""Preprocessing in the graph against mmdet's pipelines, in both runtimes."""

import numpy as np
import pytest
import torch
from mmcv.transforms import Compose
from mmdet.models.data_preprocessors import DetDataPreprocessor

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

from onnx import TensorProto, helper  # noqa: E402
from support.descriptions import MEAN, STD, described  # noqa: E402

from ghostnet_mm.export.formats.onnx.postprocessing import append_selection  # noqa: E402
from ghostnet_mm.export.formats.onnx.preprocessing import prepend_preprocessing  # noqa: E402

# Odd sizes, upright and wide, larger and smaller than the network's.
SIZES = [(61, 97), (97, 61), (33, 35), (128, 96), (200, 31), (1, 90)]


def describe(size, scale, keep_ratio=True, pad="divisor", pad_value=MEAN, **changes):
    height, width = size
    return described(
        input=dict(changes, height=height, width=width),
        resize=dict(
            scale=scale and tuple(scale),
            keep_ratio=keep_ratio,
            pad=pad,
            pad_value=pad_value,
        ),
    )


def open_model(model, tmp_path):
    """Functions from inputs to outputs: ONNX Runtime and OpenVINO."""
    import onnxruntime

    onnx.checker.check_model(model, full_check=True)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    openvino = pytest.importorskip("openvino")
    onnx.save(model, tmp_path / "model.onnx")
    settings = {"INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": 1}
    core = openvino.Core()
    compiled = core.compile_model(tmp_path / "model.onnx", "CPU", settings)

    def with_openvino(feeds):
        found = compiled(feeds)
        return [found[output] for output in compiled.outputs]

    return [lambda feeds: session.run(None, feeds), with_openvino]


def passing_model(description, with_sizes=False):
    """A graph whose output is its normalized input, and perhaps the picture's size."""
    fed = description.input
    batch = fed.batch or "batch"
    shape = [batch, 3, fed.height or "H", fed.width or "W"]
    names = [("image", "tensor", shape)]
    if with_sizes:
        names.append(("image_sizes", "sizes", [batch, 2]))
    values = [
        [
            helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)
            for name, shape in ((fed, shape), (passed, shape))
        ]
        for fed, passed, shape in names
    ]
    nodes = [helper.make_node("Identity", [fed], [passed]) for fed, passed, _ in names]
    inputs, outputs = zip(*values, strict=True)
    graph = helper.make_graph(nodes, "passing", inputs, outputs)
    return helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10
    )


def picture(height, width, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)


def mmdet_input(image, steps, preprocessor):
    """The network's input (3, H, W) and what the pipeline notes of the picture."""
    data = dict(img=image, img_shape=image.shape[:2], ori_shape=image.shape[:2])
    for step in steps:
        data = Compose([step])(data)
    inputs = torch.from_numpy(np.ascontiguousarray(data["img"].transpose(2, 0, 1)))
    made = preprocessor(dict(inputs=[inputs], data_samples=None))
    return made["inputs"][0].numpy(), data


def preprocessor_of(description):
    fed = description.input
    return DetDataPreprocessor(
        mean=fed.mean,
        std=fed.std,
        bgr_to_rgb=fed.channel_order == "rgb",
        pad_size_divisor=fed.size_divisor,
    )


def check_levels(found, expected, std):
    """At most one grey level apart; return the share of values that are."""
    assert found.shape == expected.shape
    grey = np.abs(found - expected) * np.reshape(std, (3, 1, 1))
    assert grey.max() < 1.001
    apart = grey > 0.001
    np.testing.assert_allclose(found[~apart], expected[~apart], atol=2e-6)
    return apart.mean()


def check_pictures(description, steps, tmp_path, sizes=SIZES):
    """Compare pictures of all sizes; return the largest share of unequal values."""
    model, changed = prepend_preprocessing(passing_model(description), description)
    assert changed.input.form == "pixels"
    assert changed.input.channel_order == "bgr"
    preprocessor = preprocessor_of(description)
    shares = []
    runtimes = open_model(model, tmp_path)
    for height, width in sizes:
        image = picture(height, width)
        # CenterNet's padding wants floats.
        given = image.astype("f4") if description.resize.pad == "around" else image
        expected, _ = mmdet_input(given, steps, preprocessor)
        for run in runtimes:
            found = run({"image": image[None]})[0][0]
            shares.append(check_levels(found, expected, description.input.std))
    return max(shares)


def resize_step(scale, keep_ratio):
    return dict(type="mmdet.Resize", scale=tuple(scale), keep_ratio=keep_ratio)


def test_stretched(tmp_path):
    description = describe((64, 96), [96, 64], keep_ratio=False)
    check_pictures(description, [resize_step([96, 64], False)], tmp_path)


def test_stretched_and_padded_on(tmp_path):
    description = describe((64, 96), [90, 50], keep_ratio=False)
    check_pictures(description, [resize_step([90, 50], False)], tmp_path)


@pytest.mark.parametrize("scale", [[96, 96], [133, 80]])
def test_keep_ratio_and_any_size(tmp_path, scale):
    description = describe((None, None), scale)
    check_pictures(description, [resize_step(scale, True)], tmp_path)


def test_a_picture_of_the_right_size_comes_through_unchanged(tmp_path):
    description = describe((64, 64), [64, 64])
    steps = [resize_step([64, 64], True)]
    assert check_pictures(description, steps, tmp_path, [(64, 64)]) == 0


def test_halving_is_nearly_exact(tmp_path):
    # cv2 takes means of 2 x 2 pixels here, halves rounded up.
    description = describe((64, 64), [64, 64], keep_ratio=False)
    steps = [resize_step([64, 64], False)]
    assert check_pictures(description, steps, tmp_path, [(128, 128)]) == 0


def test_fixed_padding_in_grey(tmp_path):
    description = describe((96, 96), [96, 96], pad="fixed", pad_value=(114,) * 3)
    pad = dict(type="mmdet.Pad", size=(96, 96), pad_val=dict(img=(114, 114, 114)))
    check_pictures(description, [resize_step([96, 96], True), pad], tmp_path)


def test_bgr_without_normalization(tmp_path):
    description = describe(
        (96, 96),
        [96, 96],
        pad="fixed",
        pad_value=(10, 20, 30),
        channel_order="bgr",
        mean=(0.0,) * 3,
        std=(1.0,) * 3,
    )
    pad = dict(type="mmdet.Pad", size=(96, 96), pad_val=dict(img=(10, 20, 30)))
    check_pictures(description, [resize_step([96, 96], True), pad], tmp_path)


def test_centernet_pads_around(tmp_path):
    # The transform fills with its mean; black in pixels.
    description = describe((None, None), None, pad="around", pad_value=(0, 0, 0))
    around = dict(
        type="mmdet.RandomCenterCropPad",
        ratios=None,
        border=None,
        mean=[0, 0, 0],
        std=[1, 1, 1],
        to_rgb=True,
        test_mode=True,
        test_pad_mode=["logical_or", 31],
        test_pad_add_pix=1,
    )
    share = check_pictures(description, [around], tmp_path, [(61, 97), (64, 31)])
    assert share == 0


def test_upright_pictures_become_what_fits_a_wide_input(tmp_path):
    description = describe((64, 128), [128, 64])
    model, _ = prepend_preprocessing(passing_model(description), description)
    for run in open_model(model, tmp_path):
        tensor = run({"image": np.full((1, 200, 100, 3), 255, np.uint8)})[0][0]
        assert tensor.shape == (3, 64, 128)
        assert (tensor[:, :, :32] > 2).all()
        assert (tensor[:, :, 32:] == 0).all()


def test_a_batch_and_the_size_of_the_picture(tmp_path):
    description = describe(
        (None, None), [96, 96], batch=None, image_sizes="image_sizes"
    )
    model = passing_model(description, with_sizes=True)
    model, changed = prepend_preprocessing(model, description)
    assert changed.input.image_sizes is None
    assert [value.name for value in model.graph.input] == ["image"]
    images = np.stack([picture(61, 97, seed) for seed in range(3)])
    preprocessor = preprocessor_of(description)
    for run in open_model(model, tmp_path):
        tensors, sizes = run({"image": images})
        np.testing.assert_array_equal(sizes, [[60, 96]] * 3)
        for image, tensor in zip(images, tensors, strict=True):
            steps = [resize_step([96, 96], True)]
            expected, _ = mmdet_input(image, steps, preprocessor)
            check_levels(tensor, expected, STD)


def boxes_model(description, boxes, scores):
    """A graph that finds the same boxes in every picture."""
    from onnx import numpy_helper

    fed = description.input
    shape = [1, 3, fed.height or "H", fed.width or "W"]
    inputs = [helper.make_tensor_value_info("image", TensorProto.FLOAT, shape)]
    values = dict(boxes=boxes, scores=scores)
    outputs = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, value.shape)
        for name, value in values.items()
    ]
    # Nothing is added, but no runtime can compute the boxes ahead.
    nodes = [
        helper.make_node("ReduceMax", ["image"], ["level"], keepdims=0),
        helper.make_node("Mul", ["level", "zero"], ["nothing"]),
    ]
    for name in values:
        nodes.append(helper.make_node("Add", [f"c_{name}", "nothing"], [name]))
    values = dict(values, zero=np.float32(0))
    constants = [
        numpy_helper.from_array(np.asarray(v), name if name == "zero" else f"c_{name}")
        for name, v in values.items()
    ]
    graph = helper.make_graph(nodes, "boxes", inputs, outputs, constants)
    return helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10
    )


@pytest.mark.parametrize(
    ("keep_ratio", "pad"), [(True, "divisor"), (False, "divisor"), (True, "fixed")]
)
@pytest.mark.parametrize("free", [False, True])
def test_detections_in_pixels_of_the_picture(tmp_path, keep_ratio, pad, free):
    size = (None, None) if free else (96, 96)
    description = described(
        describe(size, [96, 96], keep_ratio=keep_ratio, pad=pad),
        selection=dict(
            levels=(2,), score_threshold=0.1, nms_pre=10, max_per_img=4, min_bbox_size=0
        ),
    )
    boxes = np.array([[[3, 4, 30, 40], [20, 5, 500, 500]]], "f4")
    scores = np.array([[[0.9], [0.8]]], "f4")
    model = boxes_model(description, boxes, scores)
    model, changed = append_selection(model, description)
    model, changed = prepend_preprocessing(model, changed)
    assert [value.name for value in model.graph.input] == ["image"]
    assert changed.input.image_sizes is None
    runtimes = open_model(model, tmp_path)
    steps = [resize_step([96, 96], keep_ratio)]
    if pad == "fixed":
        steps.append(dict(type="mmdet.Pad", size=(96, 96)))
    for height, width in [(61, 97), (200, 151)]:
        image = picture(height, width)
        _, noted = mmdet_input(image, steps, preprocessor_of(description))
        limits = np.tile(noted["img_shape"][::-1], 2).astype("f4")
        factor = np.tile(noted["scale_factor"], 2)
        expected = np.minimum(boxes[0], limits) / factor
        for run in runtimes:
            detections, labels = run({"image": image[None]})
            np.testing.assert_array_equal(labels, [[0, 0, -1, -1]])
            np.testing.assert_allclose(detections[0, :2, :4], expected, rtol=1e-6)
            np.testing.assert_array_equal(detections[0, :2, 4], scores[0, :, 0])
            assert (detections[0, 2:] == 0).all()


def test_detections_lose_the_border_around_them(tmp_path):
    description = described(
        describe((None, None), None, pad="around"),
        selection=dict(
            levels=(1,),
            score_threshold=-1,
            nms_pre=None,
            iou_threshold=None,
            max_per_img=2,
            clip=False,
        ),
    )
    boxes = np.array([[[3, 4, 30, 40]]], "f4")
    model = boxes_model(description, boxes, np.array([[[0.9]]], "f4"))
    model, _ = prepend_preprocessing(*append_selection(model, description))
    # 61 x 97 lies in the middle of 64 x 128: 32 - 30 from the top, 64 - 48 from left.
    expected = [[3 - 16, 4 - 2, 30 - 16, 40 - 2, np.float32(0.9)], [0] * 5]
    for run in open_model(model, tmp_path):
        detections, labels = run({"image": picture(61, 97)[None]})
        np.testing.assert_allclose(detections[0], np.array(expected, "f4"), rtol=1e-6)
        np.testing.assert_array_equal(labels, [[0, -1]])


def test_the_given_model_stays():
    description = describe((64, 64), [64, 64])
    model = passing_model(description)
    before = model.SerializeToString()
    prepend_preprocessing(model, description)
    assert model.SerializeToString() == before
