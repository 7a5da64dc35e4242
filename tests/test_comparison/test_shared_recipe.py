"""Every candidate gets the recipe's training and keeps its own model."""

import json
from pathlib import Path

import pytest
from support.running_tools import TINY
from support.tiny_coco import make_tiny_coco

from ghostnet_mm.comparison.compared_detectors import ComparedDetector
from ghostnet_mm.comparison.shared_recipe import (
    candidate_config,
    load_recipe,
    set_epochs,
)
from ghostnet_mm.errors import OptionError

CONFIGS = Path(__file__).parents[2] / "configs"


@pytest.fixture(scope="module")
def data_root(tmp_path_factory):
    return str(make_tiny_coco(tmp_path_factory.mktemp("data") / "coco"))


def test_only_the_model_is_the_candidates_own(data_root):
    recipe = load_recipe(TINY, data_root, epochs=None)
    yolox = ComparedDetector("yolox", str(CONFIGS / "yolox_ghostnet_coco.py"))
    merged = candidate_config(recipe, yolox, data_root)
    assert merged.model.type == "YOLOX"
    assert merged.model.bbox_head.num_classes == 2
    assert merged.model.backbone.init_cfg is None
    # Multi-scale training is a part of the recipe, and of YOLOX's, not of this one.
    assert "batch_augments" not in merged.model.data_preprocessor
    for key in ("train_dataloader", "val_dataloader", "optim_wrapper", "train_cfg"):
        assert merged[key].to_dict() == recipe[key].to_dict()
    assert merged.get("custom_hooks") == recipe.get("custom_hooks")


def test_several_folders_are_joined_for_recipe_and_candidate(data_root, tmp_path):
    roots = [data_root, str(make_tiny_coco(tmp_path / "more"))]
    recipe = load_recipe(TINY, roots, epochs=None)
    for cfg in (recipe, candidate_config(recipe, ComparedDetector("a", TINY), roots)):
        content = json.loads(Path(cfg.train_dataloader.dataset.ann_file).read_text())
        assert len(content["images"]) == 8


def test_a_config_of_an_installed_package_can_take_part(data_root):
    recipe = load_recipe(TINY, data_root, epochs=None)
    theirs = ComparedDetector("nano", "mmdet::yolox/yolox_nano_8xb8-300e_coco.py")
    merged = candidate_config(recipe, theirs, data_root)
    assert merged.model.backbone.type == "CSPDarknet"
    assert merged.model.bbox_head.num_classes == 2


def test_the_score_is_that_of_the_end(data_root):
    recipe = load_recipe(TINY, data_root, epochs=7)
    assert recipe.train_cfg.max_epochs == recipe.train_cfg.val_interval == 7


def test_schedules_that_count_epochs_are_stretched(data_root):
    cfg = load_recipe(str(CONFIGS / "retinanet_ghostnet_digits.py"), data_root, None)
    warm_up, cosine = cfg.param_scheduler
    assert (warm_up.end, cosine.end, cosine.T_max) == (100, 5, 5)
    set_epochs(cfg, 10)
    # The warm-up counts iterations: it stays.
    assert (warm_up.end, cosine.end, cosine.T_max) == (100, 10, 10)
    cfg.param_scheduler.append(dict(type="MultiStepLR", milestones=[4, 8]))
    set_epochs(cfg, 5)
    assert cfg.param_scheduler[-1]["milestones"] == [2, 4]


def test_impossible_budgets_are_refused(data_root):
    with pytest.raises(OptionError, match="at least 1"):
        load_recipe(TINY, data_root, epochs=0)
    cfg = load_recipe(TINY, data_root, epochs=None)
    cfg.train_cfg = dict(type="IterBasedTrainLoop", max_iters=10)
    with pytest.raises(OptionError, match="counts epochs"):
        set_epochs(cfg, 3)


def test_hooks_and_short_warm_ups_are_stretched_too(data_root):
    cfg = load_recipe(str(CONFIGS / "yolox_ghostnet_coco.py"), data_root, epochs=30)
    warm_up, cosine, constant = cfg.param_scheduler
    assert (warm_up.begin, warm_up.end) == (0, 1)
    assert (cosine.begin, cosine.end) == (0, 28)
    assert (constant.begin, constant.end) == (28, 30)
    (switch,) = [h for h in cfg.custom_hooks if h["type"] == "YOLOXModeSwitchHook"]
    assert switch["num_last_epochs"] == 2
    assert "dynamic_intervals" not in cfg.train_cfg
