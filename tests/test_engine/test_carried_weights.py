"""Starting from a detector of other classes: what is taken, judged by its scores.

The reference is what the heads themselves compute: the score of a class that both
detectors know must be the same for the same maps, at every place and anchor.
"""

import copy

import pytest
import torch
from mmdet.registry import MODELS
from support.random_norms import randomize_norms

from ghostnet_mm.engine.carried_weights import carry_over, stored_classes

OLD = ("cup", "fork", "plate", "spoon")
NEW = ("spoon", "knife", "cup")

FCOS = dict(
    type="FCOSHead", in_channels=8, feat_channels=8, stacked_convs=1, norm_cfg=None
)
ANCHORS = dict(
    type="AnchorGenerator",
    octave_base_scale=4,
    scales_per_octave=2,
    ratios=[0.5, 1.0],
    strides=[8, 16],
)
RETINA = dict(
    type="RetinaHead",
    in_channels=8,
    feat_channels=8,
    stacked_convs=1,
    anchor_generator=ANCHORS,
)
SOFTMAX = dict(
    RETINA, loss_cls=dict(type="CrossEntropyLoss", use_sigmoid=False, loss_weight=1.0)
)
SSD = dict(
    type="SSDHead",
    in_channels=(8, 8, 8),
    anchor_generator=dict(
        type="SSDAnchorGenerator",
        scale_major=False,
        min_sizes=[8, 16, 32],
        max_sizes=[16, 32, 64],
        strides=[8, 16, 32],
        ratios=[[2], [2, 3], [2]],
    ),
)
YOLOV3 = dict(
    type="YOLOV3Head",
    in_channels=[8, 8],
    out_channels=[8, 8],
    anchor_generator=dict(
        type="YOLOAnchorGenerator",
        base_sizes=[[(16, 30), (33, 23)], [(30, 61), (62, 45)]],
        strides=[16, 8],
    ),
    featmap_strides=[16, 8],
)
YOLOX = dict(
    type="YOLOXHead", in_channels=8, feat_channels=8, stacked_convs=1, strides=(8, 16)
)
CENTERNET = dict(type="CenterNetHead", in_channels=8, feat_channels=8)


def head_config(head, count):
    return dict(copy.deepcopy(head), num_classes=count)


class Detector(torch.nn.Module):
    """A head alone, below the name that a detector gives it."""

    def __init__(self, head):
        super().__init__()
        self.bbox_head = MODELS.build(copy.deepcopy(head))


@pytest.fixture(autouse=True)
def head_as_the_whole_model(monkeypatch):
    monkeypatch.setattr(
        "ghostnet_mm.engine.class_rows.build_on_meta",
        lambda config, place: Detector(config["bbox_head"]),
    )


def pair(head):
    """Two heads of random weights, the second for other classes."""
    old = Detector(head_config(head, len(OLD)))
    config = dict(bbox_head=head_config(head, len(NEW)))
    new = Detector(config["bbox_head"])
    for model in (old, new):
        for tensor in model.parameters():
            tensor.data.normal_(0, 0.5)
        randomize_norms(model)
    return old.eval(), new.eval(), config


def scores_and_boxes(model, kind, num_classes):
    """Return (places and anchors, classes, and what else) as mmdet reads the maps."""
    generator = torch.Generator().manual_seed(1)
    levels = {"CenterNetHead": 1, "SSDHead": 3}.get(kind, 2)
    maps = [torch.randn(1, 8, 6 - i, 5, generator=generator) for i in range(levels)]
    with torch.no_grad():
        outputs = model.bbox_head(maps)
    first = outputs[0]
    scores, others = [], []
    for level, out in enumerate(first):
        flat = out.permute(0, 2, 3, 1)
        if kind == "YOLOV3Head":
            flat = flat.reshape(-1, 5 + num_classes)
            scores.append(flat[:, 5:])
            others.append(flat[:, :5].flatten())
            continue
        behind = getattr(model.bbox_head, "cls_out_channels", num_classes) - num_classes
        flat = flat.reshape(-1, num_classes + behind)
        scores.append(flat[:, :num_classes])
        others.append(flat[:, num_classes:].flatten())
        others.append(outputs[1][level].flatten())
    return torch.cat(scores), torch.cat(others)


