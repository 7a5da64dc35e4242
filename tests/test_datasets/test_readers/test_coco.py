"""COCO as its many writers write it: every omission, every oddity."""

import json

import cv2
import pytest
from PIL import Image
from support.clean_copies import content_of, copy_of, kinds_found, objects_by_picture
from support.pictures import write_picture, write_pictures

from ghostnet_mm.datasets.clean_copy.copying import origins_for
from ghostnet_mm.errors import DataError


def coco(names=("a.png", "b.png", "c.png", "d.png", "e.png"), objects=2):
    """One cup, and a plate beside it, in every picture of 96 x 64."""
    return dict(
        images=[
            dict(id=i, file_name=name, width=96, height=64)
            for i, name in enumerate(names, 1)
        ],
        annotations=[
            dict(
                id=10 * i + label,
                image_id=i,
                category_id=label + 1,
                bbox=[4 + 40 * label, 5, 20, 10],
                area=200,
                iscrowd=0,
            )
            for i in range(1, len(names) + 1)
            for label in range(objects)
        ],
        categories=[dict(id=1, name="cup"), dict(id=2, name="plate")],
    )


@pytest.fixture
def root(tmp_path):
    folder = tmp_path / "data"
    for split in ("train", "val"):
        write_pictures(folder / split, *(f"{c}.png" for c in "abcde"))
    return folder


def write(root, content, split="train", **others):
    (root / f"{split}.json").write_text(json.dumps(content, **others))
    if split == "train":
        (root / "val.json").write_text(json.dumps(coco()))
    return root


def read(root, content, **others):
    return copy_of(write(root, content, **others))


def test_nothing_is_told_of_good_data(root):
    copy = read(root, coco())
    assert copy.findings.lines() == []
    assert content_of(copy)["annotations"][3] == dict(
        id=4, image_id=2, category_id=2, bbox=[44, 5, 20, 10], area=200, iscrowd=0
    )


# What is done to one annotation of ten, and the kind that must be counted once.
ANNOTATIONS = {
    "no bbox and no mask": (lambda a: a.pop("bbox"), "box-invalid"),
    "three numbers": (lambda a: a.update(bbox=[1, 2, 3]), "box-invalid"),
    "five numbers": (lambda a: a.update(bbox=[1, 2, 3, 4, 5]), "box-invalid"),
    "a text": (lambda a: a.update(bbox="1 2 3 4"), "box-invalid"),
    "nothing": (lambda a: a.update(bbox=None), "box-invalid"),
    "not a number": (lambda a: a.update(bbox=[1, 2, float("nan"), 4]), "box-invalid"),
    "endless": (lambda a: a.update(bbox=[1, 2, float("inf"), 4]), "box-invalid"),
    "beyond floats": (lambda a: a.update(bbox=[1, 2, 10**400, 4]), "box-invalid"),
    "a truth": (lambda a: a.update(bbox=[1, 2, True, 4]), "box-invalid"),
    "no height": (lambda a: a.update(bbox=[1, 2, 3, 0]), "box-empty"),
    "half a pixel": (lambda a: a.update(bbox=[1, 2, 0.5, 9]), "box-empty"),
    "left of it": (lambda a: a.update(bbox=[-30, 2, 20, 9]), "box-outside"),
    "below it": (lambda a: a.update(bbox=[5, 64, 20, 9]), "box-outside"),
    "a sliver inside": (lambda a: a.update(bbox=[95.5, 5, 20, 9]), "box-outside"),
    "over the border": (lambda a: a.update(bbox=[90, 60, 20, 9]), "box-clipped"),
    "inverted": (lambda a: a.update(bbox=[24, 15, -20, -10]), "box-inverted"),
    "no area": (lambda a: a.pop("area"), "area-missing"),
    "area as text": (lambda a: a.update(area="large"), "area-missing"),
    "negative area": (lambda a: a.update(area=-1), "area-missing"),
    "no iscrowd": (lambda a: a.pop("iscrowd"), "crowd-missing"),
    "iscrowd as text": (lambda a: a.update(iscrowd="no"), "crowd-missing"),
    "iscrowd as list": (lambda a: a.update(iscrowd=[0]), "crowd-missing"),
    "ignore": (lambda a: a.update(ignore=1), "ignored"),
    "unknown picture": (lambda a: a.update(image_id=99), "object-of-no-picture"),
    "no picture": (lambda a: a.pop("image_id"), "object-of-no-picture"),
    "picture as list": (lambda a: a.update(image_id=[1]), "object-of-no-picture"),
    "unknown class": (lambda a: a.update(category_id=99), "object-of-no-class"),
    "no class": (lambda a: a.pop("category_id"), "object-of-no-class"),
    "class as object": (lambda a: a.update(category_id={}), "object-of-no-class"),
    "class as text": (lambda a: a.update(category_id="1"), "class-by-text"),
    "class by name": (lambda a: a.update(category_id="cup"), "class-by-text"),
    "no id": (lambda a: a.pop("id"), "ids-renumbered"),
    "id 0": (lambda a: a.update(id=0), "ids-renumbered"),
    "mask of two points": (
        lambda a: a.update(segmentation=[[1, 2, 3, 4]]),
        "mask-unusable",
    ),
    "mask of another size": (
        lambda a: a.update(segmentation=dict(size=[4, 4], counts=[0, 16])),
        "mask-unusable",
    ),
    "runs that do not fill": (
        lambda a: a.update(segmentation=dict(size=[64, 96], counts=[5, 5])),
        "mask-unusable",
    ),
}
KEPT = {"box-clipped", "box-inverted", "area-missing", "crowd-missing", "ignored"}
KEPT |= {"class-by-text", "ids-renumbered", "mask-unusable"}


