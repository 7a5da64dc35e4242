"""The digit crops: nothing of the validation side is seen in pretraining."""

import json

import cv2
import numpy as np
import pytest

from ghostnet_mm.datasets.digits.crops import (
    LARGEST_SIDE,
    crop_window,
    make_digit_crops,
)
from ghostnet_mm.datasets.digits.dataset import CLASSES, make_digits_dataset
from ghostnet_mm.datasets.digits.scenes import SPLITS, TRAIN_HANDWRITING
from ghostnet_mm.errors import DataError, OptionError


@pytest.fixture(scope="module")
def digits(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data") / "digits"
    return make_digits_dataset(folder, num_train=30, num_val=10)


@pytest.fixture(scope="module")
def crops(digits, tmp_path_factory):
    return make_digit_crops(digits, tmp_path_factory.mktemp("out") / "crops")


def annotations_of(digits, split):
    file = digits / "annotations" / f"instances_{split}2017.json"
    return {
        annotation["id"]: annotation
        for annotation in json.loads(file.read_text())["annotations"]
    }


def files_of(crops, split):
    return sorted((crops / split).glob("*/*.png"))


def origin(file):
    image_id, annotation_id, _ = file.stem.split("_")
    return int(image_id), int(annotation_id)


@pytest.mark.parametrize("split", SPLITS)
def test_every_digit_lies_in_the_folder_of_its_class(digits, crops, split):
    annotations = annotations_of(digits, split)
    files = files_of(crops, split)
    assert sorted(folder.name for folder in (crops / split).iterdir()) == list(CLASSES)
    assert sorted(origin(file)[1] for file in files) == sorted(annotations)
    for file in files:
        image_id, annotation_id = origin(file)
        annotation = annotations[annotation_id]
        assert annotation["image_id"] == image_id
        assert CLASSES[annotation["category_id"] - 1] == file.parent.name


def test_no_handwriting_and_no_picture_is_in_both_splits(digits, crops):
    seen = {}
    for split in SPLITS:
        annotations = annotations_of(digits, split)
        origins = [origin(file) for file in files_of(crops, split)]
        # Ids of annotations are counted anew in each split: a crop cut from the other
        # split's picture shows in its pixels, below.
        writing = {annotations[annotation]["sample_index"] for _, annotation in origins}
        seen[split] = writing, {image for image, _ in origins}
    assert max(seen["train"][0]) < TRAIN_HANDWRITING <= min(seen["val"][0])
    assert not seen["train"][1] & seen["val"][1]


@pytest.mark.parametrize("split", SPLITS)
def test_a_crop_is_a_part_of_its_own_splits_picture_with_the_digit_inside(
    digits, crops, split
):
    annotations = annotations_of(digits, split)
    places = []
    for file in files_of(crops, split):
        crop = cv2.imread(str(file))
        side = crop.shape[0]
        assert crop.shape == (side, side, 3)
        assert side <= LARGEST_SIDE
        if side == LARGEST_SIDE:
            continue  # may have been reduced
        image_id, annotation_id = origin(file)
        picture = cv2.imread(str(digits / f"{split}2017" / f"{image_id:012d}.jpg"))
        # OpenCV compares by Fourier transforms, which leave a rounding error.
        left, top = cv2.minMaxLoc(cv2.matchTemplate(picture, crop, cv2.TM_SQDIFF))[2]
        part = picture[top : top + side, left : left + side]
        np.testing.assert_array_equal(part, crop)
        x, y, w, h = annotations[annotation_id]["bbox"]
        assert left <= x
        assert x + w <= left + side
        assert top <= y
        assert y + h <= top + side
        places.append((x - left, y - top))
    assert len(set(places)) > len(places) / 2


def test_windows_stay_inside_any_picture():
    rng = np.random.default_rng(0)
    for box in ([0, 0, 3, 3], [250, 250, 6, 6], [10, 0, 40, 256], [0, 100, 100, 99.5]):
        for _ in range(50):
            x, y, side = crop_window(rng, box, 256, 256)
            assert min(x, y) >= 0
            assert max(x, y) + side <= 256
            assert side >= min(256, max(box[2], box[3]))


def test_the_seed_decides(digits, crops, tmp_path):
    def content(folder):
        return {
            str(file.relative_to(folder)): file.read_bytes()
            for split in SPLITS
            for file in files_of(folder, split)
        }

    again = make_digit_crops(digits, tmp_path / "again")
    assert content(again) == content(crops)
    twice = make_digit_crops(digits, tmp_path / "twice", crops_per_digit=2)
    more = content(twice)
    assert len(more) == 2 * len(content(crops))
    # More crops leave the first one of each digit as it was.
    assert content(crops).items() <= more.items()
    other = content(make_digit_crops(digits, tmp_path / "other", seed=1))
    assert other.keys() == content(crops).keys()
    assert other != content(crops)


def test_a_complete_folder_is_reused_and_another_refused(digits, crops, tmp_path):
    before = (crops / "train").stat().st_mtime_ns
    assert make_digit_crops(digits, crops) == crops
    assert (crops / "train").stat().st_mtime_ns == before
    with pytest.raises(DataError, match="other settings"):
        make_digit_crops(digits, crops, seed=1)
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "a.jpg").touch()
    with pytest.raises(DataError, match="not digit crops"):
        make_digit_crops(digits, tmp_path / "photos")
    with pytest.raises(DataError, match="is not the digits dataset"):
        make_digit_crops(tmp_path, tmp_path / "crops")
    with pytest.raises(OptionError, match="crops_per_digit"):
        make_digit_crops(digits, tmp_path / "crops", crops_per_digit=0)
    assert not list(tmp_path.glob(".crops*"))
    assert not (tmp_path / "crops").exists()
