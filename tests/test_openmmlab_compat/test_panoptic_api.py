"""The provided ``panopticapi``: found last, and its PQ equals the definition's."""

import importlib
import json
import math
import pickle
import sys

import numpy as np
import pytest
from mmdet.evaluation.functional import panoptic_utils
from mmdet.evaluation.metrics import coco_panoptic_metric
from PIL import Image

from ghostnet_mm.openmmlab_compat import panoptic_api
from ghostnet_mm.openmmlab_compat.panoptic_quality import OFFSET, PQStat, id2rgb, rgb2id

needs_provided_package = pytest.mark.skipif(
    panoptic_api.panoptic_api_is_installed(), reason="panopticapi is installed"
)
CAT, DOG, GRASS, SKY = 1, 2, 10, 11
CATEGORIES = {
    number: dict(id=number, isthing=isthing)
    for number, isthing in ((CAT, 1), (DOG, 1), (GRASS, 0), (SKY, 0))
}


@needs_provided_package
def test_mmdet_uses_what_is_provided():
    from mmdet.datasets.transforms import LoadPanopticAnnotations

    assert coco_panoptic_metric.PQStat is PQStat
    assert coco_panoptic_metric.id2rgb is id2rgb
    assert panoptic_utils.OFFSET == 2**24
    assert panoptic_utils.VOID == 0
    assert LoadPanopticAnnotations().rgb2id is rgb2id


@needs_provided_package
def test_an_installed_package_goes_first_and_is_not_completed(tmp_path, monkeypatch):
    package = tmp_path / "panopticapi"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "utils.py").write_text("rgb2id = 'installed'")
    for name in panoptic_api.PROVIDED_MODULES:
        importlib.import_module(name)  # so that monkeypatch brings it back
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.syspath_prepend(tmp_path)

    assert panoptic_api.panoptic_api_is_installed()
    assert importlib.import_module("panopticapi.utils").rgb2id == "installed"
    with pytest.raises(ModuleNotFoundError):
        importlib.import_module("panopticapi.evaluation")


def test_ids_become_colors_and_back():
    ids = np.array([[0, 1, 255, 256], [65535, 65536, 8345037, OFFSET - 1]])
    colors = id2rgb(ids)
    assert colors.dtype == np.uint8
    # COCO's format page: id = R + G * 256 + B * 256^2.
    for segment_id, (red, green, blue) in zip(
        ids.ravel(), colors.reshape(-1, 3), strict=True
    ):
        assert int(red) + int(green) * 256 + int(blue) * 256**2 == segment_id
        assert id2rgb(int(segment_id)) == [red, green, blue]
        assert rgb2id((red, green, blue)) == segment_id
    np.testing.assert_array_equal(rgb2id(colors), ids)
    assert rgb2id(colors).dtype == np.int32


@pytest.mark.parametrize("bad", [-1, OFFSET])
def test_an_id_that_three_bytes_cannot_hold_is_an_error(bad):
    with pytest.raises(ValueError, match="16777215"):
        id2rgb(np.array([[1, bad]]))


def test_averages_are_over_the_categories_that_occur():
    stat = PQStat()
    cat, grass = stat[CAT], stat[GRASS]
    cat.iou, cat.tp, cat.fp, cat.fn = 1.4, 2, 1, 2
    grass.fn = 1
    everything, each = stat.pq_average(CATEGORIES, isthing=None)
    assert everything["n"] == 2
    assert each[CAT]["pq"] == pytest.approx(1.4 / 3.5)
    assert each[CAT]["sq"] == pytest.approx(0.7)
    assert each[CAT]["rq"] == pytest.approx(2 / 3.5)
    assert each[GRASS] == dict(pq=0.0, sq=0.0, rq=0.0)
    assert list(each) == list(CATEGORIES)  # mmdet zips them with the class names
    assert everything["pq"] == pytest.approx(0.7 / 3.5)
    things, _ = stat.pq_average(CATEGORIES, isthing=True)
    assert (things["n"], things["pq"]) == (1, pytest.approx(1.4 / 3.5))
    assert DOG not in stat.pq_per_cat  # asking must not add what adding would count


