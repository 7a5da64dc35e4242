"""Our fast metric against mmdet's and against pycocotools itself."""

import copy
import json

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from mmdet.evaluation import CocoMetric
from mmdet.registry import METRICS
from pycocotools.coco import COCO
from support.random_coco import random_annotations, random_predictions

from ghostnet_mm.evaluation import coco_engines, fast_coco_metric
from ghostnet_mm.evaluation.coco_engines import by_hotcoco, by_pycocotools
from ghostnet_mm.evaluation.coco_scores import RECALLS
from ghostnet_mm.evaluation.coco_table import use_fast_metric
from ghostnet_mm.evaluation.fast_coco_metric import FastCocoMetric
from ghostnet_mm.evaluation.without_prints import without_prints


def write(tmp_path_factory, truth):
    file = tmp_path_factory.mktemp("truth") / "truth.json"
    file.write_text(json.dumps(truth))
    return str(file)


def metric_of(kind, file, truth, samples, **options):
    with without_prints():
        metric = kind(ann_file=file, **options)
    metric.dataset_meta = dict(classes=[c["name"] for c in truth["categories"]])
    # mmdet's metric changes the masks it is given.
    metric.process({}, copy.deepcopy(samples))
    return metric


def scores_of(*arguments, **options):
    metric = metric_of(*arguments, **options)
    with without_prints():
        return metric.evaluate(len(metric.results))


def arrays_of(monkeypatch, file, truth, samples, **options):
    """Return hotcoco's arrays and pycocotools', from the same metric."""
    seen = []

    def both(loaded, found, rule):
        fast = by_hotcoco(loaded, found, rule)
        with without_prints():
            api = COCO(file)
        seen.append((fast, by_pycocotools(api, found, rule)))
        return fast

    with monkeypatch.context() as patched:
        patched.setattr(fast_coco_metric, "by_hotcoco", both)
        scores_of(FastCocoMetric, file, truth, samples, **options)
    return seen


@pytest.fixture
def told(monkeypatch):
    fast_coco_metric._warn_once.cache_clear()
    lines = []
    monkeypatch.setattr(fast_coco_metric, "_warn", lines.append)
    yield lines
    fast_coco_metric._warn_once.cache_clear()


@settings(max_examples=40, deadline=None, derandomize=True)
@given(
    seed=st.integers(0, 2**32 - 1),
    num_pictures=st.integers(1, 6),
    num_classes=st.integers(1, 5),
    most_objects=st.sampled_from([0, 1, 5, 30]),
    most_found=st.sampled_from([1, 10, 150]),
    levels=st.sampled_from([1, 3, 1000]),
    with_masks=st.booleans(),
    numbers=st.sampled_from([(100, 300, 1000), (1, 10, 100), (3,), (5, 100)]),
)
def test_the_arrays_are_those_of_pycocotools(
    tmp_path_factory,
    seed,
    num_pictures,
    num_classes,
    most_objects,
    most_found,
    levels,
    with_masks,
    numbers,
):
    generator = np.random.default_rng(seed)
    truth = random_annotations(
        generator, num_pictures, num_classes, most_objects, with_masks
    )
    samples = random_predictions(
        generator, truth, most_found, levels, with_masks, mask_scores=with_masks
    )
    file = write(tmp_path_factory, truth)
    tasks = ["bbox", "segm"] if with_masks else "bbox"
    with pytest.MonkeyPatch.context() as monkeypatch:
        pairs = arrays_of(
            monkeypatch, file, truth, samples, metric=tasks, proposal_nums=numbers
        )
    for fast, slow in pairs:
        np.testing.assert_array_equal(fast.precision, slow.precision)
        np.testing.assert_array_equal(fast.recall, slow.recall)


@pytest.mark.parametrize("with_masks", [False, True])
def test_a_thousand_in_a_picture(tmp_path_factory, monkeypatch, told, with_masks):
    generator = np.random.default_rng(5)
    truth = random_annotations(generator, 2, 2, 1000, with_masks)
    samples = random_predictions(generator, truth, 1000, 20, with_masks)
    file = write(tmp_path_factory, truth)
    metric = "segm" if with_masks else "bbox"
    ((fast, slow),) = arrays_of(monkeypatch, file, truth, samples, metric=metric)
    assert slow.precision.max() > 0
    np.testing.assert_array_equal(fast.precision, slow.precision)
    np.testing.assert_array_equal(fast.recall, slow.recall)
    assert "count the best 100 detections of each class" in told[0]


