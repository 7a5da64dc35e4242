"""LabelMe, CVAT, VIA and Label Studio: their shapes, and what they leave odd."""

import base64
import json

import cv2
import numpy as np
import pytest
from pycocotools import mask as coco_mask
from support.clean_copies import content_of, copy_of, kinds_found, objects_by_picture
from support.pictures import write_picture, write_pictures, write_text

from ghostnet_mm.datasets.annotations.kinds import new_findings
from ghostnet_mm.datasets.clean_copy.copying import origins_for
from ghostnet_mm.errors import DataError

NAMES = ("a.png", "b.png", "c.png", "d.png")


@pytest.fixture
def root(tmp_path):
    for split in ("train", "val"):
        write_pictures(tmp_path / split, *NAMES)
    return tmp_path


def shape(label="cup", kind="rectangle", points=((4, 5), (24, 15)), **others):
    return dict(label=label, shape_type=kind, points=list(points), **others)


def labelme(root, first=None, **others):
    """Write a cup into every picture, and ``first`` into the first one for training."""
    for split in ("train", "val"):
        for name in NAMES:
            shapes = [shape()]
            if first is not None and (split, name) == ("train", NAMES[0]):
                shapes = [shape(), *first]
            content = dict(
                version="5.2.1",
                shapes=shapes,
                imagePath=name,
                imageData=None,
                imageHeight=64,
                imageWidth=96,
            )
            content.update(others)
            target = root / split / f"{name[0]}.json"
            write_text(target, json.dumps(content))
    return root


CUP = ("cup", (4, 5, 20, 10), 200, 0)


def first_objects(copy):
    objects = objects_by_picture(copy)
    assert all(objects[name] == [CUP] for name in NAMES[1:])
    assert objects[NAMES[0]][0] == CUP
    return objects[NAMES[0]][1:]


def test_labelme_shapes(root):
    polygon = shape("plate", "polygon", ((40, 10), (60, 10), (60, 30)))
    circle = shape("plate", "circle", ((70, 40), (80, 40)))
    copy = copy_of(labelme(root, [polygon, circle]))
    triangle, disc = first_objects(copy)
    assert triangle == ("plate", (40, 10, 20, 20), 200, 0)
    assert disc[1] == (60, 30, 20, 20)
    assert disc[2] == pytest.approx(np.pi * 100, rel=5e-3)
    assert copy.findings.lines() == []
    masks = [a.get("segmentation") for a in content_of(copy)["annotations"]]
    assert masks[:2] == [None, [[40, 10, 60, 10, 60, 30]]]


def test_outlines_of_one_group_are_one_object(root):
    halves = [
        shape("plate", "polygon", ((x, 10), (x + 10, 10), (x, 20)), group_id=3)
        for x in (40, 60)
    ]
    other = shape("plate", "polygon", ((40, 40), (50, 40), (40, 50)), group_id=None)
    copy = copy_of(labelme(root, [*halves, other]))
    assert first_objects(copy) == [
        ("plate", (40, 10, 30, 10), 100, 0),
        ("plate", (40, 40, 10, 10), 50, 0),
    ]


def test_a_labelme_mask_lies_where_its_box_is(root):
    pixels = np.zeros((6, 4), np.uint8)
    pixels[1:5, 1:] = 255
    text = base64.b64encode(cv2.imencode(".png", pixels)[1]).decode()
    mask = shape("plate", "mask", ((50, 20), (54, 26)), mask=text)
    annotation = content_of(copy_of(labelme(root, [mask])))["annotations"][1]
    expected = np.zeros((64, 96), bool)
    expected[21:25, 51:54] = True
    got = coco_mask.decode(annotation["segmentation"]).astype(bool)
    assert (got == expected).all()
    assert annotation["area"] == 12


ODD_SHAPES = {
    "a point": (shape(kind="point", points=[(3, 4)]), "shape-without-area"),
    "a line": (shape(kind="linestrip", points=[(3, 4), (9, 9)]), "shape-without-area"),
    "no label": (shape(label=""), "object-of-no-class"),
    "label is a list": (shape(label=["cup"]), "object-of-no-class"),
    "one corner": (shape(points=[(3, 4)]), "object-entry"),
    "a corner of words": (shape(points=[("a", 4), (9, 9)]), "object-entry"),
    "points are none": ({"label": "cup", "points": None}, "object-entry"),
    "no shape": ("cup", "object-entry"),
    "an unknown shape": (shape(kind="star"), "object-entry"),
}


@pytest.mark.parametrize(("odd", "kind"), ODD_SHAPES.values(), ids=ODD_SHAPES)
def test_odd_labelme_shapes_are_counted(root, odd, kind):
    copy = copy_of(labelme(root, [odd]))
    assert first_objects(copy) == []
    assert kinds_found(copy) == {kind: 1}


