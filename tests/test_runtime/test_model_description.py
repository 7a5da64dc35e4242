import json

import pytest
from ghostnet_runtime.description import read_description
from ghostnet_runtime.description_text import find_description
from ghostnet_runtime.errors import ModelError

MASKS = {
    "strides": [8, 16],
    "prior_offset": 0.5,
    "coordinate_scale": 8,
    "feature_stride": 8,
    "num_prototypes": 8,
    "dynamic_channels": 8,
    "num_layers": 3,
    "threshold": 0.5,
}


def refused(raw, message):
    with pytest.raises(ModelError, match=message) as caught:
        read_description(raw if isinstance(raw, str) else json.dumps(raw), "a.onnx")
    assert str(caught.value).count(". ") == 0
    assert "a.onnx" in str(caught.value)


def test_a_whole_description(description):
    read = description(selection={"nms_pre": None, "levels": [3, 2]})
    assert read.classes == ("cat", "dog", "bird")
    assert read.selection.levels == (3, 2)
    assert read.selection.nms_pre is None
    assert read.masks is None


def test_what_is_no_description():
    refused("{", "is not JSON")
    refused([1], "has the format None")
    refused("null", "has the format None")
    refused("[" * 100_000, "is not JSON")
    refused('{"format": ' + "1" * 5000 + "}", "is not JSON")


def test_a_file_beside_that_is_no_text(tmp_path):
    (tmp_path / "a.json").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ModelError, match=r"a\.json is not JSON"):
        find_description(tmp_path / "a.ncnn.param")


def test_another_format(raw_description):
    refused(raw_description(format="ghostnet_mm.detector/2"), r"detector/2.*install")


@pytest.mark.parametrize(
    ("section", "key"),
    [
        ("input", "mean"),
        ("input", "height"),
        ("resize", "pad"),
        ("outputs", "class_boxes"),
        ("selection", "clip"),
    ],
)
def test_every_key_must_be_there(raw_description, section, key):
    raw = raw_description()
    del raw[section][key]
    refused(raw, rf"{section}\.{key} is missing")
    del raw[section]
    refused(raw, f"{section} is missing")


@pytest.mark.parametrize(
    ("sections", "message"),
    [
        ({"input": {"mean": [1, 2]}}, r"input\.mean is \[1, 2\] and not a list of 3"),
        ({"input": {"mean": [1, 2, "3"]}}, r"input\.mean is"),
        ({"input": {"batch": 4}}, r"input\.batch is 4 and not 1; export"),
        ({"input": {"batch": True}}, r"input\.batch is True and not 1"),
        ({"input": {"form": "tensors"}}, r"'tensors' and not 'tensor' or 'pixels'"),
        ({"input": {"height": 0}}, r"input\.height is 0"),
        ({"input": {"height": None}}, r"only one of height and width"),
        ({"classes": "cat"}, r"classes is 'cat' and not a list"),
        ({"resize": {"scale": [64, 32]}}, r"resize\.scale is larger than the input"),
        ({"resize": {"scale": None}}, r"has no scale"),
        ({"resize": {"keep_ratio": 1}}, r"keep_ratio is 1 and not true or false"),
        ({"resize": {"flip": True}}, r"resize\.flip is not known"),
        ({"selection": {"soft": True}}, r"selection\.soft is not known"),
        ({"selection": {"nms_pre": True}}, r"nms_pre is True and not a whole"),
        ({"selection": {"strides": [8]}}, r"one number of priors per stride"),
        ({"outputs": {"names": ["boxes"]}}, r"outputs\.names lacks scores"),
        ({"outputs": {"score_factors": True}}, r"lacks score_factors"),
        ({"outputs": {"form": "detections"}}, r"lacks detections, labels"),
        ({"masks": {"strides": [8]}}, r"masks\.prior_offset is missing"),
        ({"masks": {**MASKS, "threshold": 1}}, r"masks\.threshold is not between"),
        ({"masks": {**MASKS, "threshold": None}}, r"threshold is None and not a num"),
        ({"input": {"std": [0, 1, 1]}}, r"input\.std has numbers that are not above 0"),
        ({"input": {"mean": [1e999, 0, 0]}}, r"input\.mean is \[inf, 0, 0\] and not"),
        ({"selection": {"clip": 10**400}}, r"clip is 1000\d+\.\.\.0+ and not true"),
        ({"selection": {"score_threshold": float("nan")}}, r"is nan and not a number"),
        ({"selection": {"score_threshold": 10**400}}, r"\.\.\.0+ and not a number"),
        ({"selection": {"levels": [8, 0]}}, r"\[8, 0\] and not a list of whole"),
        ({"selection": [1]}, r"selection is \[1\] and not an object"),
        ({"classes": ["cat", None]}, r"not a list of texts"),
        ({"task": "keypoints"}, r"task is 'keypoints' and not 'detection' or"),
        ({"resize": {"pad": "square"}}, r"pad is 'square' and not 'divisor' or"),
        # What could change the boxes is refused in every section.
        ({"rotation": 90}, r"followed: rotation is not known"),
        ({"input": {"gamma": 2.2}}, r"input\.gamma is not known"),
        ({"outputs": {"scale": 2}}, r"outputs\.scale is not known"),
        ({"source": {"url": "x"}}, r"source\.url is not known"),
        ({"masks": {**MASKS, "soft": True}}, r"masks\.soft is not known"),
    ],
)
def test_values_that_cannot_be_followed(raw_description, sections, message):
    refused(raw_description(**sections), message)


def test_a_long_value_does_not_make_a_long_message(raw_description):
    raw = raw_description(input={"form": "x" * 10_000}, classes=["cat"] * 10_000)
    with pytest.raises(ModelError) as caught:
        read_description(json.dumps(raw), "a.onnx")
    assert len(str(caught.value)) < 300


OTHER_FORMS = {
    "plain": {},
    "masks": {
        "masks": MASKS,
        "outputs": {"names": ["boxes", "scores", "kernels", "mask_features"]},
        "task": "instance_segmentation",
    },
    "any size": {
        "input": {"batch": None, "height": None, "width": None, "mean": [0, 0, 0.5]},
        "resize": {"scale": None, "keep_ratio": True, "pad": "around"},
        "selection": {"levels": None, "strides": [8], "priors_per_cell": [9]},
    },
    "everything else": {
        "name": "n\u00e4m\u00e9 \u732b \"'<&>\n",
        "classes": ["\u732b", "", "a\tb"],
        "input": {"image_sizes": "sizes", "form": "pixels", "channel_order": "bgr"},
        "selection": {"levels": [1, 2], "score_threshold": -1, "factor_threshold": 0.1},
        "source": {"config": None},
    },
}


@pytest.mark.parametrize("form", OTHER_FORMS)
def test_json_comes_back_as_it_was(raw_description, form):
    """Catches fields that are read and not written, or written and not read."""
    raw = raw_description(**OTHER_FORMS[form])
    raw["input"].setdefault("image_sizes", None)
    raw.setdefault("masks", None)
    read = read_description(json.dumps(raw), "a.onnx")
    for indent in (None, 2):
        written = read.to_json(indent)
        # The texts, so that 1 is not 1.0 nor True.
        assert json.dumps(json.loads(written), sort_keys=True) == json.dumps(
            raw, sort_keys=True
        )
        assert read_description(written, "a.onnx") == read


def test_files_from_before_there_was_an_entry_for_masks(raw_description):
    raw = raw_description()
    assert "masks" not in raw
    assert "image_sizes" not in raw["input"]
    read = read_description(json.dumps(raw), "a.onnx")
    assert read.masks is read.input.image_sizes is None
