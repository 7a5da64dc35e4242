"""Splits for sets that have none: repeatable, fair to classes, without leaks."""

import json
import random
import shutil

import cv2
import numpy as np
import pytest
from support.clean_copies import content_of, copy_of, kinds_found
from support.tiny_coco import annotation_file, make_tiny_coco

from ghostnet_mm.datasets.splitting.groups import groups_of
from ghostnet_mm.datasets.splitting.holding_out import chosen_groups
from ghostnet_mm.datasets.splitting.near_duplicates import (
    near_pairs,
    perceptual_hash,
    perceptual_hashes,
)


def names_in(copy, split):
    return {image["file_name"] for image in content_of(copy, split)["images"]}


@pytest.fixture
def unsplit(tmp_path):
    root = make_tiny_coco(tmp_path / "data", 20)
    shutil.rmtree(root / "val2017")
    annotation_file(root, "val2017").unlink()
    (root / "train2017").rename(root / "images")
    annotation_file(root).rename(root / "all.json")
    (root / "annotations").rmdir()
    return root


def test_a_fifth_is_held_out_and_told(unsplit):
    copy = copy_of(unsplit)
    train, val = names_in(copy, "train"), names_in(copy, "val")
    assert (len(train), len(val)) == (16, 4)
    assert not train & val
    assert kinds_found(copy) == {"split-made": 4}
    for split in ("train", "val"):
        assert min(copy.summary.splits[split].class_counts) > 0
    (line,) = copy.findings.lines()
    assert "4 pictures held out for validation" in line


def test_it_is_the_same_on_every_machine(unsplit, tmp_path, monkeypatch):
    first = names_in(copy_of(unsplit), "val")
    monkeypatch.setenv("GHOSTNET_MM_CACHE", str(tmp_path / "another"))
    moved = shutil.copytree(unsplit, tmp_path / "elsewhere" / "set")
    assert names_in(copy_of(moved), "val") == first


def test_testing_holds_out_the_same_pictures(unsplit):
    assert names_in(copy_of(unsplit), "val") == names_in(
        copy_of(unsplit, training=False), "val"
    )


def test_new_pictures_move_no_other(unsplit):
    before = copy_of(unsplit)
    content = json.loads((unsplit / "all.json").read_text())
    generator = np.random.default_rng(5)
    for index in range(20):
        name = f"0000_{index}.png"
        pixels = generator.integers(0, 255, (64, 96, 3), dtype=np.uint8)
        cv2.imwrite(str(unsplit / "images" / name), pixels)
        image = dict(id=100 + index, file_name=name, width=96, height=64)
        content["images"].append(image)
        for annotation in content["annotations"][:2]:
            content["annotations"].append(dict(annotation, image_id=100 + index))
    (unsplit / "all.json").write_text(json.dumps(content))
    after = copy_of(unsplit)
    for split in ("train", "val"):
        assert names_in(before, split) <= names_in(after, split)
    assert len(names_in(after, "val")) == 8


def test_a_training_split_alone_is_divided(tmp_path):
    root = make_tiny_coco(tmp_path / "data", 10)
    annotation_file(root, "val2017").unlink()
    splits = copy_of(root).summary.splits
    assert (splits["train"].pictures, splits["val"].pictures) == (8, 2)


def test_one_picture_is_trained_and_validated_on(tmp_path):
    root = make_tiny_coco(tmp_path / "data", 1)
    annotation_file(root, "val2017").unlink()
    copy = copy_of(root)
    assert names_in(copy, "train") == names_in(copy, "val") == {"0000.png"}
    assert kinds_found(copy) == {"split-same": 1}


def test_two_pictures_are_one_and_one(tmp_path):
    root = make_tiny_coco(tmp_path / "data", 2)
    annotation_file(root, "val2017").unlink()
    copy = copy_of(root)
    assert len(names_in(copy, "train")) == len(names_in(copy, "val")) == 1


def test_a_whole_set_beside_a_validation_split_is_for_training(tmp_path):
    root = make_tiny_coco(tmp_path / "data")
    annotation_file(root).rename(root / "annotations" / "instances.json")
    copy = copy_of(root)
    assert [copy.summary.splits[s].pictures for s in ("train", "val")] == [4, 4]


def test_near_duplicates_stay_together(unsplit):
    # Copies of every picture in another size and quality, under names far apart.
    content = json.loads((unsplit / "all.json").read_text())
    for image in list(content["images"]):
        pixels = cv2.imread(str(unsplit / "images" / image["file_name"]))
        name = f"copy-{image['file_name']}".replace(".png", ".jpg")
        small = cv2.resize(pixels, (72, 48), interpolation=cv2.INTER_AREA)
        cv2.imwrite(str(unsplit / "images" / name), small, [1, 80])
        twin = dict(id=500 + image["id"], file_name=name, width=72, height=48)
        content["images"].append(twin)
        for annotation in list(content["annotations"]):
            if annotation["image_id"] == image["id"]:
                box = [v * 0.75 for v in annotation["bbox"]]
                content["annotations"].append(
                    dict(annotation, image_id=twin["id"], bbox=box, area=0)
                )
    (unsplit / "all.json").write_text(json.dumps(content))
    copy = copy_of(unsplit)
    for split in ("train", "val"):
        stems = [name.removeprefix("copy-")[:4] for name in names_in(copy, split)]
        assert all(stems.count(stem) == 2 for stem in stems)