def test_averages_over_nothing_are_nan():
    stuff, _ = PQStat().pq_average(CATEGORIES, isthing=False)
    assert stuff["n"] == 0
    assert all(math.isnan(stuff[key]) for key in ("pq", "sq", "rq"))


def test_counts_of_several_processes_add_up():
    total = PQStat()
    for _ in range(2):
        part = PQStat()
        part[DOG].tp, part[DOG].iou, part[SKY].fp = 1, 0.75, 2
        total += pickle.loads(pickle.dumps(part))
    assert (total[DOG].tp, total[DOG].iou, total[SKY].fp) == (2, 1.5, 4)


def write_map(path, ids):
    path.parent.mkdir(exist_ok=True)
    channels = [(ids >> shift) & 255 for shift in (0, 8, 16)]
    Image.fromarray(np.stack(channels, -1).astype(np.uint8)).save(path)


def read_map(path):
    pixels = np.asarray(Image.open(path).convert("RGB")).astype(np.int64)
    return pixels @ np.array([1, 256, 65536])


def segments(ids, category_of, crowds=()):
    return [
        dict(
            id=int(segment_id),
            category_id=category_of[segment_id],
            iscrowd=int(segment_id in crowds),
            area=int((ids == segment_id).sum()),
        )
        for segment_id in np.unique(ids)
        if segment_id != 0
    ]


def mmdets_scores(folder, pairs, categories):
    """PQ, SQ, RQ of all categories from mmdet's code with the provided package."""
    stat = panoptic_utils.pq_compute_single_core(
        0, pairs, str(folder / "truth"), str(folder / "found"), categories
    )
    average, _ = stat.pq_average(categories, isthing=None)
    return [average[key] for key in ("pq", "sq", "rq")]


def defined_scores(folder, pairs, categories):
    """The same from the definition: masks, pair by pair, category by category."""
    scores = []
    for category in categories:
        tp, fp, fn, total = 0, 0, 0, 0.0
        for truth_entry, found_entry in pairs:
            truth = read_map(folder / "truth" / truth_entry["file_name"])
            found = read_map(folder / "found" / found_entry["file_name"])
            # Void pixels, and crowds of the category, belong to nobody.
            mine = [
                s for s in truth_entry["segments_info"] if s["category_id"] == category
            ]
            crowd = truth == 0
            for segment in mine:
                if segment["iscrowd"]:
                    crowd = crowd | (truth == segment["id"])
            wanted = [truth == s["id"] for s in mine if not s["iscrowd"]]
            predicted = [
                found == s["id"]
                for s in found_entry["segments_info"]
                if s["category_id"] == category
            ]
            taken = set()
            for prediction in predicted:
                for index, mask in enumerate(wanted):
                    common = np.count_nonzero(mask & prediction)
                    either = np.count_nonzero(
                        (mask | prediction) & ~(truth == 0) | mask
                    )
                    if common / either > 0.5:
                        tp, total = tp + 1, total + common / either
                        taken.add(index)
                        break
                else:
                    unclear = np.count_nonzero(prediction & crowd)
                    fp += unclear <= np.count_nonzero(prediction) / 2
            fn += len(wanted) - len(taken)
        if tp + fp + fn:
            segments_in_all = tp + fp / 2 + fn / 2
            scores.append(
                (total / segments_in_all, total / tp if tp else 0, tp / segments_in_all)
            )
    return np.mean(scores, axis=0)


