import json

import pytest
from ghostnet_runtime.description import read_description
from ghostnet_runtime.description_text import find_description
from ghostnet_runtime.errors import ModelError


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
        ({"input": {"batch": 4}}, r"input\.batch is 4; export"),
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
    ],
)
def test_values_that_cannot_be_followed(raw_description, sections, message):
    refused(raw_description(**sections), message)
