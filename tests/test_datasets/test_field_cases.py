"""The odd folders of real users, through the hook that every tool uses."""

import copy
import functools
import importlib.util
import json
import logging

import numpy as np
import pytest
from mmdet.registry import DATASETS, METRICS
from mmengine.config import Config
from support.running_tools import TINY

from ghostnet_mm.configuration.data.checks import check_data
from ghostnet_mm.configuration.data.clean_data import use_clean_data, use_data_roots
from ghostnet_mm.errors import DataError

# What of the data differs from the plain folder's, if anything but the form, and what
# is told.
SAME = {
    "plain": (),
    "iscrowd-missing": ("16 objects without a usable iscrowd: read as 0",),
    "iscrowd-null": ("16 objects without a usable iscrowd",),
    "iscrowd-missing-val": ("8 objects without a usable iscrowd",),
    "area-missing": ("16 objects without a usable area",),
    "area-0": ("16 objects without a usable area",),
    "categories-reversed-val": ("another order: matched by name",),
    "category-ids-differ-val": (),
    "annotation-ids-from-0": ("2 object ids that are missing, 0 or used twice",),
    "annotation-ids-missing": ("16 object ids that are missing",),
    "annotation-ids-duplicate": ("14 object ids that are missing, 0 or used twice",),
    "category-ids-string": (),
    "bom": (),
    "windows-names": ("8 pictures found by the last part", "images\\0000.png"),
    "unlabelled-test": (),
    "capital-splits": (),
    "png-rgba": (),
    "size-missing": ("8 pictures without a stated size",),
    "size-swapped": ("8 pictures of another size than stated",),
    "yolo": (),
    "listed-picture-missing": ("left out: 1 listed picture that is not there", "gone"),
}
# Objects of training and validation that are left.
CHANGED = {
    "chinese": ((8, 8), ()),
    "exif": ((7, 7), ("2 pictures turned by their EXIF tag",)),
    "box-over-border": ((8, 8), ("2 boxes over the border",)),
    "box-outside": ((7, 7), ("left out: 2 boxes outside their pictures",)),
    "box-without-width": ((7, 7), ("left out: 2 boxes under a pixel",)),
    "roboflow-one-class": ((4, 4), ("2 classes without objects", "dropped", "cup")),
    "jpeg-half-val": ((8, 6), ("left out: 1 picture that cannot be read", "cut.jpg")),
    "jpeg-half-train": ((6, 8), ("left out: 1 picture that cannot be read", "cut.jpg")),
    "pictures-30x20": ((8, 8), ("4 training pictures below", "lifted")),
    "negatives": ((4, 8), ("left out: 2 training pictures without objects",)),
}
REFUSED = {
    "iscrowd-all-1": ("nothing but crowd regions", "--crowd-as-objects"),
    "no-boxes-val": ("instances_val2017.json has no object in its 4 pictures",),
}


@pytest.fixture(scope="module")
def make_cases(project_root):
    file = project_root.parent / "shared" / "field_cases" / "make_cases.py"
    if not file.is_file():
        pytest.skip("the folder of field cases is not there")
    spec = importlib.util.spec_from_file_location("make_cases", file)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def folder(make_cases, tmp_path):
    def make(case):
        root = tmp_path / case
        make_cases.CASES[case](make_cases.make(root))
        return root

    return make


@functools.cache
def tiny_config():
    return Config.fromfile(TINY)


def configured(root, training=True, **options):
    cfg = copy.deepcopy(tiny_config())
    use_data_roots(cfg, str(root), training, **options)
    splits = ("train", "val") if training else ("test",)
    use_clean_data(cfg, splits)
    check_data(cfg, splits)
    return cfg


def mmdets_dataset(cfg, split):
    # Serializing collects all garbage, which takes a second.
    changes = dict(pipeline=[], serialize_data=False)
    return DATASETS.build({**cfg[f"{split}_dataloader"].dataset, **changes})


def seen_by_mmdet(cfg, split):
    """Return what mmdet reads: name, size, boxes and labels of every picture."""
    dataset = mmdets_dataset(cfg, split)
    infos = [dataset.get_data_info(index) for index in range(len(dataset))]
    return [
        (
            info["img_path"].rpartition("/")[2],
            (info["width"], info["height"]),
            [(i["bbox_label"], i["bbox"], i["ignore_flag"]) for i in info["instances"]],
        )
        for info in infos
    ]


def score_of_perfect_detections(cfg):
    """Return COCO AP of a detector that finds exactly the boxes of the clean copy."""
    dataset = mmdets_dataset(cfg, "val")
    metric = METRICS.build(dict(cfg.val_evaluator))
    metric.dataset_meta = dataset.metainfo
    for index in range(len(dataset)):
        info = dataset.get_data_info(index)
        boxes = np.array([i["bbox"] for i in info["instances"]]).reshape(-1, 4)
        found = dict(
            img_id=info["img_id"],
            bboxes=boxes,
            scores=np.linspace(0.9, 0.5, len(boxes)),
            labels=np.array([i["bbox_label"] for i in info["instances"]], int),
        )
        metric.results.append((dict(width=96, height=64, img_id=info["img_id"]), found))
    logging.disable(logging.INFO)
    try:
        return metric.compute_metrics(metric.results)["bbox_mAP"]
    finally:
        logging.disable(logging.NOTSET)