@pytest.fixture
def small(tmp_path_factory):
    """Return a file, its content and predictions, fewer than 100 in a picture."""
    generator = np.random.default_rng(11)
    truth = random_annotations(generator, 8, 3, 12, with_masks=True)
    # mmdet's table of classes is right only where the file lists them by id.
    truth["categories"].sort(key=lambda category: category["id"])
    samples = random_predictions(generator, truth, 60, 15, with_masks=True)
    return write(tmp_path_factory, truth), truth, samples


@pytest.mark.parametrize(
    "options",
    [
        dict(),
        dict(metric=["bbox", "segm"], classwise=True),
        dict(metric=["segm", "proposal", "bbox"]),
        dict(metric_items=["mAP", *RECALLS], prefix="mine"),
        dict(iou_thrs=np.array([0.5, 0.75])),
        dict(use_mp_eval=True),
    ],
)
def test_names_and_values_are_those_of_mmdet(small, options):
    fast = scores_of(FastCocoMetric, *small, **options)
    slow = scores_of(CocoMetric, *small, **options)
    assert list(fast) == list(slow)
    np.testing.assert_array_equal([*fast.values()], [*slow.values()])


def test_the_same_without_an_annotation_file(small):
    _, truth, samples = small
    for sample in samples:
        sample["instances"] = [
            dict(
                bbox=[*a["bbox"][:2], *(np.add(a["bbox"][:2], a["bbox"][2:]).tolist())],
                bbox_label=[c["id"] for c in truth["categories"]].index(
                    a["category_id"]
                ),
                ignore_flag=a["iscrowd"],
            )
            for a in truth["annotations"]
            if a["image_id"] == sample["img_id"]
        ]
    fast = scores_of(FastCocoMetric, None, truth, samples)
    assert fast == scores_of(CocoMetric, None, truth, samples)
    assert fast["coco/bbox_mAP"] > 0


def test_results_are_written_as_mmdet_writes_them(small, tmp_path):
    options = dict(metric=["bbox", "segm"])
    for name, kind in (("fast", FastCocoMetric), ("slow", CocoMetric)):
        scores_of(kind, *small, outfile_prefix=str(tmp_path / name), **options)
    for kind in ("bbox", "segm"):
        fast = (tmp_path / f"fast.{kind}.json").read_text()
        assert fast == (tmp_path / f"slow.{kind}.json").read_text()


def test_nothing_found_gives_no_scores_as_in_mmdet(small):
    file, truth, samples = small
    for sample in samples:
        found = sample["pred_instances"]
        for key in found:
            found[key] = found[key][:0]
    assert scores_of(FastCocoMetric, file, truth, samples) == {}


def test_a_class_has_its_own_precision_whatever_the_order_of_the_file(small):
    file, truth, samples = small
    shuffled = dict(truth, categories=truth["categories"][::-1])
    for sample in samples:
        labels = sample["pred_instances"]["labels"]
        labels[:] = 2 - labels
    with open(file, "w") as stream:
        json.dump(shuffled, stream)
    fast = scores_of(FastCocoMetric, file, shuffled, samples, classwise=True)
    for category in truth["categories"]:
        lone = metric_of(FastCocoMetric, file, shuffled, samples)
        lone.cat_ids = [category["id"]]
        lone.results = [(t, only(r, category, shuffled)) for t, r in lone.results]
        with without_prints():
            alone = lone.evaluate(len(samples))["coco/bbox_mAP"]
        assert fast[f"coco/{category['name']}_precision"] == alone


def only(result, category, truth):
    label = truth["categories"].index(category)
    kept = result["labels"] == label
    picked = {key: result[key][kept] for key in ("bboxes", "scores")}
    return dict(picked, img_id=result["img_id"], labels=result["labels"][kept] * 0)