@pytest.mark.parametrize(("change", "kind"), ANNOTATIONS.values(), ids=ANNOTATIONS)
def test_one_odd_annotation_is_counted_and_costs_no_other(root, change, kind):
    content = coco()
    change(content["annotations"][2])
    copy = read(root, content)
    assert kinds_found(copy) == {kind: 1}
    assert copy.summary.splits["train"].objects == (10 if kind in KEPT else 9)


def test_what_repaired_boxes_become(root):
    content = coco()
    first, second, third = content["annotations"][:3]
    first["bbox"] = [24, 15, -20, -10]
    second["bbox"] = ["4", "5", "20", "10"]
    third.update(bbox=[-6, -5, 20, 30], area=600)
    boxes = [a["bbox"] for a in content_of(read(root, content))["annotations"]]
    assert boxes[:3] == [[4, 5, 20, 10], [4, 5, 20, 10], [0, 0, 14, 25]]


def test_boxes_come_from_masks_where_there_are_none(root):
    content = coco()
    for annotation in content["annotations"]:
        x, y, w, h = annotation.pop("bbox")
        annotation.pop("area")
        annotation["segmentation"] = [[x, y, x + w, y, x + w, y + h, x, y + h]]
    copy = read(root, content)
    first = content_of(copy)["annotations"][0]
    assert (first["bbox"], first["area"]) == ([4, 5, 20, 10], 200)
    assert kinds_found(copy) == {"box-from-mask": 10, "area-missing": 10}


def test_the_area_of_a_mask_is_the_polygons(root):
    content = coco()
    content["annotations"][0].update(area=0, segmentation=[[4, 5, 24, 5, 4, 15]])
    assert content_of(read(root, content))["annotations"][0]["area"] == 100


def test_a_flat_polygon_as_via_writes_it_is_one(root):
    content = coco()
    content["annotations"][0]["segmentation"] = [4, 5, 24, 5, 4, 15]
    first = content_of(read(root, content))["annotations"][0]
    assert first["segmentation"] == [[4, 5, 24, 5, 4, 15]]


def test_shares_of_the_picture_become_pixels(root):
    content = coco()
    for annotation in content["annotations"]:
        x, y, w, h = annotation["bbox"]
        annotation.update(bbox=[x / 96, y / 64, w / 96, h / 64], area=w * h / 96 / 64)
    copy = read(root, content)
    assert kinds_found(copy) == {"boxes-shares": 10}
    assert (
        content_of(copy)["annotations"] == content_of(read(root, coco()))["annotations"]
    )


