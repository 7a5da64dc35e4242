"""--data-root: every layout is found, every part of a config follows it."""

import json

import pytest
from mmengine.config import Config
from support.coco_folders import CLASSES, build_datasets, coco_content

from ghostnet_mm.datasets.layouts import folder as folder_layout
from ghostnet_mm.datasets.layouts.coco import point_config_at, set_num_classes
from ghostnet_mm.errors import DataError, OptionError

OFFICIAL = dict(
    train=("annotations/instances_train2017.json", "train2017"),
    val=("annotations/instances_val2017.json", "val2017"),
)


def retinanet():
    return Config.fromfile(_installed("retinanet/retinanet_r50_fpn_1x_coco.py"))


def _installed(name):
    from pathlib import Path

    import mmdet

    return str(Path(mmdet.__file__).parent / ".mim" / "configs" / name)


LAYOUTS = {
    "official": OFFICIAL,
    "no year": dict(
        train=("annotations/instances_train.json", "train"),
        val=("annotations/instances_val.json", "val"),
    ),
    "plain names": dict(
        train=("annotations/train.json", "train2017"),
        val=("annotations/val.json", "val2017"),
    ),
    "year in images only": dict(
        train=("annotations/instances_train.json", "train2017"),
        val=("annotations/instances_val.json", "val2017"),
    ),
    "below images": dict(
        train=("annotations/instances_train2017.json", "images/train2017"),
        val=("annotations/instances_val2017.json", "images/val2017"),
    ),
    "one image folder": dict(
        train=("annotations/train.json", "images"),
        val=("annotations/val.json", "images"),
    ),
    "everything in the root": dict(train=("train.json", ""), val=("val.json", "")),
    "yolo-like": dict(
        train=("annotations/train.json", "train/images"),
        val=("annotations/valid.json", "valid/images"),
    ),
    "roboflow": dict(
        train=("train/_annotations.coco.json", "train"),
        val=("valid/_annotations.coco.json", "valid"),
        test=("test/_annotations.coco.json", "test"),
    ),
}


@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS.keys())
def test_layouts_are_read_by_mmdet(make_coco_folder, layout):
    root = make_coco_folder(**layout)
    cfg = retinanet()
    point_config_at(cfg, root)
    datasets = build_datasets(cfg)
    expected = (layout["train"], layout["val"], layout.get("test", layout["val"]))
    for dataset, (ann_file, image_dir, *_) in zip(datasets, expected, strict=True):
        assert dataset.metainfo["classes"] == CLASSES
        assert len(dataset) == 2
        content = json.loads((root / ann_file).read_text())
        wanted = {root / image_dir / image["file_name"] for image in content["images"]}
        assert {str(path) for path in wanted} == {
            dataset.get_data_info(i)["img_path"] for i in range(2)
        }
        assert len(dataset.get_data_info(0)["instances"]) == len(CLASSES)
    assert cfg.val_evaluator.ann_file == str(root / layout["val"][0])
    assert cfg.test_evaluator.ann_file == str(root / expected[2][0])
    assert cfg.model.bbox_head.num_classes == len(CLASSES)


def test_same_file_names_in_every_split_keep_their_folders(make_coco_folder):
    # Roboflow and others number the images of each split from 1.
    content = coco_content(["1.jpg", "2.jpg"])
    root = make_coco_folder(
        train=("annotations/instances_train2017.json", "train2017", content),
        val=("annotations/instances_val2017.json", "val2017", content),
    )
    cfg = retinanet()
    point_config_at(cfg, root)
    assert cfg.train_dataloader.dataset.data_prefix == dict(img="train2017")
    assert cfg.val_dataloader.dataset.data_prefix == dict(img="val2017")


def test_the_real_subset_keeps_the_official_classes(coco_subset):
    cfg = retinanet()
    point_config_at(cfg, coco_subset)
    assert cfg.model.bbox_head.num_classes == 80
    assert "metainfo" not in cfg.train_dataloader.dataset
    for dataset in build_datasets(cfg):
        assert len(dataset.metainfo["classes"]) == 80
        assert len(dataset) > 90


def test_official_classes_replace_those_of_another_config(coco_subset):
    cfg = retinanet()
    cfg.model.bbox_head.num_classes = 10
    for split in ("train", "val", "test"):
        cfg[f"{split}_dataloader"].dataset.metainfo = dict(classes=tuple("0123456789"))
    point_config_at(cfg, coco_subset)
    assert cfg.model.bbox_head.num_classes == 80
    assert all(len(d.metainfo["classes"]) == 80 for d in build_datasets(cfg))


