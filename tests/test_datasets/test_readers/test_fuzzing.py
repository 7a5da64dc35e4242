"""No file brings a reader to anything but a clean copy or one sentence."""

from __future__ import annotations

import json
import math
import shutil
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pycocotools import mask as coco_mask
from support.format_writers import FORMATS, read, write_as
from support.tiny_coco import edit_annotations, make_tiny_coco

from ghostnet_mm.datasets.annotations.kinds import new_findings
from ghostnet_mm.datasets.clean_copy.coco_files import write_coco_file
from ghostnet_mm.datasets.reading import ReadingOptions, list_roots, read_data_set
from ghostnet_mm.errors import DataError

QUICK, THOROUGH = 60, 4000


def bounded(examples: int):
    return settings(
        max_examples=examples,
        deadline=None,
        derandomize=examples == QUICK,
        suppress_health_check=list(HealthCheck),
    )


@pytest.fixture(scope="module")
def folders(tmp_path_factory) -> dict[str, Path]:
    """A small set in every format; its annotations are spoilt one file at a time."""
    home = tmp_path_factory.mktemp("fuzzed")
    source = make_tiny_coco(home / "source")

    def with_masks(content):
        for annotation in content["annotations"][::2]:
            x, y, w, h = annotation["bbox"]
            annotation["segmentation"] = [[x, y, x + w, y, x + w, y + h]]

    for split in ("train2017", "val2017"):
        edit_annotations(source, with_masks, split)
    return {form: write_as(form, read(source), home / form) for form in FORMATS}


def annotation_files(folder: Path) -> list[Path]:
    kinds = (".json", ".xml", ".txt", ".yaml")
    return sorted(path for path in folder.rglob("*") if path.suffix in kinds)


def read_or_refuse(folder: Path) -> None:
    """Read a folder, and hold what comes of it against all that libraries assume."""
    findings = new_findings()
    refusal = None
    try:
        data = read_data_set(list_roots([folder]), ReadingOptions(), findings)
    except DataError as error:
        refusal = str(error)
    if refusal is not None:
        assert refusal.strip()
        assert "\n" not in refusal
        return
    assert all("\n" not in line for line in findings.lines())
    json.dumps(findings.listed())
    for name, split in data.splits.items():
        target = folder.parent / f"{folder.name}-{name}.json"
        write_coco_file(target, split, data.classes)
        assert_clean(json.loads(target.read_text()))


def assert_clean(content: dict[str, Any]) -> None:
    images = {image["id"]: image for image in content["images"]}
    classes = {category["id"] for category in content["categories"]}
    names = [category["name"] for category in content["categories"]]
    assert len(set(names)) == len(names)
    assert len(images) == len(content["images"])
    for number, annotation in enumerate(content["annotations"], 1):
        image = images[annotation["image_id"]]
        x, y, w, h = annotation["bbox"]
        assert annotation["id"] == number
        assert annotation["category_id"] in classes
        assert 0 <= x <= x + w <= image["width"] + 1e-6
        assert 0 <= y <= y + h <= image["height"] + 1e-6
        assert min(w, h) >= 1
        assert 0 < annotation["area"] <= w * h * 1.02 + 1
        assert annotation["iscrowd"] in (0, 1)
        mask = annotation.get("segmentation")
        if isinstance(mask, dict):
            decoded = coco_mask.decode(mask)
            assert decoded.shape == (image["height"], image["width"])
        for polygon in mask if isinstance(mask, list) else ():
            assert len(polygon) >= 6
            assert all(math.isfinite(value) for value in polygon)
            assert 0 <= min(polygon[0::2]) <= max(polygon[0::2]) <= image["width"]
            assert 0 <= min(polygon[1::2]) <= max(polygon[1::2]) <= image["height"]


def spoilt(draw, content: bytes) -> bytes:
    """Return a file with pieces cut out, doubled, moved or replaced."""
    data = bytearray(content)
    for _ in range(draw(st.integers(1, 4))):
        start = draw(st.integers(0, len(data)))
        length = draw(st.integers(0, 40))
        piece = draw(
            st.one_of(
                st.just(b""),
                st.binary(max_size=12),
                st.sampled_from(INSERTED),
                st.just(bytes(data[start : start + length])),
            )
        )
        data[start : start + draw(st.integers(0, 12))] = piece
        if draw(st.integers(0, 9)) == 0:
            del data[start:]
    return bytes(data)


