"""Classification and segmentation through the tools, as a user runs them."""

import copy
import re
import sys

import cv2
import numpy as np
import pytest
import torch
from mmengine.registry import MODELS
from support.running_tools import ROOT, TINY, run, run_here

from ghostnet_mm.checkpoints import load_checkpoint_file
from ghostnet_mm.configuration import Options, load_config
from ghostnet_mm.datasets.digits.crops import make_digit_crops
from ghostnet_mm.datasets.digits.dataset import make_digits_dataset
from ghostnet_mm.errors import OptionError

pytest.importorskip("mmpretrain", reason="pip install -e '.[mmpretrain]'")
pytest.importorskip("mmseg", reason="pip install -e '.[mmseg]'")
CLASSIFIER = ROOT / "configs" / "classifier_ghostnet_digit-crops.py"
DETECTOR = ROOT / "configs" / "retinanet_ghostnet_digits.py"
SEGMENTOR = ROOT / "tests" / "support" / "tiny_segmentor.py"
NO_WORKERS = [
    f"{split}_dataloader.{key}"
    for split in ("train", "val", "test")
    for key in ("num_workers=0", "persistent_workers=False")
]


@pytest.fixture(scope="module")
def classified(tmp_path_factory):
    """A folder with ``digits``, ``crops`` and one epoch of a classifier in ``run``."""
    folder = tmp_path_factory.mktemp("classified")
    # Enough that no class is without a picture.
    make_digits_dataset(folder / "digits", num_train=12, num_val=30, image_size=128)
    make_digit_crops(folder / "digits", folder / "crops")
    done = run(
        *("train", CLASSIFIER, "--data-root", "crops", "--work-dir", "run"),
        *("--amp", "--cfg-options", *NO_WORKERS, "train_dataloader.batch_size=8"),
        *("train_cfg.max_epochs=1", "train_cfg.val_interval=1"),
        cwd=folder,
    )
    assert done.returncode == 0, done.stderr
    (folder / "console.txt").write_text(done.stdout + done.stderr)
    return folder


def test_a_classifier_trains_and_its_accuracy_is_printed(classified):
    text = (classified / "console.txt").read_text()
    assert re.search(r"classification, % +top-1 +top-5", text)
    assert re.search(r"all classes +\d+\.\d\d +\d+\.\d\d$", text, re.MULTILINE)
    assert re.search(r"epoch 1/1 validation: accuracy/top1 \d", text)
    assert "WARNING" not in text
    assert len(text.splitlines()) < 40


def test_a_detector_starts_from_the_classifiers_trunk(classified):
    checkpoint = classified / "run" / "epoch_1.pth"
    cfg = load_config(DETECTOR, Options(backbone_weights=str(checkpoint)))
    detector = MODELS.build(copy.deepcopy(cfg.model))
    detector.init_weights()
    trained = load_checkpoint_file(checkpoint)["state_dict"]
    started = detector.backbone.state_dict()
    # Both end at stride 16: nothing of the trunk is left over, and nothing is missing.
    assert 0 < len(started) == sum(key.startswith("backbone.") for key in trained)
    for key, value in started.items():
        torch.testing.assert_close(value, trained[f"backbone.{key}"], rtol=0, atol=0)


def test_a_detector_trains_on_from_the_classifier(classified, tmp_path):
    done = run_here(
        *("train", DETECTOR, "--data-root", classified / "digits", "--work-dir", "run"),
        *("--backbone-weights", classified / "run" / "epoch_1.pth"),
        *("--cfg-options", *NO_WORKERS, "train_cfg.max_epochs=1"),
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "run" / "epoch_1.pth").is_file()


def test_a_classifier_of_another_width_is_no_start(classified, tmp_path):
    done = run_here(
        *("train", DETECTOR, "--data-root", classified / "digits", "--work-dir", "run"),
        *("--backbone-weights", classified / "run" / "epoch_1.pth"),
        *("--cfg-options", "model.backbone.widen_factor=1.0"),
        cwd=tmp_path,
    )
    assert done.returncode == 2
    assert "tensors have another shape" in done.stderr
    assert not (tmp_path / "run").exists()


def test_classes_follow_the_folders(classified, tmp_path):
    for split in ("train", "val"):
        for name in "357":
            target = tmp_path / "data" / split / name
            target.parent.mkdir(parents=True, exist_ok=True)
            target.symlink_to(classified / "crops" / split / name)
    cfg = load_config(CLASSIFIER, Options(data_root=str(tmp_path / "data")))
    assert cfg.model.head.num_classes == 3
    assert cfg.train_dataloader.dataset.metainfo.classes == ("3", "5", "7")
    assert cfg.test_dataloader.dataset.metainfo.classes == ("3", "5", "7")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--data-root", "nowhere"], "The data root nowhere is not a folder"),
        (
            [],
            "image folder data/digit_crops/train of train_dataloader.dataset does not",
        ),
        (["--data-root", "."], "image folder ./train of train_dataloader.dataset does"),
        (
            ["--data-root", "crops", "--cfg-options", "model.head.in_channels=7"],
            "model.head.in_channels is 7, but model.backbone returns 56",
        ),
    ],
)
def test_mistakes_are_told(classified, arguments, message):
    done = run_here(
        "train", CLASSIFIER, *arguments, "--work-dir", "other", cwd=classified
    )
    assert done.returncode == 2
    assert message in done.stderr
    assert not (classified / "other").exists()