def test_boxes_for_a_larger_copy_of_the_pictures_are_resized(root):
    content = coco()
    for image in content["images"]:
        image.update(width=960, height=640)
    for annotation in content["annotations"]:
        annotation.update(bbox=[10 * v for v in annotation["bbox"]], area=20000)
    copy = read(root, content)
    assert kinds_found(copy) == {"boxes-resized": 5}
    assert (
        content_of(copy)["annotations"] == content_of(read(root, coco()))["annotations"]
    )


def test_a_wrong_size_does_not_move_boxes_that_do_not_fit_it(root):
    content = coco()
    for image in content["images"]:
        image.update(width=48, height=32)
    copy = read(root, content)
    assert kinds_found(copy) == {"picture-size": 5}
    assert content_of(copy)["annotations"][1]["bbox"] == [44, 5, 20, 10]


def test_an_object_annotated_twice_counts_once(root):
    content = coco()
    content["annotations"].append({**content["annotations"][4], "id": 777})
    copy = read(root, content)
    assert kinds_found(copy) == {"object-twice": 1}
    assert copy.summary.splits["train"].objects == 10


def test_pictures_listed_twice_are_joined(root):
    content = coco()
    content["images"].append(dict(content["images"][0], id=77))
    content["annotations"][9].update(image_id=77, bbox=[60, 40, 20, 10])
    objects = objects_by_picture(read(root, content))
    assert [name for name, *_ in objects["a.png"]] == ["cup", "plate", "plate"]


CATEGORIES = {
    "without ids of their own": (
        lambda c: c.update(categories=[dict(name="cup"), dict(name="plate")]),
        None,
    ),
    "names alone": (lambda c: c.update(categories=["cup", "plate"]), None),
    "a name missing": (lambda c: c["categories"][0].pop("name"), ("1", "plate")),
    "blanks around": (lambda c: c["categories"][0].update(name=" cup "), None),
    "a number as name": (lambda c: c["categories"][0].update(name=7), ("7", "plate")),
    "listed twice": (lambda c: c["categories"].append(c["categories"][0]), None),
    "no list at all": (lambda c: c.pop("categories"), ("1", "2")),
}


@pytest.mark.parametrize(("change", "names"), CATEGORIES.values(), ids=CATEGORIES)
def test_odd_lists_of_classes(root, change, names):
    content = coco()
    if names is None:
        for annotation in content["annotations"]:
            annotation["category_id"] = ("cup", "plate")[annotation["category_id"] - 1]
    change(content)
    (root / "train.json").write_text(json.dumps(content))
    (root / "val.json").write_text(json.dumps(content))
    copy = copy_of(root)
    assert copy.summary.classes == (names or ("cup", "plate"))
    assert [name for name, *_ in objects_by_picture(copy)["b.png"]] == list(
        copy.summary.classes
    )


def test_two_classes_of_one_name_are_one(root):
    content = coco()
    content["categories"][1]["name"] = "cup"
    copy = read(root, content)
    assert copy.summary.classes == ("cup", "plate")
    assert kinds_found(copy)["class-twice"] == 1
    assert copy.summary.splits["train"].class_counts == (10, 0)


REFUSED = {
    "boxes of corners": (
        lambda c: [a.update(bbox=[70, 50, 90, 60]) for a in c["annotations"]],
        None,
    ),
    "most boxes outside": (
        lambda c: [a.update(bbox=[500, 5, 9, 9]) for a in c["annotations"][:4]],
        r"4 boxes outside their pictures among its 10 objects \(10, 11, 20, ...\)",
    ),
    "most pictures unknown": (
        lambda c: [a.update(image_id=f"x{a['id']}") for a in c["annotations"][:5]],
        "5 objects of pictures that are not listed",
    ),
    "most pictures missing": (
        lambda c: [i.update(file_name=f"no{i['id']}.png") for i in c["images"][:3]],
        r"3 of the 5 pictures .*\(no1.png, no2.png, no3.png\) are not there",
    ),
    "two names of an id": (
        lambda c: c["categories"].append(dict(id=1, name="fork")),
        "category id 1 to two names, cup and fork",
    ),
    "two pictures of an id": (
        lambda c: c["images"][1].update(id=1),
        "image id 1 to two pictures, a.png and b.png",
    ),
    "no object": (lambda c: c.update(annotations=[]), "no object in its 5 pictures"),
    "no pictures": (lambda c: c.update(images=[]), "'images' is empty"),
    "pictures as object": (lambda c: c.update(images={"a": 1}), "no list 'images'"),
    "panoptic": (
        lambda c: c.update(annotations=[dict(image_id=1, segments_info=[])]),
        "panoptic",
    ),
    "captions": (
        lambda c: c.update(annotations=[dict(image_id=1, caption="a cup")]),
        "captions, not boxes",
    ),
}