def test_a_number_is_a_label(root):
    copy = copy_of(labelme(root, [shape(label=7, points=[(40, 5), (60, 15)])]))
    assert first_objects(copy) == [("7", (40, 5, 20, 10), 200, 0)]


def cvat(root, first="", meta="<labels><label><name>cup</name></label></labels>"):
    box = '<box label="cup" xtl="4" ytl="5" xbr="24" ybr="15" occluded="0"/>'
    images = ""
    for split in ("train", "val"):
        for index, name in enumerate(NAMES):
            inner = box + (first if (split, index) == ("train", 0) else "")
            images += (
                f'<image id="{index}" name="{split}/{name}" subset="{split.title()}" '
                f'width="96" height="64">{inner}</image>'
            )
    text = (
        '<?xml version="1.0" encoding="utf-8"?><annotations><version>1.1</version>'
        f"<meta><task>{meta}</task></meta>{images}</annotations>"
    )
    write_text(root / "annotations.xml", text)
    return root


CVAT_SHAPES = {
    "polygon": (
        '<polygon label="plate" points="40.0,10.0;60.0,10.0;60.0,30.0"/>',
        (40, 10, 20, 20),
        200,
    ),
    "turned box": (
        '<box label="plate" xtl="40" ytl="10" xbr="60" ybr="20" rotation="90"/>',
        (45, 5, 10, 20),
        200,
    ),
    "turned all round": (
        '<box label="plate" xtl="40" ytl="10" xbr="60" ybr="20" rotation="360"/>',
        (40, 10, 20, 10),
        200,
    ),
    "ellipse": (
        '<ellipse label="plate" cx="50" cy="30" rx="10" ry="5"/>',
        (40, 25, 20, 10),
        np.pi * 50,
    ),
    "mask": (
        '<mask label="plate" rle="1, 3, 1, 3" left="40" top="10" width="4" '
        'height="2"/>',
        (40, 10, 4, 2),
        6,
    ),
    "cuboid": (
        '<cuboid label="plate" xtl1="40" ytl1="10" xbl1="40" ybl1="30" xtr1="60" '
        'ytr1="10" xbr1="60" ybr1="30" xtl2="45" ytl2="8" xbl2="45" ybl2="28" '
        'xtr2="65" ytr2="8" xbr2="65" ybr2="28"/>',
        (40, 8, 25, 22),
        550,
    ),
}


@pytest.mark.parametrize(("text", "box", "area"), CVAT_SHAPES.values(), ids=CVAT_SHAPES)
def test_cvat_shapes(root, text, box, area):
    copy = copy_of(cvat(root, text))
    ((name, got, got_area, _),) = first_objects(copy)
    assert (name, got) == ("plate", pytest.approx(box, abs=0.05))
    assert got_area == pytest.approx(area, rel=5e-3)
    assert copy.findings.lines() == []


def test_a_cvat_mask_is_read_row_by_row(root):
    annotation = content_of(copy_of(cvat(root, CVAT_SHAPES["mask"][0])))["annotations"]
    got = coco_mask.decode(annotation[1]["segmentation"]).astype(bool)
    expected = np.zeros((64, 96), bool)
    expected[10:12, 41:44] = True
    assert (got == expected).all()


ODD_CVAT = {
    "points": ('<points label="cup" points="1,2"/>', "shape-without-area"),
    "polyline": ('<polyline label="cup" points="1,2;9,9"/>', "shape-without-area"),
    "no label": ('<box xtl="4" ytl="5" xbr="24" ybr="15"/>', "object-of-no-class"),
    "no corner": ('<box label="cup" xtl="4" ytl="5" xbr="24"/>', "box-invalid"),
    "a word": ('<box label="cup" xtl="x" ytl="5" xbr="2" ybr="9"/>', "box-invalid"),
    "odd points": ('<polygon label="cup" points="1,2;3"/>', "box-invalid"),
    "runs too short": (
        '<mask label="cup" rle="1,3" left="40" top="10" width="4" height="4"/>',
        "mask-unusable",
    ),
    "runs without end": (
        '<mask label="cup" rle="99999999999,3" left="40" top="10" width="4" '
        'height="4"/>',
        "mask-unusable",
    ),
}


@pytest.mark.parametrize(("text", "kind"), ODD_CVAT.values(), ids=ODD_CVAT)
def test_odd_cvat_shapes_are_counted(root, text, kind):
    copy = copy_of(cvat(root, text))
    assert len(first_objects(copy)) == (kind == "mask-unusable")
    assert kinds_found(copy) == {kind: 1}