@pytest.mark.parametrize(
    "head",
    [RETINA, SOFTMAX, SSD, YOLOV3, YOLOX, FCOS, CENTERNET],
    ids=lambda h: h["type"],
)
def test_a_class_of_the_same_name_scores_the_same(head):
    """Catches rows of another anchor, of another class, or of the background."""
    old, new, config = pair(head)
    untouched = copy.deepcopy(new)
    outcome = carry_over(new, config, old.state_dict(), OLD, NEW)
    assert outcome.anew == []
    new.load_state_dict(outcome.weights)
    theirs, their_others = scores_and_boxes(old, head["type"], len(OLD))
    ours, our_others = scores_and_boxes(new, head["type"], len(NEW))
    assert len(theirs) >= 30
    for name in set(OLD) & set(NEW):
        torch.testing.assert_close(
            ours[:, NEW.index(name)], theirs[:, OLD.index(name)], msg=name
        )
    torch.testing.assert_close(our_others, their_others)
    assert outcome.carried_classes == ["spoon", "cup"]
    assert outcome.new_classes == ["knife"]
    # A new class keeps the numbers of the new model's own start.
    for name in outcome.by_class:
        before, after = untouched.state_dict()[name], new.state_dict()[name]
        assert (before == after).any(), name
        assert not torch.equal(before, after), name


ROI = dict(
    type="Shared2FCBBoxHead",
    in_channels=4,
    fc_out_channels=8,
    roi_feat_size=3,
)


@pytest.mark.parametrize("agnostic", [False, True])
def test_boxes_of_each_class_stay_with_their_class(agnostic):
    old, new, config = pair(dict(ROI, reg_class_agnostic=agnostic))
    outcome = carry_over(new, config, old.state_dict(), OLD, NEW)
    new.load_state_dict(outcome.weights)
    regions = torch.randn(7, 4, 3, 3)
    with torch.no_grad():
        (their_scores, their_boxes), (our_scores, our_boxes) = (
            model.bbox_head(regions) for model in (old, new)
        )
    torch.testing.assert_close(our_scores[:, -1], their_scores[:, -1])  # background
    for name in ("spoon", "cup"):
        ours, theirs = NEW.index(name), OLD.index(name)
        torch.testing.assert_close(our_scores[:, ours], their_scores[:, theirs])
        if not agnostic:
            torch.testing.assert_close(
                our_boxes.view(7, -1, 4)[:, ours], their_boxes.view(7, -1, 4)[:, theirs]
            )
    if agnostic:
        torch.testing.assert_close(our_boxes, their_boxes)


def test_as_many_classes_in_another_order():
    """Catches rows that are taken as they are because the shapes agree."""
    head = head_config(RETINA, 4)
    old, new = Detector(head), Detector(head)
    names = OLD[::-1]
    outcome = carry_over(new, dict(bbox_head=head), old.state_dict(), OLD, names)
    weight = outcome.weights["bbox_head.retina_cls.weight"].unflatten(0, (4, 4))
    before = old.state_dict()["bbox_head.retina_cls.weight"].unflatten(0, (4, 4))
    torch.testing.assert_close(weight, before.flip(1))
    assert outcome.new_classes == []


def test_no_class_in_common():
    old, new, config = pair(FCOS)
    outcome = carry_over(new, config, old.state_dict(), OLD, ("a", "b", "c"))
    for name in ("weight", "bias"):
        key = f"bbox_head.conv_cls.{name}"
        torch.testing.assert_close(outcome.weights[key], new.state_dict()[key])
    assert "for all classes, which have other names" in outcome.summary()


def test_a_file_without_class_names():
    old, new, config = pair(RETINA)
    weights = dict(old.state_dict(), stranger=torch.rand(2))
    outcome = carry_over(new, config, weights, None, NEW)
    layer = "bbox_head.retina_cls"
    assert outcome.anew == [f"{layer}.weight", f"{layer}.bias"]
    assert outcome.unused == ["stranger"]
    total = len(new.state_dict())
    assert outcome.summary() == (
        f"{total - 2} of {total} tensors taken; 2 start anew ({layer}); "
        f"1 of the file not used"
    )


def test_the_same_classes_are_taken_whole():
    head = head_config(RETINA, 4)
    old, new = Detector(head), Detector(head)
    outcome = carry_over(new, dict(bbox_head=head), old.state_dict(), OLD, list(OLD))
    total = len(new.state_dict())
    assert outcome.summary() == f"{total} of {total} tensors taken"
    for name, value in old.state_dict().items():
        assert torch.equal(outcome.weights[name], value)


def test_the_line_for_a_user():
    old, new, config = pair(RETINA)
    total = len(new.state_dict())
    assert carry_over(new, config, old.state_dict(), OLD, NEW).summary() == (
        f"{total - 2} of {total} tensors taken; bbox_head.retina_cls by name of the "
        f"class: taken for spoon, cup, anew for knife"
    )


@pytest.mark.parametrize(
    ("meta", "names"),
    [
        (dict(dataset_meta=dict(classes=("a", "b"))), ("a", "b")),
        (dict(dataset_meta=dict(CLASSES=["a"])), ("a",)),
        (dict(CLASSES=("a", "b")), ("a", "b")),
        (dict(dataset_meta=dict(classes="a")), ("a",)),
        (dict(epoch=3), None),
    ],
)
def test_class_names_of_old_and_new_files(meta, names):
    assert stored_classes(dict(meta=meta)) == names
    assert stored_classes({}) is None
