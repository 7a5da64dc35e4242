"""--data-root with panoptic configs: COCO's layout is found, anything else is told."""

import json
from pathlib import Path

import cv2
import mmdet
import numpy as np
import pytest
from mmdet.datasets import CocoPanopticDataset
from mmengine.config import Config
from support.coco_folders import build_datasets

from ghostnet_mm.datasets.checks.panoptic import check_panoptic_annotations
from ghostnet_mm.datasets.layouts.coco import point_config_at
from ghostnet_mm.errors import DataError, OptionError

OFFICIAL = CocoPanopticDataset.METAINFO
RECIPE = (
    Path(mmdet.__file__).parent
    / ".mim/configs/panoptic_fpn/panoptic-fpn_r50_fpn_1x_coco.py"
)


def panoptic_fpn():
    return Config.fromfile(str(RECIPE))


def write_panoptic(root, name, seg_dir=None, image_dir=None):
    """One picture with a person (category 1) on grass."""
    categories = [
        dict(id=number, name=name, isthing=int(name in OFFICIAL["thing_classes"]))
        for number, name in enumerate(OFFICIAL["classes"], start=1)
    ]
    segments = [
        dict(id=7, category_id=1, iscrowd=0, bbox=[8, 4, 10, 20], area=200),
        dict(id=70000, category_id=126, iscrowd=0, bbox=[0, 0, 64, 48], area=2872),
    ]
    content = dict(
        images=[dict(id=5, file_name=f"{name}.jpg", width=64, height=48)],
        categories=categories,
        annotations=[dict(image_id=5, file_name=f"{name}.png", segments_info=segments)],
    )
    ids = np.full((48, 64), 70000)
    ids[4:24, 8:18] = 7
    png = np.stack([ids // 65536, ids // 256 % 256, ids % 256], -1).astype(np.uint8)
    for folder, file, pixels in (
        (image_dir or name, f"{name}.jpg", np.zeros((48, 64, 3), np.uint8)),
        (seg_dir or f"annotations/panoptic_{name}", f"{name}.png", png),
    ):
        (root / folder).mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(root / folder / file), pixels)
    (root / "annotations").mkdir(exist_ok=True)
    annotation_file(root, name).write_text(json.dumps(content))


def annotation_file(root, name="val2017"):
    return root / "annotations" / f"panoptic_{name}.json"


@pytest.fixture
def folder(tmp_path):
    write_panoptic(tmp_path, "train2017")
    write_panoptic(tmp_path, "val2017")
    return tmp_path


def test_the_real_subset_is_read_by_mmdet(coco_subset):
    cfg = panoptic_fpn()
    cfg.val_dataloader.dataset.metainfo = dict(classes=("cup",))
    model = cfg.model.to_dict()
    point_config_at(cfg, coco_subset)
    assert cfg.model.to_dict() == model
    assert cfg.val_evaluator == cfg.test_evaluator
    for dataset in build_datasets(cfg):
        assert dataset.metainfo["classes"] == OFFICIAL["classes"]
        assert len(dataset) > 90
        info = dataset.get_data_info(0)
        assert Path(info["img_path"]).is_file()
        assert Path(info["seg_map_path"]).is_file()
        assert len(info["segments_info"]) > 1
    assert Path(cfg.val_evaluator.ann_file).is_file()
    assert Path(cfg.val_evaluator.seg_prefix, "000000000139.png").is_file()


@pytest.mark.parametrize(
    ("name", "seg_dir", "image_dir"),
    [
        ("val2017", "annotations/panoptic_val2017", "val2017"),
        ("val", "annotations/panoptic_val", "images/val2017"),
        ("valid", "panoptic_valid", "images"),
    ],
)
def test_other_names_of_the_folders_are_found(tmp_path, name, seg_dir, image_dir):
    write_panoptic(tmp_path, name, seg_dir, image_dir)
    cfg = panoptic_fpn()
    before = cfg.train_dataloader.to_dict()
    point_config_at(cfg, tmp_path, training=False)
    assert cfg.train_dataloader.to_dict() == before
    assert cfg.test_dataloader.dataset.data_prefix == dict(img=image_dir, seg=seg_dir)
    assert cfg.test_evaluator.seg_prefix == str(tmp_path / seg_dir)
    (_, dataset, _) = build_datasets_without_training(cfg)
    (instance,) = dataset.get_data_info(0)["instances"]
    assert (instance["bbox"], instance["bbox_label"]) == ([8, 4, 18, 24], 0)


def build_datasets_without_training(cfg):
    cfg.train_dataloader = cfg.val_dataloader
    return build_datasets(cfg)


def test_a_wrapped_training_set_is_reached(folder):
    cfg = panoptic_fpn()
    leaf = cfg.train_dataloader.dataset.to_dict()
    cfg.train_dataloader.dataset = dict(type="RepeatDataset", times=2, dataset=leaf)
    point_config_at(cfg, folder)
    assert cfg.train_dataloader.dataset.dataset.data_root == str(folder)
    assert cfg.train_dataloader.dataset.dataset.data_prefix.seg


def test_a_mix_of_boxes_and_segments_is_an_error(folder):
    cfg = panoptic_fpn()
    cfg.train_dataloader.dataset.type = "CocoDataset"
    with pytest.raises(OptionError, match=r"train_dataloader reads a CocoDataset"):
        point_config_at(cfg, folder)


def edit(change):
    def apply(root):
        content = json.loads(annotation_file(root).read_text())
        change(content)
        annotation_file(root).write_text(json.dumps(content))

    return apply


def swap_first_categories(content):
    categories = content["categories"]
    categories[0], categories[1] = categories[1], categories[0]


FAULTS = {
    "no panoptic file": (lambda r: annotation_file(r).unlink(), "no val annotations"),
    "no PNGs": (
        lambda r: (r / "annotations/panoptic_val2017/val2017.png").unlink(),
        "segment PNGs .* are not in",
    ),
    "no pictures": (lambda r: (r / "val2017/val2017.jpg").unlink(), "put them into"),
    "not JSON": (lambda r: annotation_file(r).write_text("{"), "not JSON"),
    "boxes": (
        edit(lambda c: c["annotations"][0].pop("segments_info")),
        r"annotations\[0\] has no usable 'segments_info'",
    ),
    "a segment without area": (
        edit(lambda c: c["annotations"][0]["segments_info"][1].pop("area")),
        r"segments_info\[1\] has no usable 'area'",
    ),
    "own classes": (
        edit(lambda c: c["categories"][0].update(name="mug")),
        r"133 categories of the panoptic model \(mug, person\)",
    ),
    "fewer classes": (edit(lambda c: c["categories"].pop()), "rug-merged"),
    "other order": (
        edit(swap_first_categories),
        r"another order .* \(bicycle instead of person\)",
    ),
    "a thing that is stuff": (
        edit(lambda c: c["categories"][3].update(isthing=0)),
        r"are things \(motorcycle\)",
    ),
}


@pytest.mark.parametrize(("break_it", "says"), FAULTS.values(), ids=FAULTS.keys())
def test_faulty_folders_are_one_sentence(folder, break_it, says):
    break_it(folder)
    with pytest.raises(DataError, match=says) as raised:
        point_config_at(panoptic_fpn(), folder)
    assert "\n" not in str(raised.value)


def first_annotation(**change):
    return edit(lambda content: content["annotations"][0].update(change))


def first_segment(**change):
    return edit(
        lambda content: content["annotations"][0]["segments_info"][0].update(change)
    )


def check(root):
    check_panoptic_annotations(
        annotation_file(root),
        root / "val2017",
        root / "annotations" / "panoptic_val2017",
        OFFICIAL["classes"],
        OFFICIAL["thing_classes"],
    )


def test_sound_annotations_pass(folder):
    check(folder)


@pytest.mark.parametrize(
    ("break_it", "says"),
    [
        (first_annotation(image_id=6), r"unknown image_id \(image_id 6\)"),
        (first_segment(id=70000), "a segment id used twice"),
        (first_segment(category_id=0), "unknown category_id"),
        (first_segment(bbox=[1, 2]), "not four numbers"),
    ],
)
def test_wrong_annotations_are_one_sentence(folder, break_it, says):
    break_it(folder)
    with pytest.raises(DataError, match=says) as raised:
        check(folder)
    assert "\n" not in str(raised.value)


def test_missing_files_are_counted_and_named(folder):
    def add_images(content):
        for number in range(4):
            image = dict(content["images"][0], id=number, file_name=f"{number}.jpg")
            content["images"].append(image)

    edit(add_images)(folder)
    with pytest.raises(DataError, match=r"4 of the 5 pictures .* \(0.jpg, 1.jpg, 2"):
        check(folder)
