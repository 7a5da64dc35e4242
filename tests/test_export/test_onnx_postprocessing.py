"""Selection in the graph against mmdet's own functions, in both runtimes."""

import dataclasses

import numpy as np
import pytest
import torch
from mmcv.ops import batched_nms
from mmdet.models.layers import multiclass_nms
from mmdet.models.utils import filter_scores_and_topk

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

from onnx import TensorProto, helper  # noqa: E402
from support.descriptions import PLAIN, described  # noqa: E402

from ghostnet_mm.export.formats.onnx.postprocessing import (  # noqa: E402
    append_selection,
    needs_picture_sizes,
)

SIDE = 64  # as in `PLAIN`


def describe(classes=3, **changes):
    """A description with other rules on demand, whatever section they belong to."""
    sections = {
        section: {
            field.name: _tuple(changes.pop(field.name))
            for field in dataclasses.fields(getattr(PLAIN, section))
            if field.name in changes
        }
        for section in ("input", "resize", "outputs", "selection")
    }
    assert not changes
    return described(classes=tuple(map(str, range(classes))), **sections)


def _tuple(value):
    return tuple(value) if isinstance(value, list) else value


FACTORS = dict(score_factors=True, names=("boxes", "scores", "score_factors"))


def candidate_model(candidates: dict, description):
    """A graph that passes its further inputs on as candidates; all sizes are free."""
    batch = description.input.batch or "batch"
    side = description.input.height or None
    image = [batch, 3, side or "height", side or "width"]
    inputs = [helper.make_tensor_value_info("image", TensorProto.FLOAT, image)]
    outputs, nodes = [], []
    for name, values in candidates.items():
        static = description.input.height is not None
        shape = [batch, values.shape[1] if static else "P", *values.shape[2:]]
        for names, put in ((f"in_{name}", inputs), (name, outputs)):
            put.append(helper.make_tensor_value_info(names, TensorProto.FLOAT, shape))
        nodes.append(helper.make_node("Identity", [f"in_{name}"], [name]))
    graph = helper.make_graph(nodes, "candidates", inputs, outputs)
    opsets = [helper.make_opsetid("", 18)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=10)


def run_both(model, feeds: dict, tmp_path, stable=False) -> list[list[np.ndarray]]:
    """Outputs of ONNX Runtime and of OpenVINO."""
    import onnxruntime

    onnx.checker.check_model(model, full_check=True)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    feeds = {i.name: feeds[i.name] for i in session.get_inputs()}
    results = [session.run(None, feeds)]
    openvino = pytest.importorskip("openvino")
    onnx.save(model, tmp_path / "model.onnx")
    core = openvino.Core()
    converted = core.read_model(tmp_path / "model.onnx")
    for node in converted.get_ops():
        # The importer forgets that ONNX promises the lower index first.
        if stable and node.get_type_name() == "TopK":
            node.set_attribute("stable", True)
    settings = {"INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": 1}
    compiled = core.compile_model(converted, "CPU", settings)
    found = compiled(feeds)
    results.append([found[output] for output in compiled.outputs])
    return results


def random_candidates(seed=0, batch=1, priors=200, classes=3, class_boxes=False):
    """Boxes in a few heaps, some beyond the picture, and scores of all heights."""
    generator = np.random.default_rng(seed)
    shape = (batch, priors, classes) if class_boxes else (batch, priors)
    heaps = generator.uniform(0, SIDE, (6, 2))
    centers = heaps[generator.integers(0, 6, shape)]
    centers = centers + generator.normal(0, 3, centers.shape)
    halves = generator.uniform(4, 14, (*shape, 2))
    boxes = np.concatenate([centers - halves, centers + halves], -1)
    scores = generator.uniform(0, 1, (batch, priors, classes)) ** 2
    return dict(boxes=boxes.astype("f4"), scores=scores.astype("f4"))


def with_factors(candidates: dict, seed=1) -> dict:
    generator = np.random.default_rng(seed)
    factors = generator.uniform(0, 1, candidates["boxes"].shape[:2])
    return dict(candidates, score_factors=factors.astype("f4"))


def clipped(boxes, size):
    height, width = size
    limits = boxes.new_tensor([width, height, width, height])
    return torch.minimum(boxes.clamp(min=0), limits)