def test_the_ids_of_cvats_pictures_are_kept(root):
    copy = copy_of(cvat(root))
    assert origins_for(copy.summary.splits["train"].file).pictures == (0, 1, 2, 3)


def test_a_cvat_film_is_read_frame_by_frame(tmp_path):
    for frame in range(6):
        write_picture(tmp_path / "images" / f"frame_{frame:06d}.PNG")
    boxes = "".join(
        f'<box frame="{frame}" outside="{int(frame == 3)}" occluded="0" keyframe="1" '
        f'xtl="{frame}" ytl="5" xbr="{frame + 20}" ybr="15"/>'
        for frame in range(4)
    )
    text = (
        "<annotations><meta><task><size>6</size><original_size><width>96</width>"
        "<height>64</height></original_size><labels><label><name>cup</name></label>"
        f'</labels></task></meta><track id="0" label="cup">{boxes}</track>'
        "</annotations>"
    )
    write_text(tmp_path / "annotations.xml", text)
    copy = copy_of(tmp_path)
    found = objects_by_picture(copy) | objects_by_picture(copy, "val")
    assert {name: [o[1][0] for o in objects] for name, objects in found.items()} == {
        "frame_000000.PNG": [0],
        "frame_000001.PNG": [1],
        "frame_000002.PNG": [2],
        "frame_000003.PNG": [],
        "frame_000004.PNG": [],
        "frame_000005.PNG": [],
    }


def via(root, first=(), project=False, attributes=None):
    cup = dict(name="rect", x=4, y=5, width=20, height=10)
    for split in ("train", "val"):
        files = {}
        for name in NAMES:
            regions = [dict(shape_attributes=cup, region_attributes={"kind": "cup"})]
            if (split, name) == ("train", NAMES[0]):
                regions += first
            if attributes is not None:
                for region in regions:
                    region["region_attributes"] = attributes
            files[f"{name}77"] = dict(filename=name, size=77, regions=regions)
        content = (
            {"_via_settings": {}, "_via_img_metadata": files} if project else files
        )
        write_text(root / f"via_{split}.json", json.dumps(content))
    return root


def region(kind="plate", **attributes):
    return dict(shape_attributes=attributes, region_attributes={"kind": kind})


@pytest.mark.parametrize("project", [False, True])
def test_via_shapes(root, project):
    polygon = region(
        name="polygon", all_points_x=[40, 60, 60], all_points_y=[10, 10, 30]
    )
    ellipse = region(name="ellipse", cx=70, cy=40, rx=10, ry=5, theta=np.pi / 2)
    copy = copy_of(via(root, [polygon, ellipse], project))
    triangle, oval = first_objects(copy)
    assert triangle == ("plate", (40, 10, 20, 20), 200, 0)
    assert oval[1] == pytest.approx((65, 30, 10, 20), abs=0.05)
    assert copy.findings.lines() == []


def test_via_regions_may_be_an_object(root):
    via(root)
    file = root / "via_train.json"
    content = json.loads(file.read_text())
    for entry in content.values():
        entry["regions"] = {str(i): r for i, r in enumerate(entry["regions"])}
    file.write_text(json.dumps(content))
    assert first_objects(copy_of(root)) == []


CLASSES = {
    "the usual name": ({"size": "big", "Class": "cup"}, "cup"),
    "one that is ticked": ({"kind": {"cup": True, "plate": False}}, "cup"),
    "none at all": ({}, "object"),
}


@pytest.mark.parametrize(("attributes", "name"), CLASSES.values(), ids=CLASSES)
def test_the_class_of_a_via_region(root, attributes, name):
    assert copy_of(via(root, attributes=attributes)).summary.classes == (name,)


ODD_VIA = {
    "a point": (region(name="point", cx=3, cy=4), "shape-without-area"),
    "no class": (region("", name="rect", x=1, y=1, width=9, height=9), None),
    "no shape": (dict(region_attributes={"kind": "cup"}), "object-entry"),
    "a word": (region(name="rect", x="a", y=1, width=9, height=9), "object-entry"),
    "uneven points": (
        region(name="polygon", all_points_x=[1, 2, 3], all_points_y=[1]),
        "object-entry",
    ),
    "no region": ("cup", "object-entry"),
}


@pytest.mark.parametrize(("odd", "kind"), ODD_VIA.values(), ids=ODD_VIA)
def test_odd_via_regions_are_counted(root, odd, kind):
    copy = copy_of(via(root, [odd]))
    assert first_objects(copy) == []
    assert kinds_found(copy) == {kind or "object-of-no-class": 1}