def test_a_hash_survives_size_and_quality_and_nothing_else(tmp_path):
    generator = np.random.default_rng(0)
    scenes = []
    for index in range(12):
        coarse = generator.integers(0, 255, (6, 8, 3), dtype=np.uint8)
        pixels = cv2.resize(coarse, (320, 240), interpolation=cv2.INTER_CUBIC)
        for name, change in (
            ("a.png", pixels),
            ("b.jpg", cv2.resize(pixels, (200, 150))),
        ):
            path = tmp_path / f"{index}-{name}"
            cv2.imwrite(str(path), change, [1, 60] if name == "b.jpg" else [])
            scenes.append(str(path))
    (tmp_path / "broken.jpg").write_bytes(b"\xff\xd8\xff")
    hashes = [*perceptual_hashes(scenes), perceptual_hash(tmp_path / "broken.jpg")]
    assert hashes[-1] is None
    assert near_pairs(hashes) == [(2 * i, 2 * i + 1) for i in range(12)]


def test_pairs_are_found_across_blocks(monkeypatch):
    generator = random.Random(0)
    hashes = [generator.getrandbits(64) for _ in range(1500)]
    expected = []
    for first, second in ((0, 1499), (3, 600), (511, 512)):
        hashes[second] = hashes[first] ^ 0b1011
        expected.append((first, second))
    assert sorted(near_pairs(hashes)) == sorted(expected)


GROUPS = {
    "versions of one photo": (
        ["a_jpg.rf.0123456789abcdef.jpg", "a_jpg.rf.fedcba9876543210.jpg", *"bc"],
        [[0, 1], [2], [3]],
    ),
    "frames of two films": (
        ["x_frame_1.jpg", "y_frame_1.jpg", "x_frame_2.jpg", "z.jpg"],
        [[0, 2], [1], [3]],
    ),
    "frames by the film's suffix": (
        ["street_mp4-1_jpg.rf.0123456789ab.jpg", "street_mp4-22.jpg", "a.jpg", "b.jpg"],
        [[0, 1], [2], [3]],
    ),
    "frames by their folder": (
        ["one/frame_1.jpg", "two/frame_1.jpg", "one/frame_2.jpg", "two/frame_2.jpg"],
        [[0, 2], [1, 3]],
    ),
    "numbered photos are no film": (
        [f"IMG_{i:04}.jpg" for i in range(4)],
        [[0], [1], [2], [3]],
    ),
}


@pytest.mark.parametrize(("names", "expected"), GROUPS.values(), ids=GROUPS)
def test_what_belongs_together(names, expected):
    groups, is_cut = groups_of(names)
    assert sorted(groups) == expected
    assert not is_cut


def test_one_long_film_is_cut_into_pieces_of_frames_in_a_row():
    names = [f"film_frame_{i}.jpg" for i in range(100)]
    groups, is_cut = groups_of(names)
    assert is_cut
    assert sorted(groups) == [list(range(10 * i, 10 * i + 10)) for i in range(10)]


def test_versions_of_a_frame_stay_together_when_a_film_is_cut():
    names = [f"film_frame_{i}_jpg.rf.{v * 8}.jpg" for i in range(55) for v in "ab"]
    groups, is_cut = groups_of(names)
    assert is_cut
    assert all(group[i] ^ 1 in group for group in groups for i in range(len(group)))
    assert sorted(index for group in groups for index in group) == list(range(110))


def test_pictures_that_all_look_alike_are_not_one_group():
    names = [f"{i}.jpg" for i in range(10)]
    groups, is_cut = groups_of(names, [(i, i + 1) for i in range(9)])
    assert is_cut
    assert len(groups) == 10


def test_rare_classes_are_on_both_sides():
    generator = random.Random(3)
    count = 300
    labels = [[0] * generator.randint(1, 4) for _ in range(count)]
    for rare in range(1, 30):
        for index in generator.sample(range(count), generator.randint(2, 6)):
            labels[index].append(rare)
    names = [f"{i}.jpg" for i in range(count)]
    held = chosen_groups([[i] for i in range(count)], labels, names)
    assert 0.15 * count <= len(held) <= 0.4 * count
    for label in range(30):
        sides = {index in held for index in range(count) if label in labels[index]}
        assert sides == {True, False}, label


def test_groups_are_never_torn_apart():
    generator = random.Random(4)
    groups, index = [], 0
    while index < 200:
        size = generator.randint(1, 9)
        groups.append(list(range(index, index + size)))
        index += size
    labels = [[generator.randint(0, 5)] for _ in range(index)]
    held = chosen_groups(groups, labels, [f"{i}.jpg" for i in range(index)])
    assert all(len(held & set(group)) in (0, len(group)) for group in groups)
    assert 0.1 * index <= len(held) <= 0.4 * index


def test_the_only_picture_of_a_class_is_trained_on():
    labels = [[0], [0], [0], [0], [0, 1]]
    names = [f"{i}.jpg" for i in range(5)]
    assert 4 not in chosen_groups([[i] for i in range(5)], labels, names)


def test_a_broken_memory_of_splits_is_made_anew(unsplit, tmp_path, monkeypatch):
    monkeypatch.setenv("GHOSTNET_MM_CACHE", str(tmp_path / "cache"))
    first = names_in(copy_of(unsplit), "val")
    (store,) = (tmp_path / "cache" / "splits").iterdir()
    store.write_text("[1, 2")
    edit = json.loads((unsplit / "all.json").read_text())
    (unsplit / "all.json").write_text(json.dumps(edit, indent=1))
    assert names_in(copy_of(unsplit), "val") == first
