"""Finding a picture by the name that an annotation file has for it."""

import pytest

from ghostnet_mm.datasets.readers.listing import Listing
from ghostnet_mm.datasets.readers.picture_search import (
    BY_LAST_PART,
    EXACT,
    OTHER_LETTERS,
    OTHER_SUFFIX,
    PictureSearch,
)
from ghostnet_mm.datasets.readers.split_names import split_in, split_of


def search(*files):
    listing = Listing("/data")
    listing.files = {name: (1, 1) for name in files}
    return PictureSearch(listing)


def find(files, name, source="annotations/train.json", split="train"):
    (found,) = search(*files).find_all([name], source, split)
    return found and (found.name, found.how)


FOUND = {
    "in the split's folder": (["train/a.jpg"], "a.jpg", "train/a.jpg", EXACT),
    "relative to the root": (["train/a.jpg"], "train/a.jpg", "train/a.jpg", EXACT),
    "below images": (["images/train/a.jpg"], "a.jpg", "images/train/a.jpg", EXACT),
    "beside the file": (["annotations/a.jpg"], "a.jpg", "annotations/a.jpg", EXACT),
    "a dot in front": (["train/a.jpg"], "./a.jpg", "train/a.jpg", EXACT),
    "dots in front": (["train/a.jpg"], "../train/a.jpg", "train/a.jpg", EXACT),
    "windows": (["train/a.jpg"], "train\\a.jpg", "train/a.jpg", EXACT),
    "another machine": (
        ["train/a.jpg"],
        "C:\\Users\\me\\a.jpg",
        "train/a.jpg",
        BY_LAST_PART,
    ),
    "absolute": (["train/a.jpg"], "/home/me/set/a.jpg", "train/a.jpg", BY_LAST_PART),
    "an address": (["train/a b.jpg"], "https://x.org/p/a%20b.jpg", "train/a b.jpg", 0),
    "capitals": (["train/IMG_1.JPG"], "img_1.jpg", "train/IMG_1.JPG", OTHER_LETTERS),
    "composed letters": (
        ["train/Ta\u0308sse.jpg"],
        "T\u00e4sse.jpg",
        "train/Ta\u0308sse.jpg",
        OTHER_LETTERS,
    ),
    "another suffix": (["train/a.png"], "a.jpg", "train/a.png", OTHER_SUFFIX),
    "no suffix": (["train/a"], "a", "train/a", EXACT),
    "two dots": (["train/a.b.jpg"], "a.b.jpg", "train/a.b.jpg", EXACT),
    "uploaded": (["train/a.jpg"], "0123abcd-a.jpg", "train/a.jpg", EXACT),
    "the longest agreement": (
        ["x/1/a.jpg", "x/2/a.jpg"],
        "/home/2/a.jpg",
        "x/2/a.jpg",
        BY_LAST_PART,
    ),
    "the split's own": (
        ["x/val/a.jpg", "x/train/a.jpg"],
        "a.jpg",
        "x/train/a.jpg",
        EXACT,
    ),
}


@pytest.mark.parametrize(("files", "name", "place", "how"), FOUND.values(), ids=FOUND)
def test_what_is_found(files, name, place, how):
    assert find(files, name) == (place, how)


LOST = {
    "not there": (["train/b.jpg"], "a.jpg"),
    "of another split": (["val/a.jpg"], "a.jpg"),
    "of another split by suffix": (["val/a.png"], "a.jpg"),
    "two alike": (["x/1/a.jpg", "x/2/a.jpg"], "a.jpg"),
    "two by suffix": (["train/a.png", "train/a.bmp"], "a.jpg"),
    "an annotation": (["train/a.json", "train/a.txt"], "a.jpg"),
    "nothing": (["train/b.jpg"], ""),
}


@pytest.mark.parametrize(("files", "name"), LOST.values(), ids=LOST)
def test_what_is_not_found(files, name):
    assert find(files, name) is None


def test_equal_names_in_the_folder_of_another_split_are_not_taken():
    names = [f"{i:04}.png" for i in range(6)]
    files = [f"{split}2017/{name}" for split in ("train", "val") for name in names[:5]]
    found = search(*files).find_all(
        [f"images\\{name}" for name in names], "annotations/x_val2017.json", "val"
    )
    assert [f and f.name for f in found] == [f"val2017/{n}" for n in names[:5]] + [None]


def test_the_folders_in_a_name_count_more_than_where_most_pictures_are():
    files = ["left/1.jpg", "left/2.jpg", "left/3.jpg", "old/right/1.jpg"]
    names = ["left/1.jpg", "left/2.jpg", "left/3.jpg", "x/right/1.jpg"]
    found = search(*files).find_all(names, "all.json", None)
    assert [place.name for place in found] == files


def test_one_file_is_not_two_pictures():
    names = ["a/1.jpg", "b/1.jpg", "c/2.jpg", "photos/3.jpg", "d/3.jpg", "x/4.jpg"]
    names += ["y/x/4.jpg"]
    pictures = search(*(f"photos/{number}.jpg" for number in range(1, 5)))
    found = pictures.find_all(names, "all.json", None)
    kept = pictures.without_doubtful(names, found)
    # 2.jpg is claimed once, 3.jpg by its whole name, and 4.jpg by one name, twice.
    expected = [None, None, "2.jpg", "3.jpg", None, "4.jpg", "4.jpg"]
    assert [place and place.name.partition("/")[2] for place in kept] == expected


def test_where_most_pictures_are_decides_between_files_of_one_name():
    names = [f"{i}.jpg" for i in range(50)]
    files = [f"photos/shoot/{name}" for name in names]
    files += ["old/3.jpg", "old/4.jpg", "train/5.jpg"]
    found = search(*files).find_all([*names, "77.jpg"], "a.json", None)
    assert [f and f.name for f in found] == [*files[:50], None]


@pytest.mark.parametrize(
    ("name", "split"),
    [
        ("train2017", "train"),
        ("instances_Train.json", "train"),
        ("Validation", "val"),
        ("valid", "val"),
        ("my-val_set", "val"),
        ("TEST-dev", None),
        ("trainval", None),
        ("training_images", "train"),
        ("latest", None),
        ("interval", None),
        ("train_and_val", None),
        ("", None),
    ],
)
def test_the_split_that_a_name_means(name, split):
    assert split_in(name) == split


def test_the_last_part_that_names_a_split_counts():
    assert split_of("train/val/x") == "val"
    assert split_of("val/images/a") == "val"
    assert split_of("a/b") is None