@pytest.mark.parametrize(("change", "says"), REFUSED.values(), ids=REFUSED)
def test_what_is_mostly_lost_or_open_is_refused(root, change, says):
    content = coco()
    change(content)
    if says is None:
        # Too large by far: clipped, which is told, for none of them is lost.
        assert kinds_found(read(root, content))["box-clipped"] >= 5
        return
    with pytest.raises(DataError, match=says) as raised:
        read(root, content)
    assert "\n" not in str(raised.value)


ENCODINGS = ("utf-8", "utf-8-sig", "utf-16", "utf-32", "cp1252")


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_every_encoding_is_read(root, encoding):
    content = coco()
    content["categories"][0]["name"] = "Tässchen"
    text = json.dumps(content, ensure_ascii=False)
    for split in ("train", "val"):
        (root / f"{split}.json").write_bytes(text.encode(encoding))
    assert copy_of(root).summary.classes == ("Tässchen", "plate")


def test_several_files_of_a_split_are_joined(root):
    cups, plates = coco(), coco()
    for content, label in ((cups, 1), (plates, 2)):
        content["annotations"] = [
            a for a in content["annotations"] if a["category_id"] == label
        ]
        content["categories"] = [c for c in content["categories"] if c["id"] == label]
    # Each tool numbers from 1.
    plates["categories"][0]["id"] = 1
    for annotation in plates["annotations"]:
        annotation["category_id"] = 1
    (root / "train_cups.json").write_text(json.dumps(cups))
    (root / "train_plates.json").write_text(json.dumps(plates))
    (root / "val.json").write_text(json.dumps(coco()))
    copy = copy_of(root)
    assert copy.summary.splits["train"].pictures == 5
    assert objects_by_picture(copy) == objects_by_picture(copy, "val")


def test_files_of_other_tasks_are_passed_over(root):
    write(root, coco())
    others = dict(images=coco()["images"], annotations=[dict(image_id=1, caption="x")])
    (root / "captions_train.json").write_text(json.dumps(others))
    (root / "person_keypoints_val.json").write_text(json.dumps(coco()))
    (root / "results.json").write_text(
        json.dumps([dict(image_id=1, bbox=[1, 2, 3, 4])])
    )
    copy = copy_of(root)
    assert copy.summary.splits["train"].objects == 10
    assert copy.findings.lines() == []


def test_a_turned_photo_whose_boxes_were_drawn_before_is_turned_with_them(tmp_path):
    root = tmp_path / "data"
    for orientation in range(1, 9):
        tag = Image.Exif()
        tag[0x0112] = orientation
        (root / "train").mkdir(parents=True, exist_ok=True)
        pixels = Image.new("RGB", (96, 64))
        pixels.paste((255, 255, 255), (70, 4, 90, 14))
        pixels.save(
            root / "train" / f"{orientation}.jpg", exif=tag.tobytes(), quality=95
        )
    write_picture(root / "val" / "a.png")
    names = [f"{i}.jpg" for i in range(1, 9)]
    content = coco(names, objects=1)
    for annotation in content["annotations"]:
        annotation.update(bbox=[70, 4, 20, 10], segmentation=[[70, 4, 90, 4, 90, 14]])
    (root / "train.json").write_text(json.dumps(content))
    (root / "val.json").write_text(json.dumps(coco(["a.png"])))
    copy = copy_of(root)
    assert kinds_found(copy) == {"boxes-turned": 4}
    for image, annotation in zip(
        content_of(copy)["images"], content_of(copy)["annotations"], strict=True
    ):
        pixels = cv2.imread(str(root / "train" / image["file_name"]))
        assert pixels.shape[:2] == (image["height"], image["width"])
        x, y, w, h = map(int, annotation["bbox"])
        if image["file_name"] in ("2.jpg", "3.jpg", "4.jpg"):
            continue  # Not on its side: nothing shows when the box was drawn.
        assert pixels[y : y + h, x : x + w].mean() > 240
        assert {*annotation["segmentation"][0][0::2]} <= {x, x + w}
        assert {*annotation["segmentation"][0][1::2]} <= {y, y + h}


