"""Converting a folder: nothing of it is left behind."""

import json

import pytest
from support.coco_folders import CLASSES, coco_content

from ghostnet_mm.datasets.writers.converting import convert


@pytest.fixture(autouse=True)
def cache(tmp_path_factory, monkeypatch):
    monkeypatch.setenv("GHOSTNET_MM_CACHE", str(tmp_path_factory.mktemp("cache")))


def converted(root, out):
    convert([root], out, "coco")
    files = [path for path in out.rglob("*.json") if "images" in path.read_text()]
    return {
        path.stem.split("_")[-1].removesuffix("2017"): json.loads(path.read_text())
        for path in files
    }


def test_every_split_and_class_is_converted(make_coco_folder, tmp_path_factory):
    content = coco_content(["1.jpg", "2.jpg"], ("cat", "fish"))
    root = make_coco_folder(
        train=("train.json", "train"),
        val=("val.json", "val"),
        test=("test.json", "test", content),
    )
    found = converted(root, tmp_path_factory.mktemp("out") / "new")
    assert set(found) == {"train", "val", "test"}
    names = [category["name"] for category in found["test"]["categories"]]
    assert names == [*CLASSES, "fish"]
    assert len(found["test"]["annotations"]) == 4


def test_a_training_split_alone_is_converted(make_coco_folder, tmp_path_factory):
    root = make_coco_folder(train=("train.json", "train"))
    found = converted(root, tmp_path_factory.mktemp("out") / "new")
    assert set(found) == {"train", "val"}
