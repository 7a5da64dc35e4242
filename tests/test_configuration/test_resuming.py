"""Which checkpoint of a work dir a run goes on from."""

import shutil

import pytest
import torch

from ghostnet_mm.configuration.training.resuming import find_checkpoint


@pytest.fixture
def run(tmp_path):
    folder = tmp_path / "run"
    folder.mkdir()
    for name in ("epoch_2", "epoch_9", "epoch_10", "best_coco_bbox_mAP_epoch_9"):
        torch.save(dict(weight=torch.rand(500), name=name), folder / f"{name}.pth")
    (folder / "last_checkpoint").write_text(str(folder / "epoch_10.pth"))
    return folder


def cut_off(path):
    path.write_bytes(path.read_bytes()[:-200])


def found(folder):
    result = find_checkpoint(folder)
    names = [path.rpartition("/")[2] for path in (result.newest or "", *result.damaged)]
    return names[0], names[1:]


def test_the_last_one(run):
    assert find_checkpoint(run).newest == str(run / "epoch_10.pth")
    assert found(run) == ("epoch_10.pth", [])


def test_a_cut_off_one_gives_way_to_the_one_before(run):
    """Catches an order by name, in which epoch_2 is newer than epoch_10."""
    cut_off(run / "epoch_10.pth")
    assert found(run) == ("epoch_9.pth", ["epoch_10.pth"])
    cut_off(run / "epoch_9.pth")
    assert found(run) == ("epoch_2.pth", ["epoch_10.pth", "epoch_9.pth"])
    cut_off(run / "epoch_2.pth")
    assert found(run) == ("", ["epoch_10.pth", "epoch_9.pth", "epoch_2.pth"])


def test_what_the_run_noted_comes_first(run):
    torch.save({}, run / "interrupted.pth")
    (run / "last_checkpoint").write_text("somewhere/run/interrupted.pth\n")
    assert found(run) == ("interrupted.pth", [])
    cut_off(run / "interrupted.pth")
    assert found(run) == ("epoch_10.pth", ["interrupted.pth"])


@pytest.mark.parametrize("note", [None, "", "elsewhere/epoch_11.pth", b"\xff\xfe"])
def test_a_note_that_is_no_help(run, note):
    (run / "last_checkpoint").unlink()
    if isinstance(note, bytes):
        (run / "last_checkpoint").write_bytes(note)
    elif note is not None:
        (run / "last_checkpoint").write_text(note)
    assert found(run) == ("epoch_10.pth", [])


def test_a_moved_work_dir(run, tmp_path):
    moved = tmp_path / "elsewhere" / "kept"
    shutil.copytree(run, moved)
    shutil.rmtree(run)
    assert find_checkpoint(moved).newest == str(moved / "epoch_10.pth")


def test_a_run_in_iterations(tmp_path):
    for name in ("iter_900", "iter_1000"):
        torch.save({}, tmp_path / f"{name}.pth")
    assert found(tmp_path) == ("iter_1000.pth", [])


def test_a_folder_without_any(tmp_path):
    torch.save({}, tmp_path / "weights.pth")
    assert found(tmp_path) == ("", [])
    assert found(tmp_path / "absent") == ("", [])


def test_a_file_that_was_mended_counts_again(run):
    """Catches an answer that is remembered for too long."""
    whole = (run / "epoch_10.pth").read_bytes()
    cut_off(run / "epoch_10.pth")
    assert found(run)[0] == "epoch_9.pth"
    (run / "epoch_10.pth").write_bytes(whole)
    assert found(run)[0] == "epoch_10.pth"
