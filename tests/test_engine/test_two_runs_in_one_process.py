"""Two runs of a notebook, with other classes: neither writes into the other's files."""

import contextlib
import io
import json

import pytest
from mmengine.logging import MessageHub, MMLogger
from mmengine.registry import DefaultScope
from mmengine.visualization import Visualizer
from support.running_tools import TINY
from support.tiny_coco import make_tiny_coco

import ghostnet_mm  # noqa: F401
from ghostnet_mm.configuration import Options, load_config
from ghostnet_mm.engine.inference.detection import load_detector
from ghostnet_mm.engine.own_instances import own_instances
from ghostnet_mm.engine.run import run_testing, run_training

QUICK = {
    "train_cfg.max_epochs": 1,
    "train_cfg.val_interval": 1,
    "default_hooks.checkpoint.interval": 1,
}


def rename_classes(root, names):
    """Give the categories of a tiny dataset other names, and leave some out."""
    for file in (root / "annotations").glob("*.json"):
        content = json.loads(file.read_text())
        content["categories"] = [
            dict(id=number, name=name) for number, name in enumerate(names, 1)
        ]
        content["annotations"] = [
            annotation
            for annotation in content["annotations"]
            if annotation["category_id"] <= len(names)
        ]
        file.write_text(json.dumps(content))


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Two trainings and two tests of configs of one name, one after the other."""
    folder = tmp_path_factory.mktemp("runs")
    printed = {}
    for name, classes in (("first", ("cup", "plate")), ("second", ("bolt",))):
        root = make_tiny_coco(folder / name / "data")
        rename_classes(root, classes)
        options = Options(
            data_root=str(root),
            work_dir=str(folder / name / "run"),
            backbone_weights="none",
            cfg_options=QUICK,
        )
        with contextlib.redirect_stdout(io.StringIO()) as said:
            run_training(load_config(TINY, options))
            run_testing(
                load_config(TINY, options, training=False),
                folder / name / "run" / "epoch_1.pth",
            )
        printed[name] = said.getvalue()
    return folder, printed


def logs_of(run):
    return "".join(file.read_text() for file in run.rglob("*.log"))


def test_each_run_logs_into_its_own_folder(runs):
    folder, _ = runs
    for name, other in (("first", "second"), ("second", "first")):
        run = folder / name / "run"
        text = logs_of(run)
        assert str(run) in text
        assert str(folder / other / "run") not in text
        # The scalars of the training's epoch, written by the visualizer.
        scalars = [
            json.loads(line)
            for file in run.glob("*/vis_data/scalars.json")
            for line in file.read_text().splitlines()
        ]
        assert sum("coco/bbox_mAP" in entry for entry in scalars) == 1


def test_each_run_has_its_own_classes(runs):
    folder, printed = runs
    assert "plate  " in printed["first"]
    assert "bolt  " not in printed["first"]
    assert "plate  " not in printed["second"]
    assert "bolt  " in printed["second"]
    # In the other order than they were trained in.
    for name, classes in (("second", ("bolt",)), ("first", ("cup", "plate"))):
        detector = load_detector(folder / name / "run" / "epoch_1.pth", device="cpu")
        assert detector.class_names == classes
        assert detector.model.bbox_head.num_classes == len(classes)


def test_what_was_there_before_is_there_again():
    mine = Visualizer.get_instance("mine")
    logger = MMLogger.get_instance("mine", logger_name="mine")
    scope = DefaultScope.get_current_instance()
    with own_instances():
        assert not Visualizer.check_instance_created("mine")
        Visualizer.get_instance("theirs")
        MessageHub.get_instance("theirs")
        DefaultScope.get_instance("theirs", scope_name="mmseg")
    assert Visualizer.get_current_instance() is mine
    assert MMLogger.get_instance("mine") is logger
    assert not Visualizer.check_instance_created("theirs")
    assert not MessageHub.check_instance_created("theirs")
    assert DefaultScope.get_current_instance() is scope
