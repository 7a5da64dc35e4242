"""YOLO folders: with Ultralytics' YAML and without, boxes, segments, odd lines."""

import pytest
from support.clean_copies import content_of, copy_of, kinds_found, objects_by_picture
from support.pictures import write_picture, write_pictures, write_text

from ghostnet_mm.errors import DataError

CUP = "0 0.5 0.5 0.25 0.5\n"
PLATE = "1 0.25 0.25 0.25 0.25\n"
# Of pictures of 96 x 64 pixels.
CUP_BOX, PLATE_BOX = (36, 16, 24, 32), (12, 8, 24, 16)


def yolo(root, layout="images/{split}", labels="labels/{split}", names=("a", "b")):
    for split in ("train", "val"):
        for name in names:
            write_picture(root / layout.format(split=split) / f"{name}.png")
            place = root / labels.format(split=split)
            write_text(place / f"{name}.txt", CUP + PLATE)
    return root


def data_yaml(root, text="names: [cup, plate]\n", **splits):
    splits = splits or dict(train="images/train", val="images/val")
    lines = "".join(f"{split}: {place}\n" for split, place in splits.items())
    write_text(root / "data.yaml", lines + text)
    return root


EXPECTED = {
    name: [("cup", CUP_BOX, 768, 0), ("plate", PLATE_BOX, 384, 0)]
    for name in ("a.png", "b.png")
}


def check(root, told=()):
    copy = copy_of(root)
    for split in ("train", "val"):
        assert objects_by_picture(copy, split) == EXPECTED
    assert set(kinds_found(copy)) == set(told)
    return copy


LAYOUTS = {
    "images and labels": ("images/{split}", "labels/{split}"),
    "by split": ("{split}/images", "{split}/labels"),
    "side by side": ("{split}", "{split}"),
    "labels below": ("{split}", "{split}/labels"),
    "deep": ("set/images/{split}/x", "set/labels/{split}/x"),
}


@pytest.mark.parametrize(("pictures", "labels"), LAYOUTS.values(), ids=LAYOUTS)
def test_layouts_with_a_yaml_file(tmp_path, pictures, labels):
    root = yolo(tmp_path, pictures, labels)
    places = {s: pictures.format(split=s) for s in ("train", "val")}
    check(data_yaml(root, **places))


@pytest.mark.parametrize(("pictures", "labels"), LAYOUTS.values(), ids=LAYOUTS)
def test_layouts_with_a_list_of_names_alone(tmp_path, pictures, labels):
    root = yolo(tmp_path, pictures, labels)
    write_text(root / "classes.txt", "cup\nplate\n\n")
    check(root)


def test_without_any_names_classes_are_numbers(tmp_path):
    copy = copy_of(yolo(tmp_path))
    assert copy.summary.classes == ("0", "1")


PLACES = {
    "relative to the file": "images/{split}",
    "with a dot": "./images/{split}",
    "roboflow's": "../images/{split}",
    "absolute": "{root}/images/{split}",
    "a list of one": "[images/{split}]",
    "a pattern": "images/{split}/*.png",
    "with blanks": "  images/{split}  ",
}


@pytest.mark.parametrize("place", PLACES.values(), ids=PLACES)
def test_the_places_of_a_yaml_file(tmp_path, place):
    root = yolo(tmp_path / "my data")
    places = {s: place.format(split=s, root=root) for s in ("train", "val")}
    check(data_yaml(root, **places))


ELSEWHERE = ("/content/set/images/{split}", "C:\\data\\images\\{split}")


@pytest.mark.parametrize("place", ELSEWHERE)
def test_paths_of_another_machine_are_found_and_told(tmp_path, place):
    root = yolo(tmp_path / "data")
    places = {s: place.format(split=s) for s in ("train", "val")}
    check(data_yaml(root, **places), ["path-elsewhere"])


def test_the_path_of_the_yaml_file_counts(tmp_path):
    root = yolo(tmp_path, "set/images/{split}", "set/labels/{split}")
    check(data_yaml(root, "path: set\nnames: {0: cup, 1: plate}\n"))
    check(data_yaml(root, f"path: {tmp_path}/set\nnames: {{0: cup, 1: plate}}\n"))


def test_the_yaml_file_itself_may_be_named(tmp_path):
    root = data_yaml(yolo(tmp_path))
    write_text(root / "other.yaml", "names: [fork]\ntrain: nowhere\n")
    copy = copy_of(root / "data.yaml")
    assert copy.summary.classes == ("cup", "plate")


def test_lists_of_pictures(tmp_path):
    root = yolo(tmp_path)
    for split in ("train", "val"):
        lines = [f"./images/{split}/a.png", f"/home/me/images/{split}/b.png", ""]
        write_text(root / f"{split}.txt", "\n".join(lines))
    check(data_yaml(root, train="train.txt", val="val.txt"))


def test_darknet_settings(tmp_path):
    root = yolo(tmp_path, "{split}", "{split}")
    write_text(root / "obj.names", "cup\nplate\n")
    for split in ("train", "val"):
        write_text(root / f"{split}.txt", f"{split}/a.png\n{split}/b.png\n")
    settings = "classes = 2\ntrain = data/train.txt\nvalid = data/val.txt\n"
    write_text(root / "obj.data", settings + "names = data/obj.names\nbackup = x\n")
    check(root, ["path-elsewhere"])