INSERTED = (
    *(b"null", b"-1", b"1e999", b"NaN", b"Infinity", b"[]", b"{}", b'""', b"true"),
    *(b"0", b"9" * 400, b"[[[[", b"]]", b"}", b'"\\ud800"', b"\x00", b"\xff\xfe"),
    *(b"<a>", b"</object>", b"&x;", b"<!DOCTYPE a>", b"\xef\xbb\xbf", b"\r", b","),
    *(b"../../../..", b"/dev/zero", b"C:\\x", b"\\u0000", b"*", b"&a [*a]", b"!!x"),
)


def fuzz(folder: Path, draw) -> None:
    path = draw(st.sampled_from(annotation_files(folder)))
    original = path.read_bytes()
    path.write_bytes(spoilt(draw, original))
    try:
        read_or_refuse(folder)
    finally:
        path.write_bytes(original)


@pytest.mark.parametrize("form", FORMATS)
def test_spoilt_bytes(folders, form):
    @bounded(QUICK)
    @given(st.data())
    def run(data):
        fuzz(folders[form], data.draw)

    run()


@pytest.mark.slow
@pytest.mark.parametrize("form", FORMATS)
def test_many_more_spoilt_bytes(folders, form):
    @bounded(THOROUGH)
    @given(st.data())
    def run(data):
        fuzz(folders[form], data.draw)

    run()


VALUES = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(),
        st.floats(),
        st.text(max_size=8),
        st.sampled_from([0, 1, -1, 2**31, 2**63, 10**400, "cup", "1", "", "a\0b"]),
    ),
    lambda inner: (
        st.lists(inner, max_size=5)
        | st.dictionaries(st.text(max_size=6), inner, max_size=4)
    ),
    max_leaves=8,
)


def replaced(draw, node: Any) -> Any:
    """Return a JSON value with one of its parts replaced by anything."""
    if not isinstance(node, dict | list) or not node or draw(st.integers(0, 7)) == 0:
        return draw(VALUES)
    if isinstance(node, dict):
        key = draw(st.sampled_from(sorted(node)))
        changed = dict(node)
        if draw(st.integers(0, 5)) == 0:
            del changed[key]
        else:
            changed[key] = replaced(draw, node[key])
        return changed
    index = draw(st.integers(0, len(node) - 1))
    return [*node[:index], replaced(draw, node[index]), *node[index + 1 :]]


JSON_FORMATS = ("COCO", "LabelMe", "VIA", "Label Studio")


def fuzz_json(folder: Path, draw) -> None:
    files = [path for path in annotation_files(folder) if path.suffix == ".json"]
    path = draw(st.sampled_from(files))
    original = path.read_bytes()
    content = json.loads(original)
    for _ in range(draw(st.integers(1, 4))):
        content = replaced(draw, content)
    path.write_text(json.dumps(content))
    try:
        read_or_refuse(folder)
    finally:
        path.write_bytes(original)


@pytest.mark.parametrize("form", JSON_FORMATS)
def test_other_values_in_json(folders, form):
    @bounded(QUICK)
    @given(st.data())
    def run(data):
        fuzz_json(folders[form], data.draw)

    run()


@pytest.mark.slow
@pytest.mark.parametrize("form", JSON_FORMATS)
def test_many_more_other_values_in_json(folders, form):
    @bounded(THOROUGH)
    @given(st.data())
    def run(data):
        fuzz_json(folders[form], data.draw)

    run()


def test_the_folders_themselves_are_read(folders):
    for folder in folders.values():
        data = read_data_set(list_roots([folder]), ReadingOptions(), new_findings())
        assert [len(split.objects) for split in data.splits.values()] == [8, 8]


def test_every_name_of_a_file_can_be_told(tmp_path):
    source = make_tiny_coco(tmp_path / "data")
    odd = source / "train2017" / "new\nline \x1b[31mred \udcff.png"
    shutil.move(source / "train2017" / "0000.png", odd)
    content = json.loads((source / "annotations/instances_train2017.json").read_text())
    content["images"][0]["file_name"] = odd.name
    content["images"][1]["file_name"] = "gone\x07\u202e.png"
    (source / "annotations/instances_train2017.json").write_text(json.dumps(content))
    findings = new_findings()
    data = read_data_set(list_roots([source]), ReadingOptions(), findings)
    assert len(data.splits["train"].pictures) == 3
    (line,) = findings.lines()
    assert line.isprintable()
    assert line.encode("utf-8")
