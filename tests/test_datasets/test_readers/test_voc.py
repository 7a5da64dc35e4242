"""Pascal VOC: lists of names, folders, both ways of counting pixels, odd files."""

import numpy as np
import pytest
from PIL import Image
from pycocotools import mask as coco_mask
from support.clean_copies import content_of, copy_of, kinds_found, objects_by_picture
from support.pictures import write_picture, write_text

from ghostnet_mm.errors import DataError


def element(name, corners, extra=""):
    keys = ("xmin", "ymin", "xmax", "ymax")
    inner = "".join(
        f"<{key}>{value}</{key}>" for key, value in zip(keys, corners, strict=True)
    )
    return f"<object><name>{name}</name>{extra}<bndbox>{inner}</bndbox></object>"


def document(filename, *objects, size=(96, 64)):
    return (
        f"<annotation><folder>x</folder><filename>{filename}</filename><size>"
        f"<width>{size[0]}</width><height>{size[1]}</height><depth>3</depth></size>"
        f"{''.join(objects)}</annotation>"
    )


CUP = element("cup", (5, 6, 24, 15))
PLATE = element("plate", (45, 6, 64, 15))
EXPECTED = [("cup", (4, 5, 20, 10), 200, 0), ("plate", (44, 5, 20, 10), 200, 0)]


def voc(root, names=("a", "b", "c", "d"), pictures="JPEGImages", xml="Annotations"):
    for name in names:
        write_picture(root / pictures / f"{name}.jpg")
        write_text(root / xml / f"{name}.xml", document(f"{name}.jpg", CUP, PLATE))
    return root


def lists(root, **members):
    for split, names in members.items():
        write_text(root / "ImageSets" / "Main" / f"{split}.txt", "\n".join(names))
    return root


def test_lists_say_the_splits(tmp_path):
    root = lists(voc(tmp_path), train="abc", val="d", trainval="abcd")
    # VOC's own lists of one class, which are no splits.
    write_text(root / "ImageSets" / "Main" / "cup_train.txt", "a  1\nb -1\n")
    copy = copy_of(root)
    assert copy.summary.classes == ("cup", "plate")
    assert set(objects_by_picture(copy)) == {"a.jpg", "b.jpg", "c.jpg"}
    assert objects_by_picture(copy, "val") == {"d.jpg": EXPECTED}
    assert copy.findings.lines() == []


def test_a_list_of_training_and_validation_alone_is_split(tmp_path):
    root = lists(voc(tmp_path), trainval="abcd", test="a")
    splits = copy_of(root).summary.splits
    assert splits["train"].pictures + splits["val"].pictures == 4
    assert splits["val"].pictures == 1


def test_folders_say_the_splits_where_there_are_no_lists(tmp_path):
    for split, names in (("train", "abc"), ("valid", "d")):
        voc(tmp_path, names, split, split)
    copy = copy_of(tmp_path)
    assert set(objects_by_picture(copy)) == {"a.jpg", "b.jpg", "c.jpg"}
    assert objects_by_picture(copy, "val") == {"d.jpg": EXPECTED}


def test_nothing_says_the_splits(tmp_path):
    splits = copy_of(voc(tmp_path)).summary.splits
    assert (splits["train"].pictures, splits["val"].pictures) == (3, 1)


@pytest.mark.parametrize("corners", [(0, 5, 20, 15), (4.5, 5, 20.5, 15)])
def test_zero_or_a_fraction_shows_that_pixels_count_from_0(tmp_path, corners):
    root = lists(voc(tmp_path), train="abc", val="d")
    text = document("a.jpg", element("cup", corners))
    write_text(root / "Annotations" / "a.xml", text)
    copy = copy_of(root)
    x, y, right, bottom = corners
    assert objects_by_picture(copy)["a.jpg"] == [
        ("cup", (x, y, right - x, bottom - y), (right - x) * (bottom - y), 0)
    ]
    # One way for the whole set, the validation pictures too.
    assert objects_by_picture(copy, "val")["d.jpg"][0][1] == (5, 6, 19, 9)
    assert kinds_found(copy) == {"corners-from-0": 2}


