"""The check of a data set: what it counts, what it finds, and its page."""

import dataclasses
import json
from html.parser import HTMLParser

import cv2
import numpy as np
import pytest
from mmcv.transforms import Resize
from PIL import Image

from ghostnet_mm.configuration.checking import check_user_data
from ghostnet_mm.datasets.annotations.data_set import ObjectColumns, Picture
from ghostnet_mm.datasets.checks import page
from ghostnet_mm.datasets.checks.box_sizes import (
    SAME_PLACE,
    overlaps,
    pairs_in_one_place,
)
from ghostnet_mm.datasets.checks.config_fit import Rescale, best_overlaps
from ghostnet_mm.datasets.checks.data_check import DataCheck
from ghostnet_mm.datasets.checks.duplicates import alike_groups
from ghostnet_mm.datasets.checks.examining import odd_classes
from ghostnet_mm.datasets.checks.looks import look_at
from ghostnet_mm.datasets.checks.tables import classes_table

HOSTILE = "</td><script>alert(1)</script>&\"'"


@pytest.fixture(autouse=True)
def cache(tmp_path_factory, monkeypatch):
    monkeypatch.setenv("GHOSTNET_MM_CACHE", str(tmp_path_factory.mktemp("cache")))


def scene(seed, width=160, height=120):
    """Return colored blobs that look like no other seed's."""
    rough = np.random.default_rng(seed).integers(0, 256, (6, 8, 3), dtype=np.uint8)
    return cv2.resize(rough, (width, height), interpolation=cv2.INTER_CUBIC)


def write_split(root, split, pictures, boxes, classes=("cat", "dog")):
    """Write a split in COCO's form: {name: pixels} and (picture, class, box)."""
    (root / split).mkdir(parents=True)
    images = []
    for index, (name, pixels) in enumerate(pictures.items()):
        cv2.imwrite(str(root / split / name), pixels)
        height, width = pixels.shape[:2]
        images.append(dict(id=index, file_name=name, width=width, height=height))
    annotations = [
        dict(id=i, image_id=image, category_id=label, bbox=box, iscrowd=0)
        for i, (image, label, box) in enumerate(boxes, 1)
    ]
    content = dict(
        images=images,
        annotations=annotations,
        categories=[dict(id=i, name=name) for i, name in enumerate(classes)],
    )
    (root / f"instances_{split}.json").write_text(json.dumps(content))


def found(result):
    return {(f.kind, f.place): f.count for f in result.findings}


@pytest.fixture
def odd_set(tmp_path):
    train = {f"t{i}.png": scene(i) for i in range(12)}
    boxes = [(i, 0, [20 + i, 20, 60, 50]) for i in range(12)]
    boxes += [(0, 0, [21, 20, 60, 50]), (1, 1, [21, 20, 60, 50])]  # on another
    boxes += [(2, 1, [5, 5, 3, 9]), (3, 1, [0, 0, 160, 120]), (4, 1, [5, 5, 110, 8])]
    write_split(tmp_path, "train", train, boxes)
    val = {"new.png": scene(50), "seen.jpg": cv2.resize(scene(3), (320, 240))}
    write_split(tmp_path, "val", val, [(0, 0, [9, 9, 50, 50]), (1, 0, [9, 9, 50, 50])])
    return tmp_path


def test_what_is_odd_is_found_and_nothing_else(odd_set):
    result = check_user_data([odd_set]).result
    assert found(result) == {
        ("area-missing", "instances_train.json"): 17,
        ("area-missing", "instances_val.json"): 2,
        ("box-doubled", "train"): 1,
        ("box-two-classes", "train"): 1,
        ("box-tiny", "train"): 1,
        ("box-whole", "train"): 1,
        ("box-long", "train"): 1,
        ("class-few", "train"): 1,
        ("class-unscored", "val"): 1,
        ("near-across", "val and train"): 1,
    }
    assert result.warnings == 6
    (leak,) = [f.first for f in result.findings if f.kind == "near-across"]
    assert leak == ("seen.jpg like t3.png",)
    assert [(c.name, c.objects, c.pictures) for c in result.classes] == [
        ("cat", {"train": 13, "val": 2}, 14),
        ("dog", {"train": 4, "val": 0}, 4),
    ]
    train = result.splits["train"]
    assert (train.pictures, train.empty, train.objects) == (12, 0, 17)
    assert (train.small, train.medium, train.large) == (2, 14, 1)


