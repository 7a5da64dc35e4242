"""Losses of the validation pictures: right, and without a trace in the training."""

import copy
import csv
import json

import numpy as np
import pytest
import torch
from mmengine.registry import HOOKS
from support.running_tools import TINY
from support.tiny_coco import make_tiny_coco

from ghostnet_mm.checkpoints import load_checkpoint_file
from ghostnet_mm.configuration import Options, prepare_run
from ghostnet_mm.engine.hooks.validation_losses import _loader
from ghostnet_mm.engine.quiet_runner import QuietRunner
from ghostnet_mm.engine.run import run_training


def prepared(data, work_dir, **options):
    settings = dict(
        data_root=str(data), work_dir=str(work_dir), backbone_weights="none", seed=0
    )
    return prepare_run(TINY, Options(**settings, **options))


def rows_of(work_dir):
    with open(work_dir / "curves.csv") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    folder = tmp_path_factory.mktemp("validated") / "photos"
    make_tiny_coco(folder)
    return folder


@pytest.fixture(scope="module")
def trained(photos, tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    # Of batches of one the mean is that of the pictures.
    ready = prepared(
        photos, folder, epochs=4, cfg_options={"val_dataloader.batch_size": 1}
    )
    ready.cfg.train_cfg.val_interval = 2
    return ready, run_training(ready.cfg, ready.model), folder


def test_curves_log_and_run_have_them(trained):
    _, run, folder = trained
    validated = [row for row in run.curves if "val_loss" in row]
    assert [row["epoch"] for row in validated] == [2, 4]
    for row in validated:
        parts = [v for k, v in row.items() if k.startswith("val_loss_")]
        assert len(parts) >= 2
        assert row["val_loss"] == pytest.approx(sum(parts), rel=1e-5)
    assert [bool(row["val_loss"]) for row in rows_of(folder)] == [False, True] * 2
    (log,) = folder.glob("*/vis_data/scalars.json")
    logged = [json.loads(line) for line in log.read_text().splitlines()]
    values = [entry["val_loss"] for entry in logged if "val_loss" in entry]
    assert values == pytest.approx([row["val_loss"] for row in validated], rel=1e-4)
    assert not any("val_loss" in name for name in run.scores)


def test_they_are_what_the_head_says_of_boxes_in_the_networks_pixels(trained, photos):
    """By hand: one picture, resized with its boxes by OpenCV and numpy alone."""
    ready, run, folder = trained
    cfg = copy.deepcopy(ready.cfg)
    runner = QuietRunner.from_cfg(cfg)
    weights = load_checkpoint_file(folder / "epoch_4.pth")["state_dict"]
    runner.model.load_state_dict(weights)
    runner.model.eval()
    total, count = 0.0, 0
    dataset = runner.build_dataloader(copy.deepcopy(cfg.val_dataloader)).dataset
    for index in range(len(dataset)):
        info = dataset.get_data_info(index)
        batch = dict(
            inputs=[dataset[index]["inputs"]],
            data_samples=[copy.deepcopy(dataset[index]["data_samples"])],
        )
        scale = batch["data_samples"][0].scale_factor
        boxes = np.array([item["bbox"] for item in info["instances"]]) * (
            *scale,
            *scale,
        )
        labels = [item["bbox_label"] for item in info["instances"]]
        truth = batch["data_samples"][0].gt_instances
        truth.bboxes.tensor = torch.tensor(boxes, dtype=torch.float32)
        assert truth.labels.tolist() == labels
        with torch.no_grad():
            data = runner.model.data_preprocessor(batch, training=True)
            loss, _ = runner.model.parse_losses(runner.model(**data, mode="loss"))
        total, count = total + float(loss), count + 1
    assert run.curves[-1]["val_loss"] == pytest.approx(total / count, rel=1e-5)


def test_the_training_is_the_same_without_them(photos, tmp_path):
    """The same random numbers, running statistics and weights."""
    weights = []
    for pictures in (0, 200):
        folder = tmp_path / str(pictures)
        ready = prepared(photos, folder, epochs=2)
        ready.cfg.train_cfg.val_interval = 1
        ready.cfg.custom_hooks = [
            *(ready.cfg.get("custom_hooks") or []),
            dict(type="ValidationLosses", pictures=pictures),
        ]
        run_training(ready.cfg)
        weights.append(load_checkpoint_file(folder / "epoch_2.pth")["state_dict"])
    assert any("running_mean" in name for name in weights[0])
    for name, value in weights[0].items():
        assert torch.equal(value, weights[1][name]), name
    assert "val_loss" in rows_of(tmp_path / "200")[0]
    assert "val_loss" not in rows_of(tmp_path / "0")[0]


def test_at_most_so_many_pictures_evenly_spaced_and_with_objects(photos, tmp_path):
    ready = prepared(photos, tmp_path)
    runner = QuietRunner.from_cfg(ready.cfg)
    everything = list(_loader(runner, 200).sampler)
    assert len(everything) == 4
    assert list(_loader(runner, 2).sampler) == [everything[0], everything[-1]]


def test_a_head_that_cannot_is_told_of_once(photos, tmp_path, capsys):
    ready = prepared(photos, tmp_path, epochs=2)
    ready.cfg.train_cfg.val_interval = 1
    runner = QuietRunner.from_cfg(ready.cfg)
    hook = HOOKS.build(dict(type="ValidationLosses"))

    def failing(runner):
        raise RuntimeError("no such thing")

    hook._losses = failing
    hook.after_val_epoch(runner, {})
    hook.after_val_epoch(runner, {})
    told = capsys.readouterr().out
    assert told.count("no losses of the validation pictures (RuntimeError)") == 1