def test_difficult_objects_are_neither_learnt_nor_scored(tmp_path):
    root = lists(voc(tmp_path), train="abc", val="d")
    hard = element("cup", (5, 6, 24, 15), "<difficult>1</difficult>")
    write_text(root / "Annotations" / "a.xml", document("a.jpg", hard, PLATE))
    copy = copy_of(root)
    assert [crowd for *_, crowd in objects_by_picture(copy)["a.jpg"]] == [1, 0]
    assert kinds_found(copy) == {"ignored": 1}


def test_parts_of_an_object_are_no_objects(tmp_path):
    root = lists(voc(tmp_path), train="abc", val="d")
    part = "<part><name>handle</name><bndbox><xmin>1</xmin></bndbox></part>"
    whole = CUP.replace("</object>", f"{part}</object>")
    write_text(root / "Annotations" / "a.xml", document("a.jpg", whole, PLATE))
    copy = copy_of(root)
    assert copy.summary.classes == ("cup", "plate")
    assert objects_by_picture(copy)["a.jpg"] == EXPECTED


def test_roboflows_polygons_are_masks(tmp_path):
    root = lists(voc(tmp_path), train="abc", val="d")
    points = "".join(
        f"<x{i}>{x}</x{i}><y{i}>{y}</y{i}>"
        for i, (x, y) in enumerate([(4, 5), (24, 5), (4, 15)], 1)
    )
    text = CUP.replace("</object>", f"<polygon>{points}</polygon></object>")
    write_text(root / "Annotations" / "a.xml", document("a.jpg", text))
    first = content_of(copy_of(root))["annotations"][0]
    assert first["segmentation"] == [[4, 5, 24, 5, 4, 15]]


NAMES = {
    "of another suffix": "a.png",
    "of another machine": "C:\\photos\\a.jpg",
    "that is stale": "IMG_0001.jpg",
    "that is missing": "",
}


@pytest.mark.parametrize("name", NAMES.values(), ids=NAMES)
def test_the_picture_has_the_name_of_its_file(tmp_path, name):
    root = lists(voc(tmp_path), train="abc", val="d")
    write_text(root / "Annotations" / "a.xml", document(name, CUP, PLATE))
    copy = copy_of(root)
    assert objects_by_picture(copy)["a.jpg"] == EXPECTED
    assert copy.findings.lines() == []


def test_the_stated_name_counts_where_the_files_have_others(tmp_path):
    root = lists(voc(tmp_path), train=["a", "b", "label_7"], val="d")
    write_picture(root / "JPEGImages" / "photo.jpg")
    text = document("photo.jpg", CUP, PLATE)
    write_text(root / "Annotations" / "label_7.xml", text)
    assert objects_by_picture(copy_of(root))["photo.jpg"] == EXPECTED


ODD = {
    "size 0": (document("a.jpg", CUP, PLATE, size=(0, 0)), "picture-size-missing", 2),
    "size of another": (document("a.jpg", CUP, PLATE, size=(7, 5)), "picture-size", 2),
    "no name": (
        document("a.jpg", CUP, element("", (1, 2, 30, 40))),
        "object-of-no-class",
        1,
    ),
    "no box": (
        document("a.jpg", CUP, "<object><name>cup</name></object>"),
        "box-invalid",
        1,
    ),
    "a word for a number": (
        document("a.jpg", CUP, element("cup", (1, "b", 30, 40))),
        "box-invalid",
        1,
    ),
    "corners swapped": (
        document("a.jpg", CUP, element("plate", (64, 15, 45, 6))),
        "",
        2,
    ),
    "not XML": ("<annotation><object>", "file-unreadable", None),
    "entities": (
        '<!DOCTYPE a [<!ENTITY b "c">]><annotation>&b;</annotation>',
        "",
        None,
    ),
}


