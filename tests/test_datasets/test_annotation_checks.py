"""Annotation checks: the official files pass, every fault is named with its ids."""

import json
import os

import pytest
from support.coco_folders import CLASSES, coco_content, write_split

from ghostnet_mm.datasets.checks import annotations as annotation_checks
from ghostnet_mm.datasets.checks.annotations import check_annotations, classes_in
from ghostnet_mm.errors import DataError


@pytest.fixture
def check(tmp_path):
    """Return a function that writes the content and checks it."""

    def run(content, classes=None):
        ann_file = tmp_path / "instances.json"
        ann_file.write_text(json.dumps(content))
        check_annotations(ann_file, tmp_path / "images", classes)

    write_split(tmp_path, "unused.json", "images", coco_content(["a.jpg", "b.jpg"]))
    return run


@pytest.fixture
def content():
    return coco_content(["a.jpg", "b.jpg"])


@pytest.mark.parametrize("split", ["train", "val"])
def test_the_official_files_pass(coco_subset, split):
    from mmdet.datasets import CocoDataset

    ann_file = coco_subset / "annotations" / f"instances_{split}2017.json"
    classes = CocoDataset.METAINFO["classes"]
    assert classes_in(ann_file) == classes
    check_annotations(ann_file, coco_subset / f"{split}2017", classes)


def test_a_good_file_passes(check, content):
    check(content, CLASSES)
    check(content)


def test_images_without_boxes_pass(check, content):
    content["annotations"] = []
    check(content, CLASSES)


@pytest.mark.parametrize(
    "box",
    [[0, 0, 64, 48], [-1.5, -2, 20, 20], [50, 30, 16, 20], [0, 0, 1, 1]],
    ids=["whole image", "1.5 px over", "2 px over", "one pixel"],
)
def test_boxes_at_the_border_pass(check, content, box):
    content["annotations"][0]["bbox"] = box
    check(content)


def test_crowds_pass(check, content):
    content["annotations"][0].update(
        iscrowd=1, segmentation=dict(size=[48, 64], counts=[0, 48 * 64])
    )
    check(content)


def _many_boxes(count):
    content = coco_content(["a.jpg"])
    first = content["annotations"][0]
    content["annotations"] = [dict(first, id=i + 1) for i in range(count)]
    return content


def test_rare_empty_boxes_pass_with_a_warning(check, monkeypatch):
    # As the official train2017 has them: 2 of 860,001.
    logged = []
    monkeypatch.setattr(
        annotation_checks, "print_log", lambda text, **_: logged.append(text)
    )
    content = _many_boxes(1000)
    content["annotations"][7]["bbox"] = [5, 5, 10, 0]
    check(content)
    (text,) = logged
    assert "leaves out 1 annotation with an empty box" in text
    assert "(ids 8)" in text


def test_boxes_as_shares_of_the_image_are_an_error(check):
    content = _many_boxes(1000)
    for annotation in content["annotations"]:
        annotation["bbox"] = [0.1, 0.1, 0.5, 0.5]
    with pytest.raises(DataError, match="1000 annotations with an empty box"):
        check(content)


@pytest.mark.parametrize(
    ("box", "message"),
    [
        ([float("nan"), 0, 5, 5], r"1 annotation with a box that is NaN.*\(ids 2\)"),
        ([0, 0, float("inf"), 5], "NaN or infinite"),
        ([30, 30, -10, 5], r"inverted box \(negative width or height\) \(ids 2\)"),
        ([30, 30, 10, -5], "inverted"),
        ([30, 30, 0, 5], "empty box"),
        ([60, 5, 12, 20], r"outside its image \(ids 2\)"),
        ([5, 40, 12, 20], "outside"),
        ([-5, 5, 12, 20], "outside"),
        ([5, -5, 12, 20], "outside"),
        ([200, 200, 5, 5], "outside"),
        ([1, 2, 3], "not four numbers"),
        ([1, 2, 3, "4"], "not four numbers"),
        ([1, 2, 3, None], "not four numbers"),
    ],
)
def test_faulty_boxes_are_errors(check, content, box, message):
    content["annotations"][1]["bbox"] = box
    with pytest.raises(DataError, match=message):
        check(content)


def test_all_faults_are_counted_and_the_first_ids_named(check, content):
    for annotation in content["annotations"][:5]:
        annotation["bbox"] = [30, 30, -10, 5]
    content["annotations"][5]["bbox"] = [500, 5, 5, 5]
    with pytest.raises(DataError) as raised:
        check(content)
    message = str(raised.value)
    assert "5 annotations with an inverted box" in message
    assert "(ids 1, 2, 3, ...)" in message
    assert "1 annotation with a box outside its image (ids 6)" in message
    assert "\n" not in message


