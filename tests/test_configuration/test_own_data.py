"""Configs that name their data themselves, rather than by --data-root."""

import copy
import io
import json
import os
import shutil
import sys
from pathlib import Path

import pytest
from mmengine.config import Config
from support.coco_folders import CLASSES, coco_content, write_split
from support.running_tools import TINY

from ghostnet_mm.cli.commands import command_of_tool
from ghostnet_mm.configuration import Options, apply_options, load_config
from ghostnet_mm.configuration.console import tell
from ghostnet_mm.configuration.data.clean_data import data_report, use_clean_data
from ghostnet_mm.datasets.clean_copy.copying import copy_behind
from ghostnet_mm.engine.run import file_tested_on
from ghostnet_mm.errors import DataError, OptionError
from ghostnet_mm.export.card.accuracy import labelled_pictures
from ghostnet_mm.quantization.calibration import calibration_pictures


@pytest.fixture
def root(tmp_path, monkeypatch):
    monkeypatch.setenv("GHOSTNET_MM_CACHE", str(tmp_path / "cache"))
    root = tmp_path / "data"
    for split in ("train", "val"):
        write_split(root, f"{split}.json", split)
    return root


@pytest.fixture
def own(root):
    cfg = Config.fromfile(TINY)
    for split, file in (("train", "train"), ("val", "val"), ("test", "val")):
        cfg[f"{split}_dataloader"].dataset = dict(
            type="CocoDataset",
            data_root=f"{root}/",
            ann_file=f"{file}.json",
            data_prefix=dict(img=f"{file}/"),
            metainfo=dict(classes=CLASSES),
            pipeline=cfg[f"{split}_dataloader"].dataset.pipeline,
        )
    for split in ("val", "test"):
        cfg[f"{split}_evaluator"] = dict(
            type="CocoMetric", metric="bbox", ann_file=f"{root}/val.json"
        )
    cfg.model.bbox_head.num_classes = len(CLASSES)
    return cfg


def change(root, split, edit):
    file = root / f"{split}.json"
    content = json.loads(file.read_text())
    edit(content)
    file.write_text(json.dumps(content))


def all_crowds(content):
    for annotation in content["annotations"]:
        annotation["iscrowd"] = 1


USELESS = {
    "crowds": (all_crowds, "nothing but crowd regions"),
    "no boxes": (lambda content: content["annotations"].clear(), "has no object"),
    "no pictures": (
        lambda content: (content["annotations"].clear(), content["images"].clear()),
        "list 'images' is empty",
    ),
}


@pytest.mark.parametrize("split", ["train", "val"])
@pytest.mark.parametrize(("edit", "says"), USELESS.values(), ids=USELESS)
def test_useless_data_is_refused(own, root, split, edit, says):
    change(root, split, edit)
    with pytest.raises(DataError, match=rf"{split}\.json .*{says}"):
        use_clean_data(own, ("train", "val"))


def test_a_part_of_joined_training_data_may_have_no_boxes(own, root):
    empty = coco_content(["background.jpg"])
    empty["annotations"] = []
    write_split(root, "empty.json", "train", empty)
    first = own.train_dataloader.dataset
    second = dict(copy.deepcopy(first), ann_file="empty.json")
    own.train_dataloader.dataset = dict(type="ConcatDataset", datasets=[first, second])
    use_clean_data(own, ("train", "val"))


def test_crowd_as_objects_is_honoured(own, root):
    change(root, "train", all_crowds)
    apply_options(own, Options(crowd_as_objects=True))
    use_clean_data(own, ("train", "val"))
    report = data_report(own, ("train", "val"))
    assert report["splits"]["train"]["crowds"] == 0
    assert report["splits"]["train"]["objects"] == 6


def without_areas(content):
    for annotation in content["annotations"]:
        del annotation["area"]


def test_strict_data_is_honoured_for_a_copy_made_before_too(own, root):
    change(root, "train", without_areas)
    use_clean_data(own, ("train", "val"))
    apply_options(own, Options(strict_data=True))
    with pytest.raises(DataError, match=r"--strict-data: repaired: 6 objects"):
        use_clean_data(own, ("train", "val"))


@pytest.mark.parametrize("option", ["strict_data", "crowd_as_objects"])
def test_reading_options_are_refused_where_nothing_is_read_by_them(own, option):
    options = Options(**{option: True})
    panoptic = copy.deepcopy(own)
    panoptic.train_dataloader.dataset.type = "CocoPanopticDataset"
    with pytest.raises(OptionError, match="panoptic"):
        apply_options(panoptic, options)
    segmentor = Config(dict(default_scope="mmseg", model=dict()))
    with pytest.raises(OptionError, match="segmentor or classifier"):
        apply_options(segmentor, options)
    voc = copy.deepcopy(own)
    voc.train_dataloader.dataset.type = "VOCDataset"
    apply_options(voc, options)
    with pytest.raises(OptionError, match=r"train_dataloader\.dataset is read as it"):
        use_clean_data(voc, ("train", "val"))