def test_the_result_is_read_back_as_it_was(odd_set, tmp_path):
    result = check_user_data([odd_set]).result
    result.write_json(tmp_path / "check.json")
    assert DataCheck.read(tmp_path / "check.json") == result


def test_an_unsplit_set_is_checked_as_training_will_split_it(tmp_path):
    pictures = {f"{i}.png": scene(i) for i in range(20)}
    boxes = [(i, i % 2, [20, 20, 60, 50]) for i in range(20)]
    write_split(tmp_path, "train", pictures, boxes)
    (tmp_path / "train").rename(tmp_path / "photos")
    (tmp_path / "instances_train.json").rename(tmp_path / "all.json")
    result = check_user_data([tmp_path]).result
    assert {name: s.pictures for name, s in result.splits.items()} == {
        "train": 16,
        "val": 4,
    }
    assert found(result)["split-made", ""] == 4


def test_the_source_is_not_touched(odd_set):
    before = {p: p.read_bytes() for p in odd_set.rglob("*") if p.is_file()}
    check_user_data([odd_set])
    after = {p: p.read_bytes() for p in odd_set.rglob("*") if p.is_file()}
    assert after == before


def looked(path, pixels_or_bytes, width=160, height=120):
    if isinstance(pixels_or_bytes, bytes):
        path.write_bytes(pixels_or_bytes)
    else:
        cv2.imwrite(str(path), pixels_or_bytes)
    look = look_at(Picture(path.name, str(path), width, height))
    return {k for k, v in dataclasses.asdict(look).items() if v is True}, look


def test_pictures_are_seen_as_they_are(tmp_path):
    color = scene(1)
    assert looked(tmp_path / "a.jpg", color)[0] == set()
    grey = cv2.cvtColor(color, cv2.COLOR_BGR2GRAY)
    assert looked(tmp_path / "b.png", grey)[0] == {"is_grey"}
    flat = np.full_like(color, (10, 90, 200))
    assert looked(tmp_path / "c.jpg", flat)[0] == {"is_flat"}
    assert looked(tmp_path / "c.jpg", flat)[1].fingerprint is None
    deep = grey.astype(np.uint16) * 8
    assert looked(tmp_path / "d.png", deep)[0] == {"is_grey"}


def test_a_picture_that_breaks_only_when_decoded_is_damaged(tmp_path):
    content = cv2.imencode(".png", scene(1))[1].tobytes()
    broken = bytearray(content)
    broken[200:1200] = bytes(1000)
    assert looked(tmp_path / "a.png", bytes(broken))[1].damage
    assert looked(tmp_path / "b.png", content, width=99)[1].damage
    assert not looked(tmp_path / "c.png", content)[1].damage
    (tmp_path / "c.png").unlink()
    gone = Picture("c.png", str(tmp_path / "c.png"), 160, 120)
    assert look_at(gone).damage == "No such file or directory"


