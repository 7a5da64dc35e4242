"""The embedded dataset: valid, honest, deterministic, never half written."""

import contextlib
import io
import json
import stat

import cv2
import numpy as np
import pytest
from pycocotools.coco import COCO
from sklearn.datasets import load_digits
from support.clean_copies import copy_of

import ghostnet_mm.datasets.digits.dataset as digits_module
from ghostnet_mm.datasets.digits.dataset import make_digits_dataset
from ghostnet_mm.datasets.digits.scenes import (
    SPLITS,
    handwriting,
    photo_regions,
    render_ink,
)
from ghostnet_mm.errors import DataError, OptionError

NUM = dict(train=40, val=12)


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    out_dir = tmp_path_factory.mktemp("data") / "digits"
    return make_digits_dataset(out_dir, num_train=NUM["train"], num_val=NUM["val"])


def annotation_file(folder, split):
    return folder / "annotations" / f"instances_{split}2017.json"


def load_coco(folder, split):
    with contextlib.redirect_stdout(io.StringIO()):
        return COCO(str(annotation_file(folder, split)))


def image_of(folder, split, coco, image_id):
    name = coco.loadImgs([image_id])[0]["file_name"]
    return cv2.imread(str(folder / f"{split}2017" / name))


@pytest.mark.parametrize("split", SPLITS)
def test_boxes_and_areas_are_those_of_the_decoded_masks(dataset, split):
    coco = load_coco(dataset, split)
    assert len(coco.imgs) == NUM[split]
    assert len(coco.anns) > NUM[split]
    for annotation in coco.anns.values():
        mask = coco.annToMask(annotation)
        rows, columns = np.nonzero(mask)
        x, y, width, height = annotation["bbox"]
        assert (x, y) == (columns.min(), rows.min())
        assert (x + width, y + height) == (columns.max() + 1, rows.max() + 1)
        assert annotation["area"] == mask.sum() > 0


@pytest.mark.parametrize("split", SPLITS)
def test_files_agree_with_the_annotations(dataset, split):
    coco = load_coco(dataset, split)
    copy = copy_of(dataset)
    assert copy.summary.classes == tuple(str(digit) for digit in range(10))
    assert copy.summary.splits[split].objects == len(coco.anns)
    assert not copy.findings.lines(("left out", "repaired"))
    for image_id in coco.imgs:
        assert image_of(dataset, split, coco, image_id).shape == (256, 256, 3)
    assert len(list((dataset / f"{split}2017").iterdir())) == NUM[split]


@pytest.mark.parametrize("split", SPLITS)
def test_labels_are_those_of_the_handwriting_samples(dataset, split):
    coco = load_coco(dataset, split)
    target = load_digits().target
    names = {c["id"]: c["name"] for c in coco.cats.values()}
    for annotation in coco.anns.values():
        truth = str(target[annotation["sample_index"]])
        assert names[annotation["category_id"]] == truth


def test_masks_of_an_image_do_not_overlap(dataset):
    coco = load_coco(dataset, "train")
    for image_id in coco.imgs:
        masks = [coco.annToMask(a) for a in coco.imgToAnns[image_id]]
        assert not masks or sum(masks).max() == 1


def test_masks_mark_the_ink(dataset):
    # One ink has one color, the paper beside it another: inside the mask the picture
    # must vary far less around its mean than mask and surroundings differ.
    coco = load_coco(dataset, "train")
    differences = []
    for annotation in coco.anns.values():
        mask = coco.annToMask(annotation)
        around = cv2.dilate(mask, np.ones((9, 9))) - cv2.dilate(mask, np.ones((5, 5)))
        image = image_of(dataset, "train", coco, annotation["image_id"]).astype(float)
        core = cv2.erode(mask, np.ones((3, 3)))
        if core.sum() < 20:
            continue
        inside, outside = image[core == 1].mean(0), image[around == 1].mean(0)
        differences.append(np.abs(inside - outside).max())
    assert np.median(differences) > 50
    # A mask that lies elsewhere has no such contrast: about 10.
    assert np.quantile(differences, 0.02) > 15


def test_the_task_is_varied(dataset):
    coco = load_coco(dataset, "train")
    per_image = [len(coco.imgToAnns[i]) for i in coco.imgs]
    heights = [a["bbox"][3] for a in coco.anns.values()]
    assert min(per_image) == 0
    assert max(per_image) >= 6
    assert min(heights) < 30
    assert max(heights) > 70
    assert len({a["category_id"] for a in coco.anns.values()}) == 10


