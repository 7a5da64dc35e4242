"""Candidates as they are written on the command line."""

import pytest

from ghostnet_mm.comparison.compared_detectors import (
    ComparedDetector,
    parse_candidate,
    refuse_doubles,
)
from ghostnet_mm.errors import OptionError


def test_a_bare_config_is_labelled_by_its_file():
    assert parse_candidate("configs/retinanet_ghostnet_coco.py") == ComparedDetector(
        "retinanet_ghostnet_coco", "configs/retinanet_ghostnet_coco.py"
    )


def test_label_options_and_weights_are_told_apart():
    candidate = parse_candidate(
        "'V2, 0.5x'=a.py model.backbone.type=GhostNetV2 model.neck.num_outs=3 "
        'model.backbone.out_indices="(1,2)" backbone_weights=w.pth'
    )
    assert candidate.label == "V2, 0.5x"
    assert candidate.folder == "V2-0.5x"
    assert candidate.config == "a.py"
    assert candidate.backbone_weights == "w.pth"
    assert candidate.cfg_options == {
        "model.backbone.type": "GhostNetV2",
        "model.neck.num_outs": 3,
        "model.backbone.out_indices": (1, 2),
    }


@pytest.mark.parametrize("text", ["", "=a.py", "label=", "a.py b.py", "'a=b.py"])
def test_what_is_no_candidate_is_refused(text):
    with pytest.raises(OptionError):
        parse_candidate(text)


def test_settings_that_the_recipe_would_override_are_refused():
    with pytest.raises(OptionError, match=r"optim_wrapper\.optimizer\.lr"):
        parse_candidate("a.py model.neck.num_outs=3 optim_wrapper.optimizer.lr=0.1")


def test_labels_that_would_share_a_folder_are_refused():
    with pytest.raises(OptionError, match="label of its own"):
        refuse_doubles([ComparedDetector("a b", "x.py")] * 2)
    with pytest.raises(OptionError, match="label of its own"):
        refuse_doubles(
            [ComparedDetector("a b", "x.py"), ComparedDetector("a-b", "y.py")]
        )
