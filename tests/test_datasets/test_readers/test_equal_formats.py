"""The same data in every format is the same clean copy, and the same training."""

import json
from pathlib import Path

import pytest
import torch
from support.clean_copies import copy_of, objects_by_picture
from support.format_writers import FORMATS, read, write_as
from support.running_tools import TINY, run_here
from support.tiny_coco import edit_annotations, make_tiny_coco


@pytest.fixture(scope="module")
def cards(project_root):
    folder = project_root.parent / "shared" / "small_sets" / "cards"
    if not folder.is_dir():
        pytest.skip("the small set of cards is not there")
    return folder


def clean_bytes(root, split):
    return Path(copy_of(root).summary.splits[split].file).read_bytes()


@pytest.mark.parametrize("form", FORMATS)
def test_cards_are_the_same_clean_copy_in_every_format(cards, tmp_path, form):
    folder = write_as(form, read(cards), tmp_path / "cards")
    for split in ("train", "val"):
        assert clean_bytes(folder, split) == clean_bytes(cards, split)
    copy = copy_of(folder)
    assert not copy.findings.lines(("left out", "repaired")), copy.findings.lines()


def with_polygons(root):
    def change(content):
        for annotation in content["annotations"]:
            x, y, w, h = annotation["bbox"]
            polygon = [x, y, x + w, y + h / 2, x + w / 2, y + h]
            annotation.update(segmentation=[polygon], area=w * h * 3 / 8)

    for split in ("train2017", "val2017"):
        edit_annotations(root, change, split)


@pytest.mark.parametrize("form", sorted(set(FORMATS) - {"Pascal VOC"}))
def test_masks_survive(tmp_path, form):
    root = make_tiny_coco(tmp_path / "data")
    with_polygons(root)
    folder = write_as(form, read(root), tmp_path / "written")
    expected, got = (json.loads(clean_bytes(r, "train")) for r in (root, folder))
    assert objects_by_picture(copy_of(folder)).keys() == (
        objects_by_picture(copy_of(root)).keys()
    )
    for wanted, other in zip(expected["annotations"], got["annotations"], strict=True):
        assert other["segmentation"][0] == pytest.approx(wanted["segmentation"][0])
        assert other["bbox"] == pytest.approx(wanted["bbox"])
        assert other["area"] == pytest.approx(wanted["area"], abs=2e-3)


def test_training_is_equal_to_the_last_bit(tmp_path):
    root = make_tiny_coco(tmp_path / "data")
    folder = write_as("YOLO", read(root), tmp_path / "yolo")
    states = []
    for data in (root, folder):
        home = tmp_path / data.name / "run"
        home.mkdir()
        options = ("train_cfg.max_epochs=1", "default_hooks.checkpoint.interval=1")
        done = run_here(
            "train", TINY, "--data-root", data, "--cfg-options", *options, cwd=home
        )
        assert done.returncode == 0, done.stderr
        (checkpoint,) = home.rglob("epoch_1.pth")
        states.append(torch.load(checkpoint, weights_only=False)["state_dict"])
    for name, tensor in states[0].items():
        assert torch.equal(tensor, states[1][name]), name