@pytest.fixture
def crowded(tmp_path_factory):
    """Return a picture of 150 objects, the surest 100 found off by nearly half."""
    boxes = np.array([[8 * (i % 15), 8 * (i // 15), 6, 6] for i in range(150)], float)
    annotations = [
        dict(
            id=i + 1, image_id=1, category_id=1, bbox=box.tolist(), area=36.0, iscrowd=0
        )
        for i, box in enumerate(boxes)
    ]
    truth = dict(
        images=[dict(id=1, file_name="a.png", width=120, height=120)],
        categories=[dict(id=1, name="bead")],
        annotations=annotations,
    )
    generator = np.random.default_rng(0)
    (sample,) = random_predictions(generator, truth, 0)
    corners = np.concatenate([boxes[:, :2], boxes[:, :2] + boxes[:, 2:]], axis=1)
    sample["pred_instances"] = dict(
        bboxes=torch.tensor(corners),
        scores=torch.linspace(1, 0.1, 150),
        labels=torch.zeros(150, dtype=torch.int64),
    )
    return write(tmp_path_factory, truth), truth, [sample]


def test_every_column_is_cut_at_the_same_number(crowded, told):
    options = dict(classwise=True)
    fast = scores_of(FastCocoMetric, *crowded, **options)
    slow = scores_of(CocoMetric, *crowded, **options)
    # 100 of 150: up to recall 2/3, which 67 of 101 points reach.
    expected = round(67 / 101, 3)
    assert slow["coco/bbox_mAP"] == expected
    assert slow["coco/bbox_mAP_50"] == slow["coco/bead_precision"] == 1.0
    for item in ("bbox_mAP", "bbox_mAP_50", "bbox_mAP_75", "bbox_mAP_s"):
        assert fast[f"coco/{item}"] == expected
    assert fast["coco/bead_precision"] == expected
    (line,) = told
    assert "1 picture has more" in line
    assert "proposal_nums=(1, 10, 150)" in line


def test_the_limit_can_be_raised_as_the_message_says(crowded, told):
    fast = scores_of(FastCocoMetric, *crowded, proposal_nums=(1, 10, 150))
    assert fast["coco/bbox_mAP"] == fast["coco/bbox_mAP_50"] == 1.0
    assert not told


def test_pycocotools_steps_in_where_hotcoco_is_missing(small, monkeypatch, told):
    expected = scores_of(FastCocoMetric, *small, metric=["bbox", "segm"])
    monkeypatch.setattr(coco_engines, "hotcoco", None)
    for _ in range(2):
        found = scores_of(FastCocoMetric, *small, metric=["bbox", "segm"])
        assert found == expected
    assert len(told) == 1
    assert "hotcoco is not installed" in told[0]


def test_pycocotools_steps_in_where_hotcoco_fails(small, monkeypatch, told):
    expected = scores_of(FastCocoMetric, *small)

    def failing(*_):
        raise RuntimeError("no such thing")

    monkeypatch.setattr(fast_coco_metric, "by_hotcoco", failing)
    assert scores_of(FastCocoMetric, *small) == expected
    assert told == [
        "hotcoco failed (RuntimeError: no such thing): pycocotools computes COCO's "
        "scores, more slowly"
    ]


def test_the_slow_engine_can_be_asked_for(small, monkeypatch):
    expected = scores_of(FastCocoMetric, *small)
    monkeypatch.setattr(coco_engines, "hotcoco", None)
    assert scores_of(FastCocoMetric, *small, engine="pycocotools") == expected
    with pytest.raises(ValueError, match="engine is 'c'"):
        FastCocoMetric(engine="c")


def test_unknown_items_are_refused_before_anything_is_evaluated(small):
    with pytest.raises(KeyError, match="mAP_90"):
        FastCocoMetric(metric_items=["mAP", "mAP_90"])


def test_it_takes_the_place_of_mmdets_and_that_one_stays():
    evaluators = [dict(type="CocoMetric"), dict(type="VOCMetric")]
    use_fast_metric(evaluators)
    assert isinstance(METRICS.build(evaluators[0]), FastCocoMetric)
    assert evaluators[1] == dict(type="VOCMetric")
    assert METRICS.get("CocoMetric") is CocoMetric