def studio(root, first=(), **task):
    cup = dict(x=100 * 4 / 96, y=100 * 5 / 64, width=100 * 20 / 96, height=1000 / 64)
    for split in ("train", "val"):
        tasks = []
        for index, name in enumerate(NAMES):
            results = [result("cup", **cup)]
            if (split, index) == ("train", 0):
                results += first
            content = dict(
                id=index + 41,
                data={"image": f"http://localhost/data/upload/1/0123abcd-{name}"},
                annotations=[dict(result=results)],
            )
            content.update(task)
            tasks.append(content)
        write_text(root / f"{split}.json", json.dumps(tasks))
    return root


def result(label="plate", kind="rectanglelabels", **value):
    return dict(
        type=kind,
        original_width=96,
        original_height=64,
        value={**value, kind: [label]},
    )


def test_label_studio_shapes(root):
    polygon = result(kind="polygonlabels", points=[[50, 50], [75, 50], [75, 75]])
    ellipse = result(kind="ellipselabels", x=50, y=50, radiusX=12.5, radiusY=25)
    copy = copy_of(studio(root, [polygon, ellipse]))
    triangle, oval = first_objects(copy)
    assert triangle == ("plate", (48, 32, 24, 16), 192, 0)
    assert oval[1] == pytest.approx((36, 16, 24, 32), abs=0.05)
    assert copy.findings.lines() == []


@pytest.mark.parametrize("short", [False, True])
def test_a_turned_label_studio_rectangle_is_turned_in_pixels(root, short):
    # 32 x 16 pixels from (48, 8), turned upright around that corner.
    shape = dict(x=50, y=12.5, width=100 / 3, height=25, rotation=90)
    turned = result(**shape)
    if short:
        turned = {**turned.pop("value"), **turned}
    (found,) = first_objects(copy_of(studio(root, [turned])))
    assert found[1] == pytest.approx((32, 8, 16, 32), abs=0.01)


def test_of_several_opinions_the_truth_counts(root):
    wrong = dict(result=[result("fork", x=0, y=0, width=50, height=50)])
    skipped = dict(result=[], was_cancelled=True)
    right = dict(
        result=[result("cup", x=50, y=50, width=25, height=25)], ground_truth=True
    )
    copy = copy_of(studio(root, annotations=[skipped, wrong, right]))
    assert copy.summary.classes == ("cup",)
    assert objects_by_picture(copy)["a.png"][0][1] == (48, 32, 24, 16)


ODD_RESULTS = {
    "a choice": (dict(value={"choices": ["good"]}), "shape-without-area"),
    "no label": (result("", x=1, y=1, width=9, height=9), "object-of-no-class"),
    "no width": (result("cup", x=1, y=1, height=9), "object-entry"),
    "no result": ("cup", "object-entry"),
    "no points": (result(kind="polygonlabels", points=5), "object-entry"),
    "points of words": (
        result("cup", "polygonlabels", points=[["a", 1], [2, 2], [3, 3]]),
        "object-entry",
    ),
}


@pytest.mark.parametrize(("odd", "kind"), ODD_RESULTS.values(), ids=ODD_RESULTS)
def test_odd_label_studio_results_are_counted(root, odd, kind):
    assert kinds_found(copy_of(studio(root, [odd]))) == {kind: 1}


def test_a_file_without_tasks_is_refused(root):
    write_text(root / "all.json", '[{"rectanglelabels": 1}, 7]')
    with pytest.raises(DataError, match="lists no tasks with pictures"):
        copy_of(root)


def test_coco_counts_where_several_formats_lie_side_by_side(root):
    cvat(labelme(root))
    content = dict(
        images=[dict(id=1, file_name="a.png", width=96, height=64)],
        annotations=[dict(id=1, image_id=1, category_id=1, bbox=[1, 2, 30, 40])],
        categories=[dict(id=1, name="fork")],
    )
    for split in ("train", "val"):
        write_text(root / f"instances_{split}.json", json.dumps(content))
    copy = copy_of(root)
    assert copy.summary.classes == ("fork",)
    assert kinds_found(copy)["file-unused"] == 9


def test_odd_shapes_are_told_by_split(root):
    copy = copy_of(labelme(root, [shape(kind="point", points=[[1, 2]])]))
    (told,) = copy.findings.lines()
    assert told.endswith("(train: train/a.json: cup)")


def test_odd_regions_are_told_by_file(root):
    copy = copy_of(via(root, [region(name="point", cx=1, cy=2)]))
    (told,) = copy.findings.lines()
    assert told.endswith("(via_train.json: a.png: plate)")


def test_few_places_are_told_in_a_line():
    findings = new_findings()
    for index in range(9):
        findings.add("object-entry", f"{index}.json", "a")
    (told,) = findings.lines()
    assert told.endswith("(0.json: a; 1.json: a; 2.json: a; and 6 more places)")
