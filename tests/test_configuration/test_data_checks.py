import copy

import pytest

from ghostnet_mm.configuration import Options, load_config
from ghostnet_mm.configuration.data_checks import (
    annotated_folders,
    check_data,
    class_counts,
)
from ghostnet_mm.errors import DataError, OptionError

LEAF = dict(
    type="CocoDataset",
    data_root="root",
    ann_file="a.json",
    data_prefix=dict(img="images/"),
    metainfo=dict(classes=("cup",)),
)


@pytest.mark.parametrize(
    ("dataset", "places"),
    [
        (LEAF, [""]),
        (dict(type="RepeatDataset", times=2, dataset=LEAF), [".dataset"]),
        (
            dict(type="MultiImageMixDataset", dataset=LEAF, pipeline=[]),
            [".dataset"],
        ),
        (
            dict(type="ConcatDataset", datasets=[LEAF, LEAF]),
            [".datasets.0", ".datasets.1"],
        ),
        (dict(LEAF, type="CocoPanopticDataset"), []),
    ],
)
def test_datasets_are_found_in_any_wrapper(dataset, places):
    found = list(annotated_folders(dataset, "x"))
    assert [one.place for one in found] == [f"x{place}" for place in places]
    for one in found:
        assert (one.ann_file, one.image_dir) == ("root/a.json", "root/images/")
        assert one.classes == ("cup",)


def test_an_unknown_dataset_is_told():
    with pytest.raises(OptionError, match="CocoDatset"):
        list(annotated_folders(dict(LEAF, type="CocoDatset"), "train"))


def test_only_heads_count_classes():
    model = dict(
        backbone=dict(num_classes=1000),
        rpn_head=dict(num_classes=1),
        roi_head=dict(
            bbox_head=[dict(num_classes=3), dict(num_classes=3)],
            mask_head=dict(num_classes=3, loss=dict(num_classes=9)),
        ),
    )
    assert list(class_counts(model)) == [
        ("model.roi_head.bbox_head.0.num_classes", 3),
        ("model.roi_head.bbox_head.1.num_classes", 3),
        ("model.roi_head.mask_head.num_classes", 3),
    ]


@pytest.fixture
def real(tiny, coco_subset):
    return load_config(tiny, Options(data_root=str(coco_subset)))


def test_real_data_passes(real):
    check_data(real, ("train", "val", "test"))


def test_an_evaluator_must_read_what_its_dataset_reads(real, coco_subset):
    other = str(coco_subset / "annotations" / "instances_train2017.json")
    real.val_evaluator.ann_file = other
    with pytest.raises(OptionError, match=r"val_evaluator\.ann_file"):
        check_data(real, ("val",))
    real.val_evaluator.ann_file = "none.json"
    with pytest.raises(DataError, match=r"none\.json of val_evaluator"):
        check_data(real, ("val",))


@pytest.mark.parametrize(
    ("key", "value", "says"),
    [
        ("ann_file", "none.json", "annotation file"),
        ("data_prefix", dict(img="none/"), "image folder"),
    ],
)
def test_missing_files_are_told_with_their_place(real, key, value, says):
    cfg = copy.deepcopy(real)
    cfg.train_dataloader.dataset[key] = value
    with pytest.raises(DataError, match=f"{says} .*train_dataloader"):
        check_data(cfg, ("train",))