def mmdet_selection(boxes, scores, factors, levels, rules, size):
    """What mmdet's dense heads do to one image, from its own parts."""
    if rules.best_class:
        values, labels = scores.max(1)
        product = values * factors
        kept = product >= rules.score_threshold
        boxes, values, labels = boxes[kept], product[kept], labels[kept]
    else:
        parts = []
        start = 0
        for length in levels:
            own = [t[start : start + length] for t in (boxes, scores, factors)]
            start += length
            if rules.factor_threshold is not None:
                sure = own[2] >= rules.factor_threshold
                own = [tensor[sure] for tensor in own]
            values, labels, _, rest = filter_scores_and_topk(
                own[1],
                rules.score_threshold,
                rules.nms_pre or 10**6,
                dict(boxes=own[0], factors=own[2]),
            )
            parts.append((rest["boxes"], values, labels, rest["factors"]))
        boxes, values, labels, factors = map(torch.cat, zip(*parts, strict=True))
        values = values * factors
    if rules.clip:
        boxes = clipped(boxes, size)
    if rules.min_bbox_size >= 0:
        sides = boxes[:, 2:] - boxes[:, :2]
        kept = (sides > rules.min_bbox_size).all(1)
        boxes, values, labels = boxes[kept], values[kept], labels[kept]
    threshold = rules.iou_threshold
    nms = None if threshold is None else dict(type="nms", iou_threshold=threshold)
    if len(boxes) == 0:
        return torch.zeros(0, 5), torch.zeros(0)
    best, kept = batched_nms(boxes, values, labels, nms)
    return best[: rules.max_per_img], labels[kept][: rules.max_per_img]


def mmdet_batch(candidates, description, levels=None, size=(SIDE, SIDE)):
    rules = description.selection
    boxes = torch.from_numpy(candidates["boxes"])
    scores = torch.from_numpy(candidates["scores"])
    factors = torch.ones(boxes.shape[:2])
    if "score_factors" in candidates:
        factors = torch.from_numpy(candidates["score_factors"])
    levels = levels or rules.levels or [boxes.shape[1]]
    sizes = size if isinstance(size, list) else [size] * len(boxes)
    return [
        mmdet_selection(*image, levels, rules, own)
        for *image, own in zip(boxes, scores, factors, sizes, strict=True)
    ]


def filled(images, count):
    """mmdet's results in the form of the graph's outputs."""
    detections = np.zeros((len(images), count, 5), np.float32)
    labels = np.full((len(images), count), -1)
    for index, (best, classes) in enumerate(images):
        detections[index, : len(best)] = best.numpy()
        labels[index, : len(best)] = classes.numpy()
    return detections, labels


def check(candidates, description, tmp_path, stable=False, least=1, **reference):
    """Compare both runtimes with mmdet, bit by bit; return the number of detections."""
    model = candidate_model(candidates, description)
    model, changed = append_selection(model, description)
    assert changed.outputs.form == "detections"
    feeds = {f"in_{name}": values for name, values in candidates.items()}
    batch = len(candidates["boxes"])
    image_size = reference.pop("image_size", (SIDE, SIDE))
    feeds["image"] = np.zeros((batch, 3, *image_size), np.float32)
    size = reference.get("size", image_size)
    sizes = size if isinstance(size, list) else [size] * batch
    feeds["image_sizes"] = np.array(sizes, np.float32)
    expected = mmdet_batch(candidates, description, **{"size": size, **reference})
    count = sum(len(best) for best, _ in expected)
    assert count >= least
    detections, labels = filled(expected, description.selection.max_per_img)
    for found in run_both(model, feeds, tmp_path, stable):
        assert found[1].dtype == np.int64
        np.testing.assert_array_equal(found[1], labels)
        np.testing.assert_array_equal(found[0], detections)
    return count


def test_several_levels_and_images(tmp_path):
    candidates = random_candidates(batch=3, priors=200)
    description = describe(levels=[150, 40, 10], batch=None, max_per_img=150)
    assert 60 < check(candidates, description, tmp_path) < 450


def test_any_batch_and_any_size(tmp_path):
    # 48 x 80 at strides 16 and 32 is 3 x 5 and, rounded up, 2 x 3 cells.
    candidates = random_candidates(batch=2, priors=3 * 5 * 9 + 2 * 3 * 4)
    description = describe(
        batch=None,
        height=None,
        width=None,
        strides=[16, 32],
        priors_per_cell=[9, 4],
        nms_pre=30,
    )
    check(
        candidates,
        description,
        tmp_path,
        least=10,
        levels=[3 * 5 * 9, 2 * 3 * 4],
        image_size=(48, 80),
    )


@pytest.mark.parametrize("priors", [7, 120])
def test_any_size_with_all_levels_together(tmp_path, priors):
    candidates = random_candidates(priors=priors)
    description = describe(batch=None, height=None, width=None)
    check(candidates, description, tmp_path)


def test_fewer_candidates_than_detections(tmp_path):
    candidates = random_candidates(priors=5, classes=2)
    check(candidates, describe(classes=2, levels=[3, 2]), tmp_path)


