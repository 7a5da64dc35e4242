"""--data-root: every layout is found, every part of a config follows it."""

import json
import shutil
from pathlib import Path

import pytest
from mmengine.config import Config
from support.coco_folders import CLASSES, build_datasets, coco_content

from ghostnet_mm.datasets.layouts.coco import point_config_at, set_num_classes
from ghostnet_mm.errors import DataError, OptionError

OFFICIAL = dict(
    train=("annotations/instances_train2017.json", "train2017"),
    val=("annotations/instances_val2017.json", "val2017"),
)


def retinanet():
    return Config.fromfile(_installed("retinanet/retinanet_r50_fpn_1x_coco.py"))


def _installed(name):
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
    # The test split counts for testing only.
    point_config_at(cfg, root)
    point_config_at(cfg, root, training=False)
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
    for split in ("val", "test"):
        evaluator, loader = cfg[f"{split}_evaluator"], cfg[f"{split}_dataloader"]
        assert evaluator.ann_file == loader.dataset.ann_file
        assert Path(evaluator.ann_file).is_file()
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
    train, val = (cfg[f"{split}_dataloader"].dataset for split in ("train", "val"))
    assert train.data_prefix == dict(img=str(root / "train2017"))
    assert val.data_prefix == dict(img=str(root / "val2017"))


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


def test_without_a_test_split_validation_is_tested_and_told(make_coco_folder):
    cfg = retinanet()
    root = make_coco_folder(**OFFICIAL)
    assert not point_config_at(cfg, root).findings.lines()
    copy = point_config_at(cfg, root, training=False)
    assert cfg.test_dataloader.dataset.ann_file == cfg.val_dataloader.dataset.ann_file
    (told,) = copy.findings.lines()
    assert "no labelled test split" in told


def test_the_training_split_is_optional_for_testing(make_coco_folder):
    root = make_coco_folder(val=OFFICIAL["val"])
    cfg = retinanet()
    before = cfg.train_dataloader.dataset.to_dict()
    point_config_at(cfg, root, training=False)
    assert cfg.train_dataloader.dataset.to_dict() == before
    assert cfg.test_dataloader.dataset.data_root == str(root)
    with pytest.raises(DataError, match="has no train split"):
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
    assert first.ann_file == cfg.val_dataloader.dataset.ann_file
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
    (root / OFFICIAL["train"][0]).write_text("{")


def _cut_json(root):
    path = root / OFFICIAL["val"][0]
    path.write_text(path.read_text()[:-20])


def _rename_classes(content):
    for category in content["categories"]:
        category["name"] *= 2


FAULTS = {
    "no training file": (_without(OFFICIAL["train"][0]), "has no train split"),
    "no images": (_lose_images, r"2 of the 2 pictures of .*val2017\.json .*not there"),
    "no image folder": (_lose_image_folder, r"2 of the 2 pictures .*not there"),
    "not JSON": (_break_json, "no annotations that can be read .*val2017"),
    "an empty file": (
        lambda root: (root / OFFICIAL["val"][0]).write_text(""),
        r"val2017\.json is none of COCO",
    ),
    "cut off": (_cut_json, r"val2017\.json is not JSON"),
    "not COCO": (_rewrite("train", lambda c: c.pop("images")), "not COCO"),
    "two names for a class id": (
        _rewrite("val", lambda c: c["categories"][1].update(id=1)),
        "category id 1 to two names, cat and dog",
    ),
    "two pictures of one id": (
        _rewrite("val", lambda c: c["images"][1].update(id=1)),
        "image id 1 to two pictures",
    ),
    "nothing of a class that is trained": (
        _rewrite(
            "val", lambda c: [k.update(name=k["name"] * 2) for k in c["categories"]]
        ),
        "no class in common",
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


def test_pictures_for_training_need_not_be_there_for_testing(make_coco_folder):
    # The training file knows a class more, which the model has an output for.
    content = coco_content(["1.jpg", "2.jpg"], (*CLASSES, "fish"))
    root = make_coco_folder(
        train=(*OFFICIAL["train"], content), val=OFFICIAL["val"], test=("test.json", "")
    )
    shutil.rmtree(root / "train2017")
    cfg = retinanet()
    copy = point_config_at(cfg, root, training=False)
    assert set(copy.summary.splits) == {"val", "test"}
    assert cfg.model.bbox_head.num_classes == 4
    with pytest.raises(DataError, match="2 of the 2 pictures"):
        point_config_at(retinanet(), root)


@pytest.mark.parametrize("train", ["train.json", "all.json"])
def test_training_and_testing_count_the_same_classes(make_coco_folder, train):
    # The test file has the others in another order, and one of its own.
    content = coco_content(["1.jpg", "2.jpg"], ("fish", "dog", "cat"))
    root = make_coco_folder(train=(train, "train"), test=("test.json", "test", content))
    trained, tested = retinanet(), retinanet()
    point_config_at(trained, root)
    copy = point_config_at(tested, root, training=False)
    assert copy.summary.classes == CLASSES
    assert trained.model == tested.model
    (told,) = (line for line in copy.findings.lines() if "only the test split" in line)
    assert told.startswith("left out: 2 objects of classes")
    assert told.endswith("(test.json: 1 (fish), 4 (fish))")
    test = json.loads(Path(tested.test_dataloader.dataset.ann_file).read_text())
    ids = [entry["category_id"] for entry in test["annotations"]]
    assert ids == [2, 1, 2, 1]


def test_a_test_split_alone_has_its_own_classes(make_coco_folder):
    root = make_coco_folder(test=("test.json", "test"))
    copy = point_config_at(retinanet(), root, training=False)
    assert copy.summary.classes == CLASSES