def test_without_a_test_split_validation_is_tested_and_logged(
    make_coco_folder, monkeypatch
):
    logged = []
    monkeypatch.setattr(
        folder_layout, "print_log", lambda text, **_: logged.append(text)
    )
    cfg = retinanet()
    point_config_at(cfg, make_coco_folder(**OFFICIAL))
    assert cfg.test_dataloader.dataset.ann_file == OFFICIAL["val"][0]
    assert "no annotated test split" in logged[0]


def test_the_training_split_is_optional_for_testing(make_coco_folder):
    root = make_coco_folder(val=OFFICIAL["val"])
    cfg = retinanet()
    before = cfg.train_dataloader.dataset.to_dict()
    point_config_at(cfg, root, training=False)
    assert cfg.train_dataloader.dataset.to_dict() == before
    assert cfg.test_dataloader.dataset.data_root == str(root)
    with pytest.raises(DataError, match="no train annotations"):
        point_config_at(retinanet(), root)


@pytest.mark.parametrize(
    "wrap",
    [
        lambda d: dict(type="RepeatDataset", times=3, dataset=d),
        lambda d: dict(type="ClassBalancedDataset", oversample_thr=0.1, dataset=d),
        lambda d: dict(type="MultiImageMixDataset", dataset=d, pipeline=[]),
        lambda d: dict(type="ConcatDataset", datasets=[d]),
        lambda d: dict(
            type="RepeatDataset",
            times=2,
            dataset=dict(type="ConcatDataset", datasets=[d]),
        ),
    ],
)
def test_wrapped_datasets_are_reached(make_coco_folder, wrap):
    root = make_coco_folder(**OFFICIAL)
    cfg = retinanet()
    cfg.train_dataloader.dataset = wrap(cfg.train_dataloader.dataset.to_dict())
    point_config_at(cfg, root)
    text = cfg.pretty_text
    assert "data/coco/" not in text.split("data_root = ")[0]
    inner = cfg.train_dataloader.dataset
    while "pipeline" not in inner or inner["type"] == "MultiImageMixDataset":
        inner = inner.get("dataset") or inner["datasets"][0]
    assert inner.data_root == str(root)
    assert inner.metainfo.classes == CLASSES


def test_joined_datasets_are_an_error(make_coco_folder):
    root = make_coco_folder(**OFFICIAL)
    cfg = retinanet()
    leaf = cfg.train_dataloader.dataset.to_dict()
    cfg.train_dataloader.dataset = dict(type="ConcatDataset", datasets=[leaf, leaf])
    with pytest.raises(OptionError, match="joins 2 datasets"):
        point_config_at(cfg, root)


def test_datasets_of_another_format_are_an_error(make_coco_folder):
    root = make_coco_folder(**OFFICIAL)
    cfg = retinanet()
    cfg.val_dataloader.dataset.type = "VOCDataset"
    with pytest.raises(OptionError, match="val_dataloader reads a VOCDataset"):
        point_config_at(cfg, root)


def test_lists_of_evaluators_are_reached(make_coco_folder):
    root = make_coco_folder(**OFFICIAL)
    cfg = retinanet()
    cfg.val_evaluator = [
        dict(type="CocoMetric", ann_file="old.json", metric="bbox"),
        dict(type="DumpDetResults", out_file_path="x.pkl"),
    ]
    point_config_at(cfg, root)
    first, second = cfg.val_evaluator
    assert first.ann_file == str(root / OFFICIAL["val"][0])
    assert "ann_file" not in second


def test_more_classes_than_coco_have_enough_colors(make_coco_folder):
    classes = tuple(f"class {i}" for i in range(200))
    content = coco_content(["1.jpg"], classes)
    content["annotations"] = content["annotations"][:1]
    root = make_coco_folder(
        **{split: (*place, content) for split, place in OFFICIAL.items()}
    )
    cfg = retinanet()
    point_config_at(cfg, root)
    for dataset in build_datasets(cfg):
        assert len(dataset.metainfo["palette"]) == 200
        assert dataset.metainfo["classes"] == classes


