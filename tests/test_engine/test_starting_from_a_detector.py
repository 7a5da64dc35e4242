"""Fine-tuning and resuming where the classes are not those of the checkpoint."""

import re

import pytest
import torch
from support.running_tools import TINY, run_here
from support.tiny_coco import edit_annotations, make_tiny_coco

from ghostnet_mm.checkpoints import load_checkpoint_file

ONE_EPOCH = ("train_cfg.max_epochs=1", "default_hooks.checkpoint.interval=1")
# Weights that are seen to be those the run started with.
STAY = "optim_wrapper.optimizer.lr=0"


def train(folder, data, *options):
    return run_here(
        *("train", TINY, "--data-root", data, "--work-dir", folder, "--cfg-options"),
        *(*ONE_EPOCH, *options),
        cwd=folder.parent,
    )


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A run on cups and plates, and data with plates and two classes more."""
    folder = tmp_path_factory.mktemp("starting")
    make_tiny_coco(folder / "data")
    make_tiny_coco(folder / "other")

    def other_classes(content):
        names = ("fork", "plate", "bowl")
        content["categories"] = [
            dict(id=index + 1, name=name) for index, name in enumerate(names)
        ]

    for split in ("train2017", "val2017"):
        edit_annotations(folder / "other", other_classes, split)
    done = train(folder / "first", folder / "data")
    assert done.returncode == 0, done.stderr
    return folder


def test_rows_of_the_same_name_are_carried_over(trained, tmp_path):
    """Catches a class layer that starts anew without a word, or in the average."""
    first = trained / "first" / "epoch_1.pth"
    done = train(
        tmp_path / "run", trained / "other", f"load_from={first}", STAY, "--ema"
    )
    assert done.returncode == 0, done.stderr
    before = load_checkpoint_file(first)["state_dict"]
    (line,) = re.findall(r"^starting from .*$", done.stdout, re.MULTILINE)
    assert line == (
        f"starting from {first}: {len(before) - 2} of {len(before)} tensors taken; "
        f"bbox_head.retina_cls by name of the class: taken for plate, anew for fork, "
        f"bowl"
    )
    after = load_checkpoint_file(tmp_path / "run" / "epoch_1.pth")
    raw = after["ema_state_dict"]
    raw = {name.removeprefix("module."): value for name, value in raw.items()}
    for name in ("weight", "bias"):
        key = f"bbox_head.retina_cls.{name}"
        theirs = before[key].unflatten(0, (9, 2))
        for state in (after["state_dict"], raw):
            ours = state[key].unflatten(0, (9, 3))
            torch.testing.assert_close(ours[:, 1], theirs[:, 1])
            assert not torch.equal(ours[:, 0], theirs[:, 0])
    key = "backbone.conv_stem.weight"
    torch.testing.assert_close(after["state_dict"][key], before[key])


def test_resuming_with_other_classes_says_how_to_start_instead(trained, tmp_path):
    first = trained / "first" / "epoch_1.pth"
    done = run_here(
        *("train", TINY, "--data-root", trained / "other", "--resume", first),
        *("--work-dir", "run"),
        cwd=tmp_path,
    )
    assert done.returncode == 2
    assert "bbox_head.retina_cls.weight (18, 16, 3, 3) instead of (27, " in done.stderr
    assert (
        f"or start a new run from what fits of it with --cfg-options load_from={first} "
        f"in place of --resume."
    ) in done.stderr
    assert not (tmp_path / "run").exists()