def test_splits_share_no_handwriting(dataset):
    samples = {s: handwriting(s).samples for s in SPLITS}
    distinct = {s: {x.tobytes() for x in samples[s]} for s in SPLITS}
    assert not distinct["train"] & distinct["val"]
    assert len(samples["train"]) + len(samples["val"]) == 1797
    used = {
        s: {a["sample_index"] for a in load_coco(dataset, s).anns.values()}
        for s in SPLITS
    }
    assert max(used["train"]) < min(used["val"])


def test_splits_share_no_photo_region(dataset):
    # Regions are views of the photographs: train and val must not share a pixel.
    regions = {s: {r.photo: r for r in photo_regions(s)} for s in SPLITS}
    assert set(regions["train"]) == set(regions["val"])
    for split in SPLITS:
        for image in load_coco(dataset, split).imgs.values():
            region = regions[split][image["photo"]]
            x, y, width, height = image["photo_box"]
            assert x >= region.x
            assert y >= region.y
            assert x + width <= region.x + region.pixels.shape[1]
            assert y + height <= region.y + region.pixels.shape[0]
    for train in regions["train"].values():
        val = regions["val"][train.photo]
        apart_in_x = train.x + train.pixels.shape[1] <= val.x
        apart_in_y = train.y + train.pixels.shape[0] <= val.y
        assert apart_in_x or apart_in_y


def test_background_is_the_photo_box_it_names(dataset):
    # The recorded box, cut from the photograph itself, must look like the image: this
    # ties the record, which the test above relies on, to the pixels.
    from skimage import data
    from sklearn.datasets import load_sample_image

    coco = load_coco(dataset, "val")
    for image in coco.imgs.values():
        name = image["photo"]
        if name in ("china", "flower"):
            photo = load_sample_image(f"{name}.jpg")
        else:
            photo = getattr(data, name)()
            photo = photo[0] if isinstance(photo, tuple) else photo
        photo = photo if photo.ndim == 2 else cv2.cvtColor(photo, cv2.COLOR_RGB2GRAY)
        x, y, width, height = image["photo_box"]
        expected = cv2.resize(photo[y : y + height, x : x + width], (256, 256))
        drawn = image_of(dataset, "val", coco, image["id"])
        drawn = cv2.cvtColor(drawn, cv2.COLOR_BGR2GRAY)
        paper = np.ones((256, 256), bool)
        for annotation in coco.imgToAnns[image["id"]]:
            left, top, w, h = annotation["bbox"]
            paper[max(top - 4, 0) : top + h + 4, max(left - 4, 0) : left + w + 4] = 0
        correlation = max(
            np.corrcoef(drawn[paper], version[paper])[0, 1]
            for version in (expected, expected[:, ::-1])
        )
        assert correlation > 0.8, image


def test_same_seed_gives_the_same_bytes(dataset, tmp_path):
    again = make_digits_dataset(tmp_path / "again", NUM["train"], NUM["val"])
    for split in SPLITS:
        first, second = (annotation_file(d, split) for d in (dataset, again))
        assert first.read_bytes() == second.read_bytes()
    for image in sorted((dataset / "val2017").iterdir()):
        assert (again / "val2017" / image.name).read_bytes() == image.read_bytes()


def test_pictures_drawn_side_by_side_are_those_drawn_in_turn(
    dataset, tmp_path, monkeypatch
):
    monkeypatch.setattr(
        digits_module, "_on_all_cores", lambda draw, count: map(draw, range(count))
    )
    in_turn = make_digits_dataset(tmp_path / "in_turn", NUM["train"], NUM["val"])
    files = sorted(file.relative_to(dataset) for file in dataset.rglob("*.*"))
    assert len(files) == sum(NUM.values()) + 2
    for file in files:
        assert (in_turn / file).read_bytes() == (dataset / file).read_bytes(), file


def test_opencv_keeps_its_number_of_threads(tmp_path):
    before = cv2.getNumThreads()
    make_digits_dataset(tmp_path / "digits", 1, 1, image_size=64)
    assert cv2.getNumThreads() == before


def test_images_do_not_depend_on_their_number_but_on_the_seed(dataset, tmp_path):
    fewer = make_digits_dataset(tmp_path / "fewer", 3, 1)
    other = make_digits_dataset(tmp_path / "other", 3, 1, seed=1)
    name = "train2017/000000000003.jpg"
    assert (fewer / name).read_bytes() == (dataset / name).read_bytes()
    assert (other / name).read_bytes() != (dataset / name).read_bytes()


