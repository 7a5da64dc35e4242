"""The cache of clean copies: when it holds, when it does not, and who may share it."""

import json
import os
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from support.clean_copies import content_of, copy_of, kinds_found
from support.tiny_coco import annotation_file, edit_annotations, make_tiny_coco

from ghostnet_mm.datasets import reading
from ghostnet_mm.datasets.annotations.data_set import Picture, Split
from ghostnet_mm.datasets.clean_copy import cache, copying
from ghostnet_mm.datasets.clean_copy.copying import copy_behind, split_behind
from ghostnet_mm.datasets.clean_copy.original_ids import restore_ids
from ghostnet_mm.datasets.clean_copy.summary import Origins, origins_of


@pytest.fixture
def root(tmp_path):
    return make_tiny_coco(tmp_path / "data")


@pytest.fixture
def readings(monkeypatch):
    """Count how often data is read rather than found read."""
    times = []
    original = copying.read_data_set

    def counted(*arguments):
        times.append(1)
        return original(*arguments)

    monkeypatch.setattr(copying, "read_data_set", counted)
    return times


def file_of(copy, split="train"):
    return copy.summary.splits[split].file


def test_the_same_data_is_read_once(root, readings):
    first, second = copy_of(root), copy_of(root)
    assert file_of(first) == file_of(second)
    assert len(readings) == 1
    assert first.summary == second.summary
    assert kinds_found(first) == kinds_found(second)


def touch_picture(root):
    picture = root / "train2017" / "0001.png"
    os.utime(picture, ns=(1, 1))


def replace_picture(root):
    shutil.copy(root / "train2017" / "0002.png", root / "train2017" / "0001.png")


def add_picture(root):
    shutil.copy(root / "train2017" / "0002.png", root / "train2017" / "new.png")


def same_size_other_digit(root):
    # As long as before, and with the time of before: only the bytes tell.
    file = annotation_file(root)
    before = file.stat()
    text = file.read_text()
    file.write_text(text.replace('"iscrowd": 0', '"iscrowd": 1', 1))
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))


@pytest.mark.parametrize(
    "change",
    [touch_picture, replace_picture, add_picture, same_size_other_digit],
)
def test_every_change_of_the_data_is_seen(root, readings, change):
    before = copy_of(root)
    change(root)
    assert file_of(copy_of(root)) != file_of(before)
    assert len(readings) == 2


def test_one_root_written_in_two_ways_is_one_root(root, tmp_path, monkeypatch):
    (tmp_path / "link").symlink_to(root, target_is_directory=True)
    monkeypatch.chdir(tmp_path)
    listings = reading.list_roots([root, f"{root}/", "data", "link", "data/../data"])
    assert [listing.root for listing in listings] == [root]


def test_other_ways_of_reading_are_other_copies(root, readings):
    assert file_of(copy_of(root)) != file_of(copy_of(root, crowd_as_objects=True))


def test_a_damaged_copy_is_made_anew(root, readings):
    copy = copy_of(root)
    Path(file_of(copy, "val")).unlink()
    assert content_of(copy_of(root), "val")["images"]
    Path(file_of(copy)).with_name("summary.json").write_text('{"classes": 3}')
    assert copy_of(root).summary == copy.summary
    assert len(readings) == 3


def test_a_data_folder_that_cannot_be_written_is_fine(root):
    for path in [root, *root.rglob("*")]:
        path.chmod(path.stat().st_mode & ~stat.S_IWUSR & ~stat.S_IWGRP & ~stat.S_IWOTH)
    before = sorted(root.rglob("*"))
    try:
        assert content_of(copy_of(root))["images"]
        assert sorted(root.rglob("*")) == before
    finally:
        for path in [root, *root.rglob("*")]:
            path.chmod(path.stat().st_mode | stat.S_IWUSR)


def test_a_cache_that_cannot_be_written_has_a_stand_in(root, monkeypatch, tmp_path):
    blocked = tmp_path / "blocked"
    blocked.write_text("a file, where a folder should be")
    monkeypatch.setenv("GHOSTNET_MM_CACHE", str(blocked))
    monkeypatch.setenv("XDG_CACHE_HOME", str(blocked))
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    assert Path(file_of(copy_of(root))).is_relative_to(tmp_path)


