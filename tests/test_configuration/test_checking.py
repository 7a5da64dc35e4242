"""The data against a config, and what a training tells of its data."""

import pytest
from support.tiny_coco import edit_annotations, make_tiny_coco

from ghostnet_mm.configuration import Options, load_config, prepare_run
from ghostnet_mm.configuration.checking import check_user_data
from ghostnet_mm.configuration.data.clean_data import use_clean_data
from ghostnet_mm.configuration.data.config_sizes import (
    anchors_of,
    least_box,
    rescales_of,
)
from ghostnet_mm.configuration.data.contents import tell_contents
from ghostnet_mm.configuration.files.reading import read_config
from ghostnet_mm.datasets.checks.config_fit import Rescale
from ghostnet_mm.errors import OptionError

NANO = "gfl_ghostnet-nano_coco"


@pytest.fixture(autouse=True)
def cache(tmp_path_factory, monkeypatch):
    monkeypatch.setenv("GHOSTNET_MM_CACHE", str(tmp_path_factory.mktemp("cache")))


@pytest.fixture
def root(tmp_path):
    return make_tiny_coco(tmp_path / "data")


def shrunk(content):
    """Make cups smaller than a cell of stride 8 at 320 px: the pictures are 96 wide."""
    for annotation in content["annotations"]:
        if annotation["category_id"] == 1:
            annotation.update(bbox=[5, 5, 2, 1.5], area=3)


def test_boxes_too_small_for_the_maps_are_told_class_by_class(root):
    edit_annotations(root, shrunk)
    config = prepare_run(NANO, training=False)
    result = check_user_data([root], config).result
    assert result.fit.stride == 8
    assert list(result.fit.classes) == ["test"]  # both are resized alike
    cup, plate = result.fit.classes["test"]
    # 2 x 1.5 of 96 x 64 pixels are 6.7 x 7.5 of 320 x 320, below 8 x 8.
    assert (cup.boxes, cup.below_cell, cup.below_two_cells) == (8, 4, 4)
    assert (plate.boxes, plate.below_cell, plate.without_anchor) == (8, 0, None)
    told = [f.first for f in result.findings if f.kind == "fit-cell"]
    assert told == [("cup: 50%",)]


def test_without_a_config_there_is_no_fit(root):
    assert check_user_data([root]).result.fit is None


@pytest.mark.parametrize(
    ("name", "train", "test"),
    [
        (NANO, (320, 320, False), (320, 320, False)),
        ("retinanet_ghostnet_coco", (1333, 800, True), (1333, 800, True)),
        ("yolox_ghostnet_coco", (640, 640, True), (416, 416, True)),
        ("rtmdet_ghostnet_coco", (640, 640, True), (640, 640, True)),
    ],
)
def test_the_resize_of_a_recipe(name, train, test):
    found = rescales_of(read_config(name))
    assert found == dict(train=Rescale(*train), test=Rescale(*test))


def test_anchors_count_where_boxes_are_matched_by_them():
    anchors = anchors_of(read_config("retinanet_ghostnet_coco"))
    assert anchors.overlap == 0.5
    # Three octaves by three ratios on five levels, from 32 pixels on.
    assert anchors.sizes.shape == (45, 2)
    assert anchors.sizes.prod(axis=1).min() == pytest.approx(32**2)
    assert anchors_of(read_config(NANO)) is None  # assigned dynamically


def test_boxes_that_no_anchor_overlaps_are_told(root):
    # Tiles of 96 x 64 become 1200 x 800: a box of 2 x 2 is 25 x 25, one of 1 x 12 long.
    def lengthened(content):
        for annotation in content["annotations"]:
            if annotation["category_id"] == 1:
                annotation.update(bbox=[5, 5, 60, 2], area=120)

    edit_annotations(root, lengthened)
    config = prepare_run("retinanet_ghostnet_coco", training=False)
    result = check_user_data([root], config).result
    cup, plate = result.fit.classes["test"]
    assert (cup.without_anchor, plate.without_anchor) == (4, 0)
    assert [f.first for f in result.findings if f.kind == "fit-anchor"] == [
        ("cup: 50%",)
    ]


def test_what_mmdet_would_leave_out_is_counted(root):
    def emptied(content):
        content["annotations"] = [a for a in content["annotations"] if a["id"] > 2]

    edit_annotations(root, emptied)
    config = prepare_run(NANO, training=False)
    for step in config.cfg.train_dataloader.dataset.pipeline:
        if step.type == "RandomFlip":
            step.update(type="FilterAnnotations", min_gt_bbox_wh=(60, 60), prob=None)
    assert least_box(config.cfg) == (60, 60)
    kinds = {f.kind: f.count for f in check_user_data([root], config).result.findings}
    assert kinds["filter-empty"] == 1
    assert kinds["fit-filtered"] > 0


def test_classes_that_the_config_names_must_be_there(root):
    config = prepare_run(NANO, training=False)
    config.cfg.train_dataloader.dataset.metainfo = dict(classes=("cup", "fork"))
    result = check_user_data([root], config).result
    assert [(f.action, f.first) for f in result.findings if f.kind == "fit-class"] == [
        ("warning", ("fork",))
    ]


def test_a_classifiers_config_is_refused(root):
    pytest.importorskip("mmpretrain")
    config = prepare_run("classifier_ghostnet_imagenet", training=False)
    with pytest.raises(OptionError, match="config of a detector"):
        check_user_data([root], config)


def test_a_training_tells_its_data_in_a_few_lines(root, capsys):
    def without_cups(content):
        content["annotations"] = [
            a for a in content["annotations"] if a["category_id"] == 2
        ]

    edit_annotations(root, shrunk)
    edit_annotations(root, without_cups, "val2017")
    cfg = load_config(NANO, Options(data_root=str(root)))
    use_clean_data(cfg, ("train", "val"))
    capsys.readouterr()
    tell_contents(cfg)
    assert capsys.readouterr().out.splitlines() == [
        "data: train 4 pictures with 8 boxes; val 4 pictures with 4 boxes; 2 classes, "
        "4 boxes to learn each",
        "data: warning: 1 class has no box to score, and so no AP (val: cup)",
        "data: warning: 2 classes have fewer than 10 boxes to learn from (train: "
        "cup: 4, plate: 4)",
        "data: warning: 4 boxes are under 4 pixels wide or high (train)",
    ]