@pytest.mark.parametrize(("text", "kind", "objects"), ODD.values(), ids=ODD)
def test_odd_files_are_counted_and_cost_no_other(tmp_path, text, kind, objects):
    root = lists(voc(tmp_path), train="abc", val="d")
    write_text(root / "Annotations" / "a.xml", text)
    copy = copy_of(root)
    found = objects_by_picture(copy)
    assert found["b.jpg"] == EXPECTED
    if objects is None:
        assert "a.jpg" not in found
    else:
        assert found["a.jpg"] == EXPECTED[:objects]
    if kind:
        assert kinds_found(copy) == {kind: 1}


def test_most_files_broken_is_refused(tmp_path):
    root = lists(voc(tmp_path), train="abc", val="d")
    for name in "ab":
        write_text(root / "Annotations" / f"{name}.xml", "<annotation><object>")
    with pytest.raises(DataError, match=r"a\.xml is not XML that can be read"):
        copy_of(root)


def test_findings_of_many_files_are_one_short_line(tmp_path):
    names = [f"picture{i}" for i in range(12)]
    root = lists(voc(tmp_path, names), train=names[:9], val=names[9:])
    hard = element("cup", (5, 6, 24, 15), "<difficult>1</difficult>")
    for name in names:
        text = document(f"{name}.jpg", hard, PLATE)
        write_text(root / "Annotations" / f"{name}.xml", text)
    (told,) = copy_of(root).findings.lines()
    train, val = told.partition("(")[2].rstrip(")").split("; ")
    xml = "Annotations/picture{}.xml: cup".format
    start = "ImageSets/Main/{}.txt: ".format
    assert train == start("train") + f"{xml(0)}, {xml(1)}, {xml(2)}, ..."
    assert val == start("val") + f"{xml(9)}, {xml(10)}, {xml(11)}"


def test_objects_of_no_class_count_towards_refusing(tmp_path):
    root = lists(voc(tmp_path), train="abc", val="d")
    for name in "ab":
        nameless = [element("", (5, 6, 24, 15))] * 2
        text = document(f"{name}.jpg", *nameless, PLATE)
        write_text(root / "Annotations" / f"{name}.xml", text)
    with pytest.raises(DataError, match="has 4 objects of classes that are not"):
        copy_of(root)


def masks_of(root, numbers, name="a"):
    folder = root / "SegmentationObject"
    folder.mkdir(exist_ok=True)
    picture = Image.fromarray(numbers)
    picture.putpalette(list(range(256)) * 3)
    picture.save(folder / f"{name}.png")


def test_masks_are_those_of_the_numbered_pixels(tmp_path):
    """Catches masks of other objects, borders counted in, and a mask as a picture."""
    root = lists(voc(tmp_path), train="abc", val="d")
    numbers = np.zeros((64, 96), np.uint8)
    numbers[5:15, 4:14] = 1
    numbers[8:15, 44:64] = 2
    numbers[5:8, 44:64] = 255
    masks_of(root, numbers)
    masks_of(root, np.full((64, 96), 3, np.uint8), "b")
    (root / "SegmentationObject" / "c.png").write_bytes(b"no picture")
    copy = copy_of(root)
    assert objects_by_picture(copy)["a.jpg"] == [
        ("cup", (4, 5, 20, 10), 100, 0),
        ("plate", (44, 5, 20, 10), 140, 0),
    ]
    assert objects_by_picture(copy)["b.jpg"] == EXPECTED
    decoded = [
        coco_mask.decode(annotation["segmentation"]).astype(bool)
        for annotation in content_of(copy)["annotations"]
        if annotation.get("segmentation")
    ]
    np.testing.assert_array_equal(decoded, [numbers == 1, numbers == 2])
    assert kinds_found(copy) == {"mask-unusable": 2}