READ = """
import sys
from ghostnet_mm.datasets.clean_copy import copying
from ghostnet_mm.datasets.reading import ReadingOptions
read = copying.read_data_set
def counted(*arguments):
    print("read", flush=True)
    return read(*arguments)
copying.read_data_set = counted
copy = copying.clean_copy_of([sys.argv[1]], ReadingOptions())
print(copy.summary.splits["train"].file)
"""


def test_two_runs_at_once_share_one_copy(root, project_root, tmp_path):
    environment = {**os.environ, "GHOSTNET_MM_CACHE": str(tmp_path / "cache")}
    runs = [
        subprocess.Popen(
            [sys.executable, "-c", READ, str(root)],
            cwd=project_root,
            env=environment,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(2)
    ]
    outputs = [run.communicate(timeout=240)[0].split() for run in runs]
    assert outputs[0][-1] == outputs[1][-1]
    assert sorted(len(output) for output in outputs) == [1, 2]
    assert [run.returncode for run in runs] == [0, 0]


def test_unused_copies_go_and_others_stay(root, monkeypatch, tmp_path):
    monkeypatch.setenv("GHOSTNET_MM_CACHE", str(tmp_path / "cache"))
    kept = Path(file_of(copy_of(root))).parent
    old = kept.with_name("old")
    shutil.copytree(kept, old)
    os.utime(old, (0, 0))
    cache.forget_unused(kept.parent)
    assert not old.exists()
    assert kept.exists()


def test_a_file_that_changes_while_it_is_read_is_told(root, monkeypatch):
    original = reading.find_sources

    def changing(listing, findings):
        found = original(listing, findings)
        edit_annotations(root, lambda c: c["annotations"].pop())
        return found

    monkeypatch.setattr(reading, "find_sources", changing)
    with pytest.raises(reading.DataError, match="has changed while it was read"):
        copy_of(root)


def test_results_have_the_ids_of_the_users_file(root, tmp_path):
    def change(content):
        for image in content["images"]:
            image["id"] = f"photo-{image['id']}"
        for annotation in content["annotations"]:
            annotation["image_id"] = f"photo-{annotation['image_id']}"
            annotation["category_id"] *= 10
        for category in content["categories"]:
            category["id"] *= 10
        content["images"].reverse()

    edit_annotations(root, change, "val2017")
    file = file_of(copy_of(root), "val")
    results = tmp_path / "results.json"
    found = [dict(image_id=i, category_id=1 + i % 2, score=0.5) for i in (1, 4, 2)]
    results.write_text(json.dumps(found))
    restore_ids(results, file)
    assert json.loads(results.read_text()) == [
        dict(image_id="photo-1", category_id=20, score=0.5),
        dict(image_id="photo-4", category_id=10, score=0.5),
        dict(image_id="photo-2", category_id=10, score=0.5),
    ]
    assert split_behind(file).objects == 8
    assert copy_behind(annotation_file(root)) is None


def test_a_class_the_file_lacks_gets_no_other_classs_id(root, tmp_path):
    def only_the_second(content):
        # The file calls its only class 1, as the clean copy calls the other one.
        second = content["categories"][1]["id"]
        content["annotations"] = [
            a for a in content["annotations"] if a["category_id"] == second
        ]
        content["categories"] = content["categories"][1:]
        for entry in content["annotations"]:
            entry["category_id"] = 1
        content["categories"][0]["id"] = 1

    edit_annotations(root, only_the_second, "val2017")
    results = tmp_path / "results.json"
    found = [dict(image_id=1, category_id=label, score=0.5) for label in (1, 2)]
    results.write_text(json.dumps(found))
    restore_ids(results, file_of(copy_of(root), "val"))
    ids = [entry["category_id"] for entry in json.loads(results.read_text())]
    assert ids == [-1, 1]


def test_a_picture_without_an_id_gets_no_others():
    pictures = [Picture("a", source_id=2), Picture("b"), Picture("c"), Picture("d")]
    pictures[3].source_id = -1
    origins = origins_of(Split(pictures), ["cup"])
    assert origins == Origins((2, -2, -3, -1), (None,))
