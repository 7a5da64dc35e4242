"""Pictures that vanish or turn out damaged while a run is under way."""

import json

import pytest
from support.running_tools import TINY, run_here
from support.tiny_coco import edit_annotations, make_tiny_coco

from ghostnet_mm.datasets.loading.lost_pictures import (
    MOST_IN_A_ROW,
    LostPictures,
    SparingPipeline,
    why_lost,
)
from ghostnet_mm.engine.hooks import unreadable_pictures
from ghostnet_mm.errors import DataError


def lose_later(monkeypatch, *paths):
    """Damage files when the first epoch begins: after every check."""
    original = unreadable_pictures.UnreadablePictures.before_run

    def before_run(self, runner):
        original(self, runner)
        for path in paths:
            path.write_bytes(path.read_bytes()[:60])

    monkeypatch.setattr(
        unreadable_pictures.UnreadablePictures, "before_run", before_run
    )


SHORT = ("train_cfg.max_epochs=1", "train_cfg.val_interval=1")


def test_a_run_survives_damaged_pictures_and_names_them(tmp_path, monkeypatch):
    root = make_tiny_coco(tmp_path / "data")
    # A validation picture whose boxes would count as missed.
    train, val = root / "train2017" / "0001.png", root / "val2017" / "0002.png"
    lose_later(monkeypatch, train, val)
    done = run_here(
        "train", TINY, "--data-root", root, "--cfg-options", *SHORT, cwd=tmp_path
    )
    assert done.returncode == 0, done.stderr
    assert "left out: 1 picture that cannot be read" in done.stdout
    for path in (train, val):
        assert f"{path} (damaged or not a picture)" in done.stdout
    (noted,) = tmp_path.rglob("unreadable_pictures.txt")
    assert noted.read_text().count("\n") >= 2


def test_workers_of_a_loop_without_epochs_survive_too(tmp_path, monkeypatch):
    """They start with the loop, before anything can be prepared in a hook."""
    root = make_tiny_coco(tmp_path / "data")
    lost = root / "train2017" / "0001.png"
    lose_later(monkeypatch, lost)
    loop = (
        "train_cfg._delete_=True",
        "train_cfg.type=IterBasedTrainLoop",
        "train_cfg.max_iters=6",
        "train_cfg.val_interval=6",
        "train_dataloader.sampler.type=InfiniteSampler",
        "train_dataloader.num_workers=1",
        "train_dataloader.persistent_workers=True",
        "default_hooks.checkpoint.by_epoch=False",
    )
    done = run_here(
        "train", TINY, "--data-root", root, "--cfg-options", *loop, cwd=tmp_path
    )
    assert done.returncode == 0, done.stderr
    assert f"{lost} (damaged or not a picture)" in done.stdout


def test_a_lost_test_picture_counts_nowhere(tmp_path, monkeypatch):
    root = make_tiny_coco(tmp_path / "data")
    done = run_here(
        "train", TINY, "--data-root", root, "--cfg-options", *SHORT, cwd=tmp_path
    )
    assert done.returncode == 0, done.stderr
    checkpoint = tmp_path / "work_dirs" / "tiny_detector" / "epoch_1.pth"

    def test(data, out):
        done = run_here(
            *("test", TINY, checkpoint, "--data-root", data, "--out", out),
            cwd=tmp_path,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout, json.loads((tmp_path / out).read_text())

    fewer = make_tiny_coco(tmp_path / "fewer")
    edit_annotations(fewer, lambda c: c["images"].pop(), "val2017")
    edit_annotations(
        fewer,
        lambda c: c.update(
            annotations=[a for a in c["annotations"] if a["image_id"] < 4]
        ),
        "val2017",
    )
    expected, found = test(fewer, "found.json")
    lose_later(monkeypatch, root / "val2017" / "0003.png")
    got, found_too = test(root, "found.json")
    assert found_too == found
    assert got[got.index("COCO") :] == expected[expected.index("COCO") :]


def test_most_pictures_lost_is_an_error(tmp_path, monkeypatch):
    root = make_tiny_coco(tmp_path / "data")
    lose_later(monkeypatch, *sorted((root / "train2017").iterdir())[:3])
    options = ("train_cfg.max_epochs=4", "train_cfg.val_interval=4")
    done = run_here(
        "train", TINY, "--data-root", root, "--cfg-options", *options, cwd=tmp_path
    )
    assert done.returncode == 2
    assert "3 of 4 pictures cannot be read" in done.stderr


@pytest.fixture
def info(tmp_path):
    root = make_tiny_coco(tmp_path / "data")
    path = str(root / "train2017" / "0000.png")
    return dict(img_id=7, img_path=path, height=64, width=96)


def test_why_a_picture_is_lost(info, tmp_path):
    assert why_lost(info) is None
    assert "another size" in why_lost({**info, "height": 63})
    assert why_lost({**info, "img_path": str(tmp_path / "none.png")}) == (
        "no longer there"
    )
    (tmp_path / "text.png").write_text("no picture")
    assert "damaged" in why_lost({**info, "img_path": str(tmp_path / "text.png")})


def test_a_fault_of_the_pipeline_itself_is_not_hidden(info, tmp_path):
    def pipeline(data):
        raise ZeroDivisionError

    spared = SparingPipeline(pipeline, LostPictures(tmp_path / "lost.txt"), blank=False)
    with pytest.raises(ZeroDivisionError):
        spared(info)
    assert LostPictures(tmp_path / "lost.txt").all() == {}


def test_all_pictures_gone_ends_rather_than_looking_on(info, tmp_path):
    def pipeline(data):
        raise FileNotFoundError

    gone = {**info, "img_path": str(tmp_path / "gone\n.png")}
    lost = LostPictures(tmp_path / "lost.txt")
    spared = SparingPipeline(pipeline, lost, blank=False)
    for _ in range(MOST_IN_A_ROW - 1):
        assert spared(dict(gone)) is None
    assert list(lost.all()) == [(7, gone["img_path"])]
    with pytest.raises(DataError, match="in a row cannot be read"):
        spared(dict(gone))