def test_width_and_height_are_not_mixed_up(check, content):
    content["annotations"][0]["bbox"] = [4, 40, 5, 22]  # the image is 64 wide, 48 high
    with pytest.raises(DataError, match="outside"):
        check(content)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda c: c["annotations"][0].update(image_id=99), "unknown image_id"),
        (lambda c: c["annotations"][0].update(category_id=99), "unknown category_id"),
        (lambda c: c["annotations"][1].update(id=1), "1 annotation id more than once"),
        (lambda c: c["images"][1].update(id=1), "1 image id more than once"),
        (lambda c: c["categories"][1].update(id=1), "1 category id more than once"),
        (lambda c: c["categories"][1].update(name="cat"), "have the name cat"),
        (lambda c: c["images"][0].pop("width"), r"images\[0\] has no usable 'width'"),
        (lambda c: c["images"][0].update(file_name=7), "usable 'file_name'"),
        (lambda c: c["annotations"][2].pop("bbox"), r"annotations\[2\].*'bbox'"),
        (lambda c: c["annotations"][2].pop("area"), r"annotations\[2\].*'area'"),
        (lambda c: c["annotations"].append("x"), r"annotations\[6\] is not an object"),
        (lambda c: c.pop("annotations"), "no list 'annotations'"),
        (lambda c: c.update(images={}), "no list 'images'"),
        (lambda c: c.update(images=[], annotations=[]), "'images' is empty"),
        (lambda c: c.update(categories=[]), "'categories' is empty"),
    ],
)
def test_faulty_files_are_errors(check, content, change, message):
    change(content)
    with pytest.raises(DataError, match=message):
        check(content)


def test_missing_images_are_counted_and_named(check):
    names = ["a.jpg", *(f"lost_{i}.jpg" for i in range(5))]
    with pytest.raises(DataError, match=r"5 images of 6 .*lost_0.jpg, lost_1.jpg"):
        check(coco_content(names))


def test_images_in_subfolders_are_found(tmp_path):
    content = coco_content(["b/1.jpg", "a/1.jpg", "a/2.jpg"])
    write_split(tmp_path, "x.json", "images", content)
    check_annotations(tmp_path / "x.json", tmp_path / "images")
    (tmp_path / "images" / "a" / "1.jpg").unlink()
    with pytest.raises(DataError, match=r"1 image of 3 .* is not in .*a/1.jpg"):
        check_annotations(tmp_path / "x.json", tmp_path / "images")


def test_folders_are_listed_once(tmp_path, monkeypatch):
    write_split(tmp_path, "x.json", "images", coco_content(["a.jpg", "b.jpg", "c.jpg"]))
    listed = []
    scandir = os.scandir
    monkeypatch.setattr(os, "scandir", lambda p: listed.append(p) or scandir(p))
    check_annotations(tmp_path / "x.json", tmp_path / "images")
    assert len(listed) == 1


@pytest.mark.parametrize(
    ("classes", "message"),
    [
        (("cat", "dog"), "boxes of 1 class that the model does not know .bird"),
        (("cat", "dog", "bird", "cow"), "lacks 1 class of the model .cow"),
        (("dog", "cat", "bird"), "another order"),
        (("person",), "lacks 1 class of the model .person"),
    ],
)
def test_other_classes_are_errors(check, content, classes, message):
    with pytest.raises(DataError, match=message):
        check(content, classes)


def test_a_category_without_boxes_may_be_unknown_to_the_model(check, content):
    content["annotations"] = [a for a in content["annotations"] if a["category_id"] < 3]
    check(content, ("cat", "dog"))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "not JSON"),
        ('{"images": [', "not JSON"),
        ("\xff\xfe", "not JSON"),
        ("[1, 2]", "top level is a list"),
        ('{"shapes": []}', "no list 'images'"),
        ("[" * 100_000, "not JSON"),
    ],
)
def test_unreadable_files_are_one_sentence(tmp_path, text, message):
    (tmp_path / "x.json").write_bytes(text.encode("latin-1"))
    with pytest.raises(DataError, match=message) as raised:
        check_annotations(tmp_path / "x.json", tmp_path)
    assert "\n" not in str(raised.value)


def test_missing_paths_are_errors(tmp_path):
    with pytest.raises(DataError, match=r"x\.json does not exist"):
        check_annotations(tmp_path / "x.json", tmp_path)
    with pytest.raises(DataError, match="cannot be read"):
        check_annotations(tmp_path, tmp_path)
    write_split(tmp_path, "x.json", "images")
    with pytest.raises(DataError, match=r"image folder .* does not exist"):
        check_annotations(tmp_path / "x.json", tmp_path / "elsewhere")


def test_classes_are_in_the_order_in_which_mmdet_counts_labels(tmp_path):
    from mmdet.datasets import CocoDataset

    content = coco_content(["a.jpg"])
    content["categories"].reverse()  # ids 3, 2, 1: not the order of the ids
    write_split(tmp_path, "x.json", "images", content)
    names = classes_in(tmp_path / "x.json")
    dataset = CocoDataset(
        ann_file=str(tmp_path / "x.json"),
        data_prefix=dict(img=str(tmp_path / "images")),
        metainfo=dict(classes=names),
        pipeline=[],
    )
    by_id = {c["id"]: c["name"] for c in content["categories"]}
    labels = [i["bbox_label"] for i in dataset.get_data_info(0)["instances"]]
    expected = [by_id[a["category_id"]] for a in content["annotations"]]
    assert [names[label] for label in labels] == expected
