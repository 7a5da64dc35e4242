"""An outdated checkpoint goes when the one that takes its place is on the disk."""

import pytest
from mmengine.fileio import LocalBackend
from mmengine.runner import runner as mmengine_runner
from support.trained_line import SCORE, Script, train_line

from ghostnet_mm.checkpoints.whole_files import is_whole
from ghostnet_mm.engine.hooks.whole_checkpoints import WholeCheckpoints
from ghostnet_mm.errors import CheckpointError

ONE_OF_EACH = dict(
    type="WholeCheckpoints", interval=1, max_keep_ckpts=1, save_best=SCORE
)


def names(folder):
    return sorted(file.name for file in folder.glob("*.pth"))


def test_one_last_and_one_best_are_left(tmp_path):
    train_line(
        tmp_path,
        epochs=4,
        script=Script([0.1, 0.3, 0.2, 0.2]),
        default_hooks=dict(checkpoint=ONE_OF_EACH),
    )
    assert names(tmp_path) == ["best_coco_bbox_mAP_epoch_2.pth", "epoch_4.pth"]
    last = (tmp_path / "last_checkpoint").read_text()
    assert last == str(tmp_path / "epoch_4.pth")
    assert not list(tmp_path.glob(".unfinished*"))


@pytest.mark.parametrize(
    ("failing", "left"),
    [
        ("epoch_3.pth", ["best_coco_bbox_mAP_epoch_2.pth", "epoch_2.pth"]),
        (
            "best_coco_bbox_mAP_epoch_3.pth",
            ["best_coco_bbox_mAP_epoch_2.pth", "epoch_3.pth"],
        ),
    ],
)
def test_one_that_cannot_be_written_takes_no_other_with_it(
    tmp_path, monkeypatch, failing, left
):
    """Catches mmengine's order: it removes first, and writes then."""
    save = mmengine_runner.save_checkpoint

    def full_disk(checkpoint, filename, *args, **kwargs):
        if filename.endswith(failing):
            raise CheckpointError("The disk is full.")
        save(checkpoint, filename, *args, **kwargs)

    monkeypatch.setattr(mmengine_runner, "save_checkpoint", full_disk)
    with pytest.raises(CheckpointError):
        train_line(
            tmp_path,
            epochs=4,
            script=Script([0.1, 0.2, 0.3, 0.4]),
            default_hooks=dict(checkpoint=ONE_OF_EACH),
        )
    assert names(tmp_path) == left
    assert all(is_whole(tmp_path / name) for name in left)


def test_a_best_one_written_again_under_its_name_stays(tmp_path):
    """Catches a removal afterwards that takes the new file for the old one.

    After a kill in the validation of the second epoch, that epoch's best checkpoint
    may be there already when the resumed run finds the best one again.
    """
    settings = dict(default_hooks=dict(checkpoint=ONE_OF_EACH))
    train_line(tmp_path, epochs=2, script=Script([0.1, 0.2]), **settings)
    best = tmp_path / "best_coco_bbox_mAP_epoch_2.pth"
    hook = WholeCheckpoints(interval=1, save_best=SCORE, rule="greater")
    hook.best_ckpt_path = hook.last_ckpt = str(best)
    hook.file_backend = LocalBackend()
    with hook._removals_later():
        hook.file_backend.remove(str(best))
        hook.file_backend.remove(str(tmp_path / "epoch_2.pth"))
    assert names(tmp_path) == [best.name]