def test_nothing_above_the_threshold_of_one_image(tmp_path):
    candidates = random_candidates(batch=3)
    candidates["scores"][1] *= 0.3
    description = describe(levels=[200], batch=None)
    assert not len(mmdet_batch(candidates, description)[1][0])
    check(candidates, description, tmp_path)


def test_nothing_at_all(tmp_path):
    candidates = random_candidates()
    candidates["scores"] *= 0
    check(candidates, describe(levels=[150, 50]), tmp_path, least=0)


def test_one_class(tmp_path):
    candidates = random_candidates(classes=1)
    check(candidates, describe(classes=1, levels=[150, 50]), tmp_path, least=5)


def test_all_in_one_class_of_several(tmp_path):
    candidates = random_candidates(classes=4)
    candidates["scores"][..., [0, 1, 3]] = 0
    check(candidates, describe(classes=4, levels=[200]), tmp_path, least=5)


def test_more_than_max_per_img(tmp_path):
    candidates = random_candidates(priors=400, classes=5)
    description = describe(classes=5, levels=[400], nms_pre=300, max_per_img=7)
    assert check(candidates, description, tmp_path) == 7


@pytest.mark.parametrize("nms_pre", [None, 10**5])
def test_all_pairs_are_candidates(tmp_path, nms_pre):
    candidates = random_candidates(priors=60, classes=4)
    check(candidates, describe(classes=4, levels=[60], nms_pre=nms_pre), tmp_path)


@pytest.mark.parametrize("nms_pre", [40, None])
def test_equal_scores_keep_the_first(tmp_path, nms_pre, monkeypatch):
    # mmdet leaves the order of equal scores to torch, which leaves it open.
    unstable = torch.Tensor.sort
    monkeypatch.setattr(
        torch.Tensor, "sort", lambda *args, **rest: unstable(*args, stable=True, **rest)
    )
    candidates = with_factors(random_candidates(batch=2, classes=4))
    for name in ("scores", "score_factors"):
        candidates[name] = (np.ceil(candidates[name] * 4) / 4).astype("f4")
    description = described(
        describe(classes=4, levels=[120, 80], batch=None, nms_pre=nms_pre),
        outputs=FACTORS,
    )
    if nms_pre is None:
        # Without ranking, the order of equal products is that of the candidates; mmdet
        # always ranks by score first, so only equal scores can be compared.
        candidates["score_factors"][:] = 0.5
    check(candidates, description, tmp_path, stable=True, least=10)


def test_centerness_counts_after_the_threshold(tmp_path):
    candidates = with_factors(random_candidates(batch=2))
    candidates["score_factors"][0, :50] = 0
    description = described(describe(levels=[150, 50], batch=None), outputs=FACTORS)
    check(candidates, description, tmp_path, least=20)


def test_objectness_threshold_of_yolov3(tmp_path):
    candidates = with_factors(random_candidates(batch=2))
    # One exactly at the threshold stays.
    candidates["score_factors"][0, 3], candidates["scores"][0, 3, 1] = 0.25, 1
    description = described(
        describe(
            levels=[200], batch=None, factor_threshold=0.25, nms_pre=30, clip=False
        ),
        outputs=FACTORS,
    )
    check(candidates, description, tmp_path, least=20)


def test_best_class_of_yolox(tmp_path):
    candidates = with_factors(random_candidates(batch=2, classes=4))
    # Its threshold is reached, not passed.
    candidates["score_factors"][0, 3], candidates["scores"][0, 3, 1] = 0.5, 1
    description = described(
        describe(
            classes=4,
            levels=[200],
            batch=None,
            best_class=True,
            nms_pre=None,
            score_threshold=0.5,
            clip=False,
        ),
        outputs=FACTORS,
    )
    check(candidates, description, tmp_path, least=4)


def test_centernet_has_no_nms(tmp_path):
    candidates = random_candidates(batch=2)
    description = describe(
        levels=[200],
        batch=None,
        iou_threshold=None,
        clip=False,
        score_threshold=-1,
        nms_pre=20,
    )
    assert check(candidates, description, tmp_path) == 40


def test_boxes_of_two_stages(tmp_path):
    classes, rois = 5, 60
    candidates = random_candidates(
        batch=2, priors=rois, classes=classes, class_boxes=True
    )
    description = describe(
        classes=classes, levels=[rois], batch=None, nms_pre=None, class_boxes=True
    )
    model, _ = append_selection(candidate_model(candidates, description), description)
    feeds = {f"in_{name}": values for name, values in candidates.items()}
    feeds["image"] = np.zeros((2, 3, SIDE, SIDE), np.float32)
    images = []
    for boxes, scores in zip(candidates["boxes"], candidates["scores"], strict=True):
        inside = clipped(torch.from_numpy(boxes), (SIDE, SIDE))
        with_background = torch.from_numpy(np.pad(scores, ((0, 0), (0, 1))))
        nms = dict(type="nms", iou_threshold=0.5)
        images.append(multiclass_nms(inside.flatten(1), with_background, 0.3, nms, 20))
    detections, labels = filled(images, 20)
    assert (labels >= 0).sum() >= 30
    for found in run_both(model, feeds, tmp_path):
        np.testing.assert_array_equal(found[1], labels)
        np.testing.assert_array_equal(found[0], detections)