def test_pq_of_hand_made_maps_equals_the_definition(tmp_path):
    truth = np.zeros((40, 50), np.int64)
    truth[:20] = 1  # sky
    truth[20:36] = 70000  # grass; the last rows are void
    truth[10:25, 5:15] = 300  # a cat
    truth[10:25, 20:30] = 301  # another
    truth[10:25, 35:48] = 302  # a crowd of dogs
    found = np.zeros_like(truth)
    found[:18] = 4
    found[18:30] = 5  # grass, short of it
    found[30:40] = 6  # grass again where it goes over into void
    found[12:26, 5:15] = 3000  # the cat, a little low
    found[10:17, 20:30] = 3001  # too little of the other one
    found[17:25, 20:30] = 3002  # the rest of it, called a dog
    found[11:20, 36:40] = 3003  # a dog in the crowd: ignored
    found[33:40, 0:6] = 3004  # a dog, more than half in void: ignored
    category_of = {1: SKY, 70000: GRASS, 300: CAT, 301: CAT, 302: DOG}
    found_as = {4: SKY, 5: GRASS, 6: GRASS, 3000: CAT, 3001: CAT, 3002: DOG}
    found_as |= {3003: DOG, 3004: DOG}
    write_map(tmp_path / "truth" / "1.png", truth)
    write_map(tmp_path / "found" / "1.png", found)
    truth_entry = dict(
        image_id=1, file_name="1.png", segments_info=segments(truth, category_of, [302])
    )
    found_entry = dict(
        image_id=1, file_name="1.png", segments_info=segments(found, found_as)
    )
    pairs = [(truth_entry, found_entry)]
    scores = mmdets_scores(tmp_path, pairs, CATEGORIES)
    expected = defined_scores(tmp_path, pairs, CATEGORIES)
    np.testing.assert_allclose(scores, expected, rtol=1e-12)
    # By hand: a cat of two is found, and every dog but one is ignored.
    stat = panoptic_utils.pq_compute_single_core(
        0, pairs, str(tmp_path / "truth"), str(tmp_path / "found"), CATEGORIES
    )
    assert (stat[CAT].tp, stat[CAT].fp, stat[CAT].fn) == (1, 1, 1)
    assert (stat[DOG].tp, stat[DOG].fp, stat[DOG].fn) == (0, 1, 0)
    assert (stat[SKY].tp, stat[SKY].fp, stat[SKY].fn) == (1, 0, 0)


@pytest.fixture(scope="module")
def real_pairs(coco_subset, tmp_path_factory):
    """Six real images, one of them with a crowd, and a distorted copy of each."""
    content = json.loads(
        (coco_subset / "annotations" / "panoptic_val2017.json").read_text()
    )
    categories = {category["id"]: category for category in content["categories"]}
    annotations = sorted(
        content["annotations"],
        key=lambda annotation: -sum(s["iscrowd"] for s in annotation["segments_info"]),
    )[:6]
    folder = tmp_path_factory.mktemp("panoptic")
    (folder / "truth").symlink_to(coco_subset / "annotations" / "panoptic_val2017")
    generator = np.random.default_rng(0)
    same, distorted = [], []
    for annotation in annotations:
        name = annotation["file_name"]
        same.append((annotation, annotation))
        ids = np.roll(read_map(folder / "truth" / name), (4, -7), axis=(0, 1))
        of = {s["id"]: s["category_id"] for s in annotation["segments_info"]}
        for segment_id in list(of):
            fate = generator.random()
            if fate < 0.15:
                ids[ids == segment_id] = 0
            elif fate < 0.3:
                of[segment_id] = int(generator.choice(list(categories)))
        write_map(folder / "found" / name, ids)
        distorted.append(
            (annotation, dict(annotation, segments_info=segments(ids, of)))
        )
    return folder, categories, same, distorted


def test_real_truth_against_itself_has_pq_100(real_pairs):
    folder, categories, same, _ = real_pairs
    itself = panoptic_utils.pq_compute_single_core(
        0, same, str(folder / "truth"), str(folder / "truth"), categories
    )
    # Predicted crowds are ignored: only categories of crowds alone drop out.
    for isthing in (None, True, False):
        average, _ = itself.pq_average(categories, isthing)
        assert average["n"] > 5
        assert [average[key] for key in ("pq", "sq", "rq")] == [1.0, 1.0, 1.0]


def test_pq_of_distorted_real_maps_equals_the_definition(real_pairs):
    folder, categories, _, distorted = real_pairs
    assert any(s["iscrowd"] for truth, _ in distorted for s in truth["segments_info"])
    scores = mmdets_scores(folder, distorted, categories)
    expected = defined_scores(folder, distorted, categories)
    np.testing.assert_allclose(scores, expected, rtol=1e-12)
    assert 0.2 < scores[0] < 0.9