def test_an_exif_tag_is_seen(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    path = tmp_path / "phone.jpg"
    Image.fromarray(scene(1)).save(path, exif=exif)
    look = look_at(Picture(path.name, str(path), 120, 160))
    assert (look.damage, look.orientation) == ("", 6)


def test_pairs_in_one_place_are_those_of_a_plain_double_loop():
    generator = np.random.default_rng(0)
    columns = ObjectColumns()
    for _ in range(300):
        box = [*generator.integers(0, 8, 2), *generator.integers(30, 36, 2)]
        columns.add(int(generator.integers(6)), 0, box, crowd=generator.random() < 0.1)
    objects = columns.finished()
    expected = set()
    for i in range(300):
        for j in range(i + 1, 300):
            if objects.crowds[i] or objects.crowds[j]:
                continue
            if objects.pictures[i] == objects.pictures[j]:
                shared = overlaps(objects.boxes[[i]], objects.boxes[[j]])[0]
                if shared >= SAME_PLACE:
                    expected.add((i, j))
    assert len(expected) > 50
    assert set(map(tuple, pairs_in_one_place(objects).tolist())) == expected


def test_thousands_of_copies_of_a_picture_are_one_group():
    places = [("train", i) for i in range(3000)] + [("val", 0)]
    groups = alike_groups(places, [7] * 3000 + [None])
    assert [len(group) for group in groups] == [3000]
    assert alike_groups(places[:2], [7, 2**40 - 1]) == []


@pytest.mark.parametrize(
    ("counts", "kinds"),
    [
        (dict(train=[20, 30], val=[1, 1]), []),
        (dict(train=[0, 30], val=[5, 1]), ["class-unlearnt"]),
        (dict(train=[0, 30], val=[0, 1]), ["class-unlearnt"]),
        (dict(train=[20, 9], val=[1, 1]), ["class-few"]),
        (dict(train=[20, 2001], val=[1, 1]), ["class-rare"]),
        (dict(train=[20, 30], val=[1, 0]), ["class-unscored"]),
        (dict(train=[20, 30]), []),
    ],
)
def test_classes_that_cannot_be_learnt_or_scored(counts, kinds):
    assert [kind for kind, _, _ in odd_classes(("a", "b"), counts)] == kinds


@pytest.mark.parametrize("keep_ratio", [True, False])
def test_sizes_after_a_resize_are_mmcvs(keep_ratio):
    step = Resize(scale=(213, 120), keep_ratio=keep_ratio)
    rescale = Rescale(213, 120, keep_ratio)
    for width, height in ((400, 300), (300, 400), (100, 30), (213, 120)):
        done = step(dict(img=np.zeros((height, width, 3), np.uint8)))
        sizes = np.array([[width, height]], float)
        ours = sizes * rescale.factors(sizes)
        assert np.abs(ours[0] - done["img"].shape[1::-1]).max() <= 1


def test_the_best_anchor_is_the_one_of_the_nearest_shape():
    sides = np.array([[10.0, 10], [20, 5], [100, 100]])
    best = best_overlaps(sides, np.array([[10.0, 10], [10, 5]]))
    assert best == pytest.approx([1, 0.5, 0.01])


class _Reader(HTMLParser):
    def __init__(self):
        super().__init__()
        self.tags, self.text = [], ""

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.text += "".join(str(value) for name, value in attrs if name == "alt")

    def handle_data(self, data):
        self.text += data


def test_hostile_names_are_text_in_the_page(tmp_path):
    name = "<img src=x onerror=alert(1)>.png"
    pictures = {name: scene(0), "b.png": scene(1)}
    boxes = [(0, 0, [5, 5, 2, 9]), (1, 0, [5, 5, 50, 50])]
    write_split(tmp_path, "train", pictures, boxes, (HOSTILE, "\u202e\x1b[31m"))
    names = (HOSTILE, "\u202e\x1b[31m")
    write_split(tmp_path, "val", {"c.png": scene(2)}, [(0, 0, [5, 5, 50, 50])], names)
    checked = check_user_data([tmp_path])
    checked.write_page(tmp_path / "check.html")
    reader = _Reader()
    reader.feed((tmp_path / "check.html").read_text(encoding="utf-8"))
    assert "script" not in reader.tags
    # Once where the tiny box is told, and as a sample.
    assert reader.tags.count("img") == 4
    assert HOSTILE in reader.text
    assert name in reader.text
    shown = classes_table(checked.result, 30).plain()
    assert "\x1b" not in shown
    assert "\u202e" not in shown


def test_a_page_is_no_larger_than_its_budget_and_says_so(odd_set, monkeypatch):
    checked = check_user_data([odd_set])
    whole = page.check_page(checked.result, checked.data, checked.suspects)
    assert "left out beyond" not in whole
    monkeypatch.setattr(page, "MOST_BYTES", 30_000)
    small = page.check_page(checked.result, checked.data, checked.suspects)
    assert "left out beyond 0.03 MB" in small
    assert 0 < small.count("data:image") < whole.count("data:image")
    assert len(small) < 60_000


def test_of_thousands_of_classes_a_table_shows_both_ends(odd_set):
    result = check_user_data([odd_set]).result
    many = tuple(
        dataclasses.replace(result.classes[0], name=f"c{i}", objects={"train": i})
        for i in range(1000)
    )
    result = dataclasses.replace(
        result, classes=many, splits={"train": result.splits["train"]}
    )
    rows = classes_table(result, 30).rows
    assert len(rows) == 30
    assert (rows[0][0], rows[-1][0]) == ("c999", "c0")
    assert "... 971 more" in {row[0] for row in rows}