def test_findings_of_all_splits_are_reported(own, root):
    change(root, "train", without_areas)
    use_clean_data(own, ("train", "val"))
    report = data_report(own, ("train", "val"))
    assert [found["kind"] for found in report["findings"]] == ["area-missing"]


def test_a_dumped_config_whose_copies_are_gone_gets_them_anew(own, root, tmp_path):
    use_clean_data(own, ("train", "val"))
    copies = [own[f"{split}_dataloader"].dataset.ann_file for split in ("train", "val")]
    own.dump(tmp_path / "dumped.py")
    for file in copies:
        shutil.rmtree(Path(file).parent)
    dumped = Config.fromfile(tmp_path / "dumped.py")
    pictures = labelled_pictures(dumped)
    assert pictures.paths == tuple(
        f"{root}/val/val_{number}.jpg" for number in range(2)
    )
    assert pictures.metric["ann_file"] == copies[1]
    assert len(calibration_pictures(dumped, 8)) == 2
    assert all(os.path.isfile(file) for file in copies)


def test_pictures_to_score_and_calibrate_with_are_of_the_clean_copy(own, root):
    (root / "val" / "val_0.jpg").unlink()
    (root / "train" / "train_0.jpg").unlink()
    for split in ("train", "val"):
        change(
            root,
            split,
            lambda content: content["images"].append(
                dict(id=3, file_name="x.jpg", width=64, height=48)
            ),
        )
        shutil.copyfile(root / split / f"{split}_1.jpg", root / split / "x.jpg")
    assert [os.path.basename(path) for path in labelled_pictures(own).paths] == [
        "val_1.jpg",
        "x.jpg",
    ]
    assert len(calibration_pictures(own, 8)) == 2


def test_evaluators_are_matched_by_file(own, root, tmp_path):
    (tmp_path / "link").symlink_to(root)
    own.val_evaluator.ann_file = str(tmp_path / "link" / "val.json")
    use_clean_data(own, ("val",))
    assert own.val_evaluator.ann_file == own.val_dataloader.dataset.ann_file


def test_what_clean_copies_would_mix_up_stays(own):
    part = own.val_dataloader.dataset
    own.val_dataloader.dataset = dict(
        type="ConcatDataset", datasets=[part, copy.deepcopy(part)]
    )
    own.train_dataloader.dataset.data_prefix.seg = "stuff/"
    use_clean_data(own, ("train", "val"))
    assert own.train_dataloader.dataset.ann_file == "train.json"
    for dataset in own.val_dataloader.dataset.datasets:
        assert copy_behind(os.path.join(dataset.data_root, dataset.ann_file)) is None


def test_the_tested_file_is_found_in_a_wrapper(own):
    part = own.test_dataloader.dataset
    own.test_dataloader.dataset = dict(type="RepeatDataset", times=1, dataset=part)
    use_clean_data(own, ("test",))
    assert copy_behind(file_tested_on(own)) is not None


@pytest.mark.parametrize("tool", ["test", "export", "quantize", "draw_grid"])
def test_what_was_trained_on_several_folders_is_worked_on_with_them(tool, root):
    words = ["config.py", "last.pth"] if tool != "draw_grid" else ["last.pth"]
    parser = command_of_tool(tool).parser("ghostnet")
    arguments = parser.parse_args([*words, "--data-root", f"{root}", f"{root}2"])
    write_split(Path(f"{root}2"), "val.json", "val", coco_content(["1.jpg"], ("cow",)))
    write_split(
        Path(f"{root}2"), "train.json", "train", coco_content(["0.jpg"], ("cow",))
    )
    cfg = load_config(TINY, Options.from_arguments(arguments), training=False)
    assert cfg.model.bbox_head.num_classes == 4
    assert len(cfg.data_reading.roots) == 2


@pytest.mark.parametrize("encoding", ["ascii", "cp1252"])
def test_what_a_console_cannot_show_is_escaped(monkeypatch, encoding):
    stream = io.TextIOWrapper(io.BytesIO(), encoding)
    monkeypatch.setattr(sys, "stdout", stream)
    tell("class 猫")
    assert stream.buffer.getvalue().strip() == rb"class \u732b"
