"""``ghostnet check`` as a user runs it."""

import json

import pytest
from support.running_tools import run, run_here
from support.tiny_coco import annotation_file, make_tiny_coco


@pytest.fixture(autouse=True)
def cache(tmp_path_factory, monkeypatch):
    monkeypatch.setenv("GHOSTNET_MM_CACHE", str(tmp_path_factory.mktemp("cache")))


@pytest.fixture
def root(tmp_path):
    return make_tiny_coco(tmp_path / "data", 10)


def test_the_command_tells_and_writes_all_of_it(root, tmp_path):
    (root / "train2017" / "0003.png").write_bytes(b"no picture")
    files = ("--json", "check.json", "--html", "check.html")
    done = run("check", root, *files, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "left out: 1 picture that cannot be read" in done.stdout
    assert "warning: 2 classes have fewer than 10 boxes to learn from" in done.stdout
    assert "Look at 2 kinds of finding before training." in done.stdout
    content = json.loads((tmp_path / "check.json").read_text())
    assert content["splits"]["train"]["pictures"] == 9
    assert content["classes"][0]["objects"] == {"train": 9, "val": 10}
    assert "<h2>Classes</h2>" in (tmp_path / "check.html").read_text()
    # What was left out is something to look at.
    assert run_here("check", root, "--strict", cwd=tmp_path).returncode == 1


def test_a_config_is_held_against_the_data(root, tmp_path):
    config = ("--config", "gfl_ghostnet-nano_coco")
    done = run_here("check", root, *config, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "against gfl_ghostnet-nano_coco" in done.stdout
    # Pictures of 96 x 64 become 320 x 320 for the network.
    assert "320 x 320" in done.stdout
    options = ("--cfg-options", "test_dataloader.dataset.pipeline.1.scale=(64,64)")
    done = run_here("check", root, *config, *options, cwd=tmp_path)
    assert "train: 320 x 320; test: 64 x 64" in done.stdout
    assert done.returncode == 0, done.stderr


def test_data_without_a_fault_passes_the_strict_check(root, tmp_path):
    done = run_here("check", root, "--strict", cwd=tmp_path)
    assert done.returncode == 0, done.stdout
    assert "Nothing here needs mending." in done.stdout


def test_data_that_cannot_be_used_is_one_sentence(root, tmp_path):
    annotation_file(root).write_text("{")
    done = run_here("check", root, cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr.startswith("error: The annotation file ")
    assert run_here("check", tmp_path / "no", cwd=tmp_path).returncode == 2


def test_a_file_that_cannot_be_written_is_told_before_the_work(root, tmp_path):
    done = run_here("check", root, "--html", "no/check.html", cwd=tmp_path)
    assert done.returncode == 2
    assert "The folder of no/check.html does not exist" in done.stderr
    assert "pictures" not in done.stdout