def test_a_complete_folder_is_reused(dataset, tmp_path):
    times = {f: f.stat().st_mtime_ns for f in dataset.rglob("*")}
    assert make_digits_dataset(dataset, NUM["train"], NUM["val"]) == dataset
    assert {f: f.stat().st_mtime_ns for f in dataset.rglob("*")} == times


def test_other_parameters_are_refused(dataset):
    with pytest.raises(DataError, match="seed 0 instead of 5"):
        make_digits_dataset(dataset, NUM["train"], NUM["val"], seed=5)


def test_a_folder_with_other_files_is_refused_and_kept(tmp_path):
    (tmp_path / "holiday.jpg").write_bytes(b"precious")
    with pytest.raises(DataError, match="not the digits dataset"):
        make_digits_dataset(tmp_path, 1, 1)
    assert [f.name for f in tmp_path.iterdir()] == ["holiday.jpg"]


def test_lost_images_are_noticed(tmp_path):
    folder = make_digits_dataset(tmp_path / "digits", 2, 1, image_size=64)
    (folder / "train2017" / "000000000001.jpg").unlink()
    with pytest.raises(DataError, match="1 of 2 images in train2017"):
        make_digits_dataset(folder, 2, 1, image_size=64)


def test_a_file_in_the_way_is_refused(tmp_path):
    (tmp_path / "digits").write_text("")
    with pytest.raises(DataError, match="not a folder"):
        make_digits_dataset(tmp_path / "digits", 1, 1)


def test_an_impossible_place_is_one_sentence(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OptionError, match=r"cannot be written: .*file is a file"):
        make_digits_dataset(tmp_path / "file" / "digits", 1, 1)


@pytest.mark.parametrize(
    "arguments",
    [dict(num_train=0), dict(num_val=-1), dict(image_size=8), dict(seed=-1)],
    ids=str,
)
def test_impossible_numbers_are_refused(tmp_path, arguments):
    (name,) = arguments
    with pytest.raises(OptionError, match=name):
        make_digits_dataset(tmp_path / "digits", **arguments)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("error", [KeyboardInterrupt, OSError(28, "No space left")])
def test_an_interrupted_run_leaves_nothing(tmp_path, monkeypatch, error):
    def stop_at_the_third_image(path, image):
        if path.name.endswith("3.jpg"):
            raise error
        path.write_bytes(b"")

    monkeypatch.setattr(digits_module, "_write_jpeg", stop_at_the_third_image)
    expected = OptionError if isinstance(error, OSError) else error
    with pytest.raises(expected):
        make_digits_dataset(tmp_path / "digits", 5, 1, image_size=64)
    assert not list(tmp_path.iterdir())


def test_folder_is_as_readable_as_any_other(tmp_path):
    folder = make_digits_dataset(tmp_path / "digits", 1, 1, image_size=64)
    (tmp_path / "ordinary").mkdir()
    ordinary = stat.S_IMODE((tmp_path / "ordinary").stat().st_mode)
    assert stat.S_IMODE(folder.stat().st_mode) == ordinary


def test_progress_counts_every_image(tmp_path):
    calls = []
    make_digits_dataset(
        tmp_path / "digits", 3, 2, 64, progress=lambda *call: calls.append(call)
    )
    assert calls == [(i, 5) for i in range(1, 6)]


@pytest.mark.parametrize("height", [20.0, 45.0, 90.0])
def test_ink_has_the_asked_for_height(height):
    digit = load_digits().images[0] / 16
    alpha = render_ink(digit.astype(np.float32), height, 0, 0, 0)
    rows = np.nonzero((alpha > 0.5).any(axis=1))[0]
    assert abs(rows.max() + 1 - rows.min() - height) < 0.15 * height


def test_ink_turns_counter_clockwise():
    bar = np.zeros((8, 8), np.float32)
    bar[:, 3:5] = 1
    alpha = render_ink(bar, 64, rotation=15, shear=0, boldness=0)
    columns = np.arange(alpha.shape[1])
    top, bottom = alpha[:12].sum(0), alpha[-12:].sum(0)
    assert (top @ columns) / top.sum() < (bottom @ columns) / bottom.sum() - 5


def test_annotation_file_is_plain_json(dataset):
    content = json.loads(annotation_file(dataset, "val").read_text())
    assert [c["id"] for c in content["categories"]] == list(range(1, 11))
    train = json.loads(annotation_file(dataset, "train").read_text())
    ids = [image["id"] for d in (train, content) for image in d["images"]]
    assert len(set(ids)) == sum(NUM.values())