def test_the_project_name_in_a_roboflow_file_is_not_a_class(make_coco_folder):
    content = coco_content(["1.jpg"], first_id=1)
    for category in content["categories"]:
        category["supercategory"] = "pets"
    project = dict(id=0, name="pets", supercategory="none")
    content["categories"].insert(0, project)
    root = make_coco_folder(
        train=("train/_annotations.coco.json", "train", content),
        val=("valid/_annotations.coco.json", "valid", content),
    )
    cfg = retinanet()
    point_config_at(cfg, root)
    assert cfg.model.bbox_head.num_classes == 3
    dataset = build_datasets(cfg)[0]
    instances = dataset.get_data_info(0)["instances"]
    assert [i["bbox_label"] for i in instances] == [0, 1, 2]
    # With a box of its own it is a class like any other.
    content["annotations"].append(dict(content["annotations"][0], id=9, category_id=0))
    (root / "train" / "_annotations.coco.json").write_text(json.dumps(content))
    point_config_at(cfg, root)
    assert cfg.model.bbox_head.num_classes == 4


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("retinanet/retinanet_r50_fpn_1x_coco.py", 1),
        ("yolox/yolox_s_8xb8-300e_coco.py", 1),
        ("faster_rcnn/faster-rcnn_r50_fpn_1x_coco.py", 1),
        ("mask_rcnn/mask-rcnn_r50_fpn_1x_coco.py", 2),
        ("cascade_rcnn/cascade-mask-rcnn_r50_fpn_1x_coco.py", 4),
        ("sparse_rcnn/sparse-rcnn_r50_fpn_1x_coco.py", 6),
        ("yolact/yolact_r50_1xb8-55e_coco.py", 2),
        ("dino/dino-4scale_r50_8xb2-12e_coco.py", 1),
    ],
)
def test_every_head_of_mmdets_models_follows(name, expected):
    model = Config.fromfile(_installed(name)).model
    before = json.dumps(model.to_dict(), default=str)
    assert before.count('"num_classes": 80') == expected
    set_num_classes(model, 7)
    after = json.dumps(model.to_dict(), default=str)
    assert after == before.replace('"num_classes": 80', '"num_classes": 7')


def test_class_counts_of_another_kind_stay(make_coco_folder):
    model = Config.fromfile(_installed("htc/htc_r50_fpn_1x_coco.py")).model
    set_num_classes(model, 7)
    assert model.roi_head.semantic_head.num_classes == 183
    assert {head.num_classes for head in model.roi_head.bbox_head} == {7}
    assert {head.num_classes for head in model.roi_head.mask_head} == {7}

    name = "faster_rcnn/faster-rcnn_r50_fpn_fcos-rpn_1x_coco.py"
    model = Config.fromfile(_installed(name)).model
    set_num_classes(model, 7)
    assert model.rpn_head.num_classes == 1
    assert model.roi_head.bbox_head.num_classes == 7

    name = "mm_grounding_dino/grounding_dino_swin-t_pretrain_obj365.py"
    model = Config.fromfile(_installed(name)).model
    set_num_classes(model, 7)
    assert model.bbox_head.num_classes == 256


def test_mask2former_follows_and_its_panoptic_form_is_an_error():
    name = "mask2former/mask2former_r50_8xb2-lsj-50e_coco.py"
    model = Config.fromfile(_installed(name)).model
    set_num_classes(model, 7)
    assert model.panoptic_head.num_things_classes == 7
    assert model.panoptic_fusion_head.num_things_classes == 7
    assert model.panoptic_head.loss_cls.class_weight == [1.0] * 7 + [0.1]
    name = "mask2former/mask2former_r50_8xb2-lsj-50e_coco-panoptic.py"
    with pytest.raises(OptionError, match="panoptic"):
        set_num_classes(Config.fromfile(_installed(name)).model, 7)


def _without(key):
    def change(root):
        (root / key).unlink()

    return change


def _rewrite(split, edit):
    def change(root):
        path = root / OFFICIAL[split][0]
        content = json.loads(path.read_text())
        edit(content)
        path.write_text(json.dumps(content))

    return change


def _lose_images(root):
    for path in (root / "val2017").iterdir():
        path.unlink()


def _lose_image_folder(root):
    _lose_images(root)
    (root / "val2017").rmdir()


def _break_json(root):
    (root / OFFICIAL["val"][0]).write_text("{")


FAULTS = {
    "no training file": (_without(OFFICIAL["train"][0]), "no train annotations"),
    "no validation file": (_without(OFFICIAL["val"][0]), "no val annotations"),
    "no images": (_lose_images, r"images of .*val2017.json \(such as .*none of"),
    "no image folder": (_lose_image_folder, "none of the folders"),
    "not JSON": (_break_json, "not JSON"),
    "not COCO": (_rewrite("train", lambda c: c.pop("images")), "not COCO"),
    "other classes": (
        _rewrite("val", lambda c: c["categories"][0].update(name="cow")),
        r"do not have the same categories \(cat, cow\)",
    ),
    "fewer classes": (_rewrite("val", lambda c: c["categories"].pop()), "bird"),
    "other order": (
        _rewrite("val", lambda c: c["categories"].reverse()),
        "differ in order",
    ),
}


@pytest.mark.parametrize(("break_it", "message"), FAULTS.values(), ids=FAULTS.keys())
def test_faulty_folders_are_one_sentence(make_coco_folder, break_it, message):
    root = make_coco_folder(**OFFICIAL)
    break_it(root)
    with pytest.raises(DataError, match=message) as raised:
        point_config_at(retinanet(), root)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("name", ["absent", "file"])
def test_a_data_root_that_is_no_folder_is_an_error(tmp_path, name):
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match="is not a folder"):
        point_config_at(retinanet(), tmp_path / name)
