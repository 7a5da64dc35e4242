import copy
import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from ghostnet_mm.configuration import Options, load_config
from ghostnet_mm.configuration.data.checks import check_data
from ghostnet_mm.configuration.data.detection_checks import (
    annotated_folders,
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
        (dict(LEAF, type="CocoPanopticDataset"), [""]),
        (dict(LEAF, type="LVISV1Dataset"), []),
    ],
)
def test_datasets_are_found_in_any_wrapper(dataset, places):
    found = list(annotated_folders(dataset, "x"))
    assert [folder.place for folder in found] == [f"x{place}" for place in places]
    for folder in found:
        assert (folder.ann_file, folder.image_dir) == ("root/a.json", "root/images/")
        assert folder.classes == ("cup",)
        assert (folder.seg_dir is None) == (dataset["type"] != "CocoPanopticDataset")


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


# A rectangle in 64 rows of 96 pixels, as pycocotools encodes it.
BOX = r"U8d0\1000000000000000000000ko4"


@pytest.mark.parametrize(
    ("segmentation", "is_mask"),
    [
        ([[4, 5, 16, 5, 16, 25]], True),
        (dict(size=[64, 96], counts=BOX), True),
        (dict(size=[64, 96], counts=[10, 20, 6114]), True),
        (None, False),
        ([], False),
        ("a.png", False),
        (dict(size=[96, 64], counts=BOX), False),
    ],
)
def test_boxes_without_masks_are_told_where_masks_are_wanted(
    tiny, tmp_path, segmentation, is_mask
):
    annotation = dict(id=3, image_id=1, category_id=1, bbox=[4, 5, 12, 20], area=240)
    if segmentation is not None:
        annotation["segmentation"] = segmentation
    content = dict(
        images=[dict(id=1, file_name="a.png", width=96, height=64)],
        categories=[dict(id=1, name="cup")],
        annotations=[annotation],
    )
    for split in ("train", "val"):
        (tmp_path / split).mkdir()
        cv2.imwrite(str(tmp_path / split / "a.png"), np.zeros((64, 96, 3), np.uint8))
        (tmp_path / f"{split}.json").write_text(json.dumps(content))
    cfg = load_config(tiny, Options(data_root=str(tmp_path)))
    check_data(cfg, ("train", "val"))
    learns = copy.deepcopy(cfg)
    learns.train_dataloader.dataset.pipeline[1].with_mask = True
    measures = copy.deepcopy(cfg)
    measures.val_evaluator.metric = ["bbox", "segm"]
    for wants_masks in (learns, measures):
        if is_mask:
            check_data(wants_masks, ("train", "val"))
            continue
        with pytest.raises(DataError, match=r"1 of 1 annotations .* \(ids 3\)"):
            check_data(wants_masks, ("train", "val"))


PANOPTIC = Path(__file__).parents[2] / "configs" / "panoptic-fpn_ghostnet_coco.py"


@pytest.fixture
def panoptic(coco_subset):
    return load_config(
        PANOPTIC, Options(data_root=str(coco_subset), backbone_weights="none")
    )


def test_real_panoptic_data_passes(panoptic):
    check_data(panoptic, ("train", "val", "test"))


def test_faulty_panoptic_configs_are_told(panoptic, coco_subset):
    annotations = coco_subset / "annotations"
    cases = [
        ("model.semantic_head.num_stuff_classes", 50, OptionError, "53"),
        ("model.panoptic_fusion_head.num_things_classes", 10, OptionError, "80 thing"),
        ("model.roi_head.mask_head.num_classes", 133, OptionError, "has 80 classes"),
        (
            "val_evaluator.seg_prefix",
            str(annotations / "panoptic_train2017"),
            OptionError,
            r"val_evaluator\.seg_prefix",
        ),
        ("val_evaluator.seg_prefix", "none", DataError, "PNG folder none"),
        (
            "val_dataloader.dataset.data_prefix.seg",
            "annotations/panoptic_train2017",
            DataError,
            "100 of the 100 segment PNGs",
        ),
        (
            "val_dataloader.dataset.data_prefix.seg",
            "none",
            DataError,
            "folder of segment PNGs .*none",
        ),
        (
            "val_dataloader.dataset.data_prefix.img",
            "train2017",
            DataError,
            "100 of the 100 pictures",
        ),
    ]
    for key, value, kind, says in cases:
        cfg = copy.deepcopy(panoptic)
        cfg.merge_from_dict({key: value})
        with pytest.raises(kind, match=says) as raised:
            check_data(cfg, ("val",))
        assert "\n" not in str(raised.value)