@pytest.mark.parametrize(("case", "told"), SAME.items(), ids=SAME)
def test_another_form_is_the_same_data(folder, capsys, case, told):
    plain, odd = configured(folder("plain")), None
    capsys.readouterr()
    odd = configured(folder(case)) if case != "plain" else plain
    text = capsys.readouterr().out
    for split in ("train", "val"):
        assert seen_by_mmdet(odd, split) == seen_by_mmdet(plain, split)
    assert score_of_perfect_detections(odd) == 1
    assert all(words in text for words in told), text
    if not told:
        assert "repaired" not in text
        assert "left out" not in text


@pytest.mark.parametrize(("case", "expected"), CHANGED.items(), ids=CHANGED)
def test_what_cannot_stay_is_told(folder, capsys, case, expected):
    counts, told = expected
    cfg = configured(folder(case))
    text = capsys.readouterr().out
    for split, count in zip(("train", "val"), counts, strict=True):
        seen = seen_by_mmdet(cfg, split)
        assert sum(len(objects) for _, _, objects in seen) == count
    assert score_of_perfect_detections(cfg) == 1
    assert all(words in text for words in told), text


@pytest.mark.parametrize(("case", "told"), REFUSED.items(), ids=REFUSED)
def test_what_cannot_be_meant_is_one_sentence(folder, case, told):
    with pytest.raises(DataError) as raised:
        configured(folder(case))
    assert all(words in str(raised.value) for words in told)
    assert "\n" not in str(raised.value)


def test_voc_is_the_same_data_under_other_names(folder, capsys):
    plain, voc = configured(folder("plain")), configured(folder("voc"))
    for split in ("train", "val"):
        pairs = zip(seen_by_mmdet(plain, split), seen_by_mmdet(voc, split), strict=True)
        for (name, *rest), (other, *same) in pairs:
            assert other == f"{split}{name}"
            assert same == rest
    assert "repaired" not in capsys.readouterr().out


def test_crowds_are_objects_on_demand(folder, capsys):
    cfg = configured(folder("iscrowd-all-1"), crowd_as_objects=True)
    assert seen_by_mmdet(cfg, "train") == seen_by_mmdet(
        configured(folder("plain")), "train"
    )
    assert "16 crowd regions read as objects" in capsys.readouterr().out


def test_a_turned_photo_has_the_size_it_is_read_in(folder):
    seen = seen_by_mmdet(configured(folder("exif")), "val")
    name, size, objects = seen[0]
    assert (name, size) == ("0000.jpg", (64, 96))
    assert objects == [(0, [10, 60, 40, 90], 0)]


def test_a_box_over_the_border_is_clipped_to_it(folder):
    seen = seen_by_mmdet(configured(folder("box-over-border")), "val")
    assert seen[0][2][0][1] == [80, 50, 96, 64]


@pytest.mark.parametrize("case", ["area-0", "box-outside", "size-swapped"])
def test_strict_data_refuses_what_needs_repair(folder, case):
    with pytest.raises(DataError, match=r"--strict-data: (repaired|left out): "):
        configured(folder(case), strict=True)


@pytest.mark.parametrize("case", ["plain", "negatives", "chinese", "capital-splits"])
def test_strict_data_passes_what_needs_none(folder, case):
    configured(folder(case), strict=True)


def test_an_unlabelled_test_split_is_predicted_on_and_not_scored(folder):
    cfg = configured(folder("unlabelled-test"), training=False)
    assert [name for name, _, _ in seen_by_mmdet(cfg, "test")] == [
        f"000{i}.png" for i in range(4)
    ]
    assert cfg.test_evaluator.format_only
    assert not cfg.val_evaluator.get("format_only")


def test_a_broken_test_split_does_not_stop_training(folder):
    root = folder("plain")
    (root / "annotations" / "instances_test2017.json").write_text('{"images": [')
    configured(root)
    with pytest.raises(DataError, match=r"instances_test2017\.json is not JSON"):
        configured(root, training=False)


def test_the_originals_are_never_touched(folder):
    root = folder("area-0")
    before = {path: path.read_bytes() for path in root.rglob("*") if path.is_file()}
    configured(root)
    after = {path: path.read_bytes() for path in root.rglob("*") if path.is_file()}
    assert before == after


def test_the_clean_copy_has_all_that_libraries_want(folder):
    cfg = configured(folder("annotation-ids-missing"))
    content = json.loads(open(cfg.train_dataloader.dataset.ann_file).read())
    assert [a["id"] for a in content["annotations"]] == list(range(1, 9))
    assert [i["id"] for i in content["images"]] == [1, 2, 3, 4]
    assert [c["id"] for c in content["categories"]] == [1, 2]
    for annotation in content["annotations"]:
        assert set(annotation) == {
            *("id", "image_id", "category_id", "bbox", "area", "iscrowd")
        }
        assert annotation["area"] == annotation["bbox"][2] * annotation["bbox"][3]