# Boxes that lie in a photo only before it is turned upright, only after, or in both.
BEFORE, AFTER, BOTH = [70, 4, 20, 10], [4, 70, 10, 20], [4, 5, 20, 10]


@pytest.mark.parametrize(
    ("boxes", "turned"),
    [
        ([BOTH, BOTH, BOTH], 3),  # the stated size alone speaks
        ([BOTH, AFTER, AFTER], 0),
        ([BOTH, BEFORE, BEFORE], 3),
        ([AFTER, AFTER, BEFORE], 1),  # each as it shows
        ([BOTH, AFTER, BEFORE], 2),
    ],
)
def test_most_turned_photos_speak_for_those_whose_boxes_fit_both_ways(
    tmp_path, boxes, turned
):
    """Catches a decision picture by picture: one data set in two frames."""
    root = tmp_path / "data"
    tag = Image.Exif()
    tag[0x0112] = 6
    (root / "train").mkdir(parents=True)
    names = [f"{index}.jpg" for index in range(len(boxes))]
    for name in names:
        Image.new("RGB", (96, 64)).save(root / "train" / name, exif=tag.tobytes())
    write_picture(root / "val" / "a.png")
    content = coco(names, objects=1)
    for annotation, box in zip(content["annotations"], boxes, strict=True):
        annotation["bbox"] = box
    (root / "train.json").write_text(json.dumps(content))
    (root / "val.json").write_text(json.dumps(coco(["a.png"])))
    found = kinds_found(copy_of(root))
    expected = {"boxes-turned": turned, "picture-turned": len(boxes) - turned}
    assert found == {kind: count for kind, count in expected.items() if count}


@pytest.mark.parametrize("folder", ["annotations", "labels of mine", ""])
def test_one_annotation_file_finds_its_pictures_beside_its_folder(tmp_path, folder):
    root = tmp_path / "data"
    write_pictures(root / "train2017", *(f"{c}.png" for c in "abcde"))
    file = root / folder / "instances_train2017.json"
    file.parent.mkdir(exist_ok=True)
    file.write_text(json.dumps(coco()))
    (file.parent / "instances_val2017.json").write_text("not this one")
    copy = copy_of(file)
    assert set(kinds_found(copy)) <= {"split-made", "split-cut"}
    pictures = sum(copy.summary.splits[split].pictures for split in ("train", "val"))
    assert pictures == 5


@pytest.mark.parametrize("listed", [True, False])
def test_ids_that_pandas_made_floats_are_whole_numbers(root, listed):
    content = coco()
    for image in content["images"]:
        image["id"] = float(image["id"])
    for annotation in content["annotations"]:
        for key in ("id", "image_id", "category_id"):
            annotation[key] = float(annotation[key])
    for category in content["categories"]:
        category["id"] = float(category["id"])
    if not listed:
        del content["categories"]
        write(write(root, content), content, "val")
        found = copy_of(root)
        assert found.summary.classes == ("1", "2")
        assert found.summary.splits["train"].objects == 10
        return
    copy = read(root, content)
    expected = read(root, coco())
    assert objects_by_picture(copy) == objects_by_picture(expected)
    assert kinds_found(copy) == {}
    origins = origins_for(copy.summary.splits["train"].file)
    assert str(origins.classes) == "(1, 2)"
    assert str(origins.pictures) == "(1, 2, 3, 4, 5)"


def test_test_pictures_with_an_empty_list_of_objects_are_unlabelled(root):
    write_pictures(root / "test", *(f"{c}.png" for c in "abcde"))
    write(write(root, coco()), {**coco(), "annotations": []}, "test")
    summary = copy_of(root, training=False).summary
    assert not summary.splits["test"].is_labelled
    assert summary.splits["val"].is_labelled
    write(root, {**coco(), "annotations": []}, "val")
    with pytest.raises(DataError, match=r"val\.json has no object"):
        copy_of(root, training=False)