def test_the_classifiers_test_needs_as_many_folders_as_classes(classified, tmp_path):
    done = run_here(
        *("test", CLASSIFIER, classified / "run" / "epoch_1.pth"),
        *("--work-dir", tmp_path / "test"),
        *("--cfg-options", f"test_dataloader.dataset.data_root={classified}/crops"),
        "test_dataloader.dataset.data_prefix=val/3",
        cwd=tmp_path,
    )
    assert done.returncode == 2
    assert "has no folders inside" in done.stderr


def test_a_test_repeats_the_validation(classified, tmp_path):
    done = run_here(
        *("test", CLASSIFIER, classified / "run" / "epoch_1.pth"),
        *("--data-root", classified / "crops", "--work-dir", "test"),
        *("--cfg-options", *NO_WORKERS),
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stderr
    row = re.search(r"^all classes.*$", done.stdout, re.MULTILINE)[0]
    assert row in (classified / "console.txt").read_text()


@pytest.fixture(scope="module")
def segmented(tmp_path_factory):
    """A folder with ``data`` and a short run of a segmentor in ``run``."""
    folder = tmp_path_factory.mktemp("segmented")
    generator = np.random.default_rng(0)
    for name in ("images", "labels"):
        (folder / "data" / name).mkdir(parents=True)
    for index in range(4):
        edge = int(generator.integers(30, 70))
        labels = np.zeros((70, 101), np.uint8)
        labels[:, edge:] = 1
        pixels = np.where(labels[..., None] == 1, (200, 60, 40), (40, 80, 200))
        pixels = pixels + generator.integers(-20, 20, pixels.shape)
        cv2.imwrite(str(folder / "data" / "images" / f"{index}.png"), pixels)
        cv2.imwrite(str(folder / "data" / "labels" / f"{index}.png"), labels)
    done = run_here("train", SEGMENTOR, "--work-dir", "run", cwd=folder)
    assert done.returncode == 0, done.stderr
    (folder / "console.txt").write_text(done.stdout + done.stderr)
    return folder


def test_a_segmentor_trains_and_its_iou_is_printed(segmented):
    text = (segmented / "console.txt").read_text()
    assert re.search(r"segmentation, % +mIoU +mAcc +aAcc", text)
    assert re.search(r"iter 20/20 +loss \d", text)


def test_a_segmentors_pictures_are_drawn_beside_their_label_maps(segmented):
    checkpoint = segmented / "run" / "iter_20.pth"
    arguments = ("data/images", "--checkpoint", checkpoint, "--out", "drawn")
    done = run_here("segment", *arguments, cwd=segmented)
    assert done.returncode == 0, done.stderr
    names = sorted(file.name for file in (segmented / "drawn").iterdir())
    assert names == sorted(f"{i}.png{end}" for i in range(4) for end in ENDS)
    # The tool's own maps give the mIoU that the validation printed.
    areas = np.zeros((3, 2))
    for index in range(4):
        name = segmented / "drawn" / f"{index}.png.labels.png"
        found = cv2.imread(str(name), cv2.IMREAD_UNCHANGED)
        truth = cv2.imread(str(segmented / "data" / "labels" / f"{index}.png"), 0)
        assert found.shape == truth.shape
        for label in (0, 1):
            inside, wanted = found == label, truth == label
            areas[:2, label] += (inside & wanted).sum(), (inside | wanted).sum()
    text = (segmented / "console.txt").read_text()
    printed = re.search(r"^all classes +(\S+)", text, re.MULTILINE)[1]
    assert 100 * (areas[0] / areas[1]).mean() == pytest.approx(float(printed), abs=0.01)


ENDS = (".png", ".labels.png")


def test_pictures_of_a_segmentors_test_are_another_tools(segmented, tmp_path):
    done = run_here(
        *("test", SEGMENTOR, segmented / "run" / "iter_20.pth"),
        *("--data-root", segmented / "data", "--show-dir", "shown"),
        cwd=tmp_path,
    )
    assert done.returncode == 2
    assert "use ghostnet segment" in done.stderr


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["data_root=nowhere"], "The image folder nowhere/images of train_dataloader"),
        (["img_suffix=.tif"], "holds no file that ends in .tif"),
        (
            ["metainfo.classes=[a,b,c]"],
            "model.decode_head.num_classes is 2, but train_dataloader.dataset has 3",
        ),
        (["type=BaseSegDatset"], "which is not a registered dataset"),
    ],
)
def test_a_segmentors_data_is_checked_first(segmented, options, message):
    options = [f"train_dataloader.dataset.{option}" for option in options]
    done = run_here(
        *("train", SEGMENTOR, "--work-dir", "other", "--cfg-options", *options),
        cwd=segmented,
    )
    assert done.returncode == 2
    assert message in done.stderr
    assert not (segmented / "other").exists()


def test_a_detector_is_not_drawn_as_a_segmentor(classified, tmp_path):
    checkpoint = classified / "run" / "epoch_1.pth"
    done = run_here("segment", ".", "--checkpoint", checkpoint, cwd=tmp_path)
    assert done.returncode == 2
    assert "is not for mmseg" in done.stderr


@pytest.mark.parametrize(
    ("module", "config"), [("mmpretrain", CLASSIFIER), ("mmseg", SEGMENTOR)]
)
def test_a_missing_package_is_named_with_its_extra(module, config, monkeypatch):
    # None is what Python itself puts there for a module that must not be found.
    monkeypatch.setitem(sys.modules, module, None)
    monkeypatch.setattr("mmengine.config.config.is_installed", lambda package: False)
    with pytest.raises(OptionError, match=rf"pip install -e '\.\[{module}\]'"):
        load_config(config)


def test_a_detector_needs_neither(monkeypatch):
    for module in ("mmseg", "mmpretrain"):
        monkeypatch.setitem(sys.modules, module, None)
    load_config(TINY)