def test_padded_pictures_clip_at_their_own_border(tmp_path):
    candidates = random_candidates(batch=2)
    description = describe(levels=[200], batch=None, keep_ratio=True, min_bbox_size=0)
    sizes = [(64, 41), (17, 64)]
    check(candidates, description, tmp_path, least=10, size=sizes)


@pytest.mark.parametrize("pad", ["fixed", "around"])
def test_padding_of_the_pipeline_counts_as_picture(pad):
    description = describe(levels=[200], keep_ratio=True, pad=pad)
    model = candidate_model(random_candidates(), description)
    model, changed = append_selection(model, description)
    assert "image_sizes" not in [value.name for value in model.graph.input]
    assert changed.input.image_sizes is None


def test_image_sizes_that_the_graph_has_already_are_used(tmp_path):
    candidates = random_candidates()
    description = describe(levels=[200], keep_ratio=True, image_sizes="image_sizes")
    model = candidate_model(candidates, description)
    sizes = helper.make_tensor_value_info("image_sizes", TensorProto.FLOAT, [1, 2])
    model.graph.input.append(sizes)
    model, _ = append_selection(model, description)
    onnx.checker.check_model(model, full_check=True)
    assert [v.name for v in model.graph.input].count("image_sizes") == 1


def test_stretched_pictures_smaller_than_the_input(tmp_path):
    description = describe(levels=[200], scale=[50, 40])
    check(random_candidates(), description, tmp_path, size=(40, 50))


def test_small_boxes_go(tmp_path):
    candidates = random_candidates()
    candidates["boxes"][0, ::3, 2] = candidates["boxes"][0, ::3, 0]
    candidates["boxes"][0, 1::3] += 2 * SIDE
    # Pictures as they are: pixels of the input are those of the picture.
    description = describe(levels=[200], min_bbox_size=9, scale=None, keep_ratio=True)
    check(candidates, description, tmp_path)
    description = describe(levels=[200], min_bbox_size=0)
    check(candidates, description, tmp_path)


def test_boxes_of_resized_pictures_cannot_be_compared_in_pixels_of_the_input():
    assert needs_picture_sizes(describe(min_bbox_size=9))
    assert not needs_picture_sizes(describe(min_bbox_size=0))
    as_they_are = describe(min_bbox_size=9, scale=None, keep_ratio=True)
    assert not needs_picture_sizes(as_they_are)


@pytest.mark.parametrize("threshold", [0.5, 0.6, 0.65, 0.7])
def test_an_overlap_at_the_threshold_stays_as_in_mmdet(tmp_path, threshold):
    # Of two boxes, one a part of the other: the overlap is exactly the threshold.
    boxes = np.array([[[0, 0, 20, 20], [0, 0, 20, 20 * threshold]]], "f4")
    candidates = dict(boxes=boxes, scores=np.array([[[0.9], [0.8]]], "f4"))
    description = describe(classes=1, levels=[2], iou_threshold=threshold)
    check(candidates, description, tmp_path)


def test_boxes_of_other_classes_meet_beyond_the_border_as_in_mmdet(tmp_path):
    # batched_nms moves class 1 by the largest coordinate + 1; a box above and left of
    # the picture lands on class 0.
    boxes = np.array([[[30, 0, 60, 20], [-31, -61, -1, -41], [0, 0, 5, 5]]], "f4")
    scores = np.array([[[0.9, 0], [0, 0.8], [0, 0.7]]], "f4")
    description = describe(classes=2, levels=[3], clip=False)
    assert check(dict(boxes=boxes, scores=scores), description, tmp_path) == 2


def test_any_number_of_detections_becomes_a_number(tmp_path):
    """mmdet keeps all of YOLOX's, a graph has outputs of one size."""
    description = describe(levels=[200], max_per_img=None)
    model = candidate_model(random_candidates(), description)
    model, changed = append_selection(model, description)
    assert changed.selection.max_per_img == 300
    sizes = [v.type.tensor_type.shape.dim[1].dim_value for v in model.graph.output]
    assert sizes == [300, 300]


def test_the_given_model_stays():
    description = describe(levels=[200], keep_ratio=True)
    model = candidate_model(random_candidates(), description)
    before = model.SerializeToString()
    append_selection(model, description)
    assert model.SerializeToString() == before