def test_mixed_suffixes_and_a_picture_without_labels(tmp_path):
    root = data_yaml(yolo(tmp_path))
    write_pictures(root / "images" / "train", "c.jpg", "d.JPEG", "e.webp", "f.bmp")
    write_text(root / "labels" / "train" / "c.txt", CUP)
    write_text(root / "labels" / "train" / "d.txt", "")
    copy = copy_of(root)
    split = copy.summary.splits["train"]
    assert (split.pictures, split.objects, split.empty) == (6, 5, 3)
    assert copy.findings.lines() == []


def test_segments_are_boxes_and_masks(tmp_path):
    root = data_yaml(yolo(tmp_path))
    segment = "0 0.25 0.25 0.75 0.25 0.75 0.75\n"
    write_text(root / "labels" / "train" / "a.txt", segment)
    first = content_of(copy_of(root))["annotations"][0]
    assert first["segmentation"] == [[24, 16, 72, 16, 72, 48]]
    assert (first["bbox"], first["area"]) == ([24, 16, 48, 32], 768)


def test_keypoints_behind_a_box_are_no_polygon(tmp_path):
    root = yolo(tmp_path)
    for split in ("train", "val"):
        for name in ("a", "b"):
            lines = [
                line + " 0.4 0.4 2 0.6 0.6 1" for line in (CUP + PLATE).splitlines()
            ]
            target = root / "labels" / split / f"{name}.txt"
            write_text(target, "\n".join(lines))
    check(data_yaml(root, "kpt_shape: [2, 3]\nnames: [cup, plate]\n"))


LINES = {
    "tabs and blanks": ("0\t0.5  0.5 0.25 0.5 \n" + PLATE, ()),
    "commas": ("0,0.5,0.5,0.25,0.5\n" + PLATE, ()),
    "windows line ends": (CUP.replace("\n", "\r\n") + PLATE, ()),
    "a score behind": (CUP.replace("\n", " 0.97\n") + PLATE, ()),
    "a class with a fraction": (CUP.replace("0 ", "0.0 ", 1) + PLATE, ()),
    "a class by name": (CUP.replace("0 ", "cup ", 1) + PLATE, ()),
    "a byte-order mark": ("\ufeff" + CUP + PLATE, ()),
    "a comment": ("# drawn by me\n" + CUP + PLATE, ()),
    "a word": (CUP + PLATE + "0 left 0.5 0.25 0.5\n", ["line-unusable"]),
    "too few": (CUP + PLATE + "0 0.5 0.5\n", ["line-unusable"]),
    "a line of nonsense": (CUP + PLATE + "\x00\x01\n", ["line-unusable"]),
    "an endless number": (CUP + PLATE + "0 nan 0.5 0.25 0.5\n", ["line-unusable"]),
    "an unknown class": (CUP + PLATE + "7 0.5 0.5 0.25 0.5\n", ["object-of-no-class"]),
    "a negative class": (CUP + PLATE + "-1 0.5 0.5 0.25 0.5\n", ["line-unusable"]),
    "an empty box": (CUP + PLATE + "0 0.5 0.5 0 0.5\n", ["box-empty"]),
    "a box outside": (CUP + PLATE + "0 1.5 0.5 0.1 0.5\n", ["box-outside"]),
    "the same twice": (CUP + PLATE + CUP, ["object-twice"]),
}


@pytest.mark.parametrize(("text", "told"), LINES.values(), ids=LINES)
def test_odd_lines(tmp_path, text, told):
    root = data_yaml(yolo(tmp_path))
    write_text(root / "labels" / "train" / "a.txt", text)
    check(root, told)


def test_boxes_in_pixels_are_refused(tmp_path):
    root = data_yaml(yolo(tmp_path))
    for name in ("a", "b"):
        write_text(root / "labels" / "train" / f"{name}.txt", "0 36 16 24 32\n")
    with pytest.raises(DataError, match="boxes outside their pictures"):
        copy_of(root)


def test_a_split_without_pictures_is_told(tmp_path):
    root = data_yaml(yolo(tmp_path), train="images/none", val="images/val")
    with pytest.raises(DataError, match=r"data\.yaml:train has no pictures"):
        copy_of(root)


def test_names_of_classes_may_have_gaps_and_repeat(tmp_path):
    root = data_yaml(yolo(tmp_path), "names: {0: cup, 1: plate, 5: cup, 9: 3}\n")
    copy = copy_of(root)
    assert copy.summary.classes == ("cup", "plate", "3")


@pytest.mark.parametrize(
    "text",
    ["names: [cup, plate", "- a\n- b\n", "names: 7\n", "&a [*a]", "names: {x: y}"],
)
def test_odd_yaml_files_do_not_stop_the_look_at_the_folder(tmp_path, text):
    root = yolo(tmp_path)
    write_text(root / "data.yaml", text)
    assert copy_of(root).summary.classes == ("0", "1")
