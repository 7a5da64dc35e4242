import pytest
from mmengine.config import Config

from ghostnet_mm.configuration import Options, load_config
from ghostnet_mm.configuration.files.option_keys import check_option_keys
from ghostnet_mm.configuration.options import parse_assignments
from ghostnet_mm.errors import OptionError


@pytest.fixture
def cfg(tiny):
    return Config.fromfile(tiny)


@pytest.mark.parametrize(
    "key",
    [
        "model.backbone.widen_factor",
        "model.backbone.with_cp",  # a new argument of a part
        "model.backbone.init_cfg.checkpoint",  # below a new one
        "model.train_cfg.assigner.pos_iou_thr",
        "optim_wrapper.clip_grad.max_norm",
        "train_dataloader.dataset.pipeline.2.scale",
        "train_dataloader.dataset.indices",
        "randomness.deterministic",
        "find_unused_parameters",
        "default_hooks.early_stopping.type",
        "load_from",
        "custom_hooks",
    ],
)
def test_keys_that_do_something(cfg, key):
    check_option_keys(cfg, {key: 1})


@pytest.mark.parametrize(
    ("key", "suggestion"),
    [
        ("model.backbon.widen_factor", "model.backbone.widen_factor?"),
        ("model.backbone.widen_facter", "model.backbone.widen_factor?"),
        ("train_dataloader.batchsize", "train_dataloader.batch_size?"),
        ("train_dataloder.batch_size", "train_dataloader.batch_size"),
        ("max_epochs", "train_cfg.max_epochs?"),
        ("lr", "optim_wrapper.optimizer.lr?"),
        ("optimizer.lr", "optim_wrapper.optimizer.lr?"),
        ("model.test_cfg.scor_thr", "model.test_cfg.score_thr?"),
        ("train_dataloader.dataset.pipeline.7.scale", "from 0 to 3"),
        ("model.backbone.type.name", "'GhostNet'"),
        ("data_root", "--data-root DIR"),
        ("dataset_type", "variable"),
    ],
)
def test_keys_that_would_do_nothing(cfg, key, suggestion):
    with pytest.raises(OptionError) as caught:
        check_option_keys(cfg, {key: 1})
    assert suggestion in str(caught.value)
    assert key in str(caught.value)


def test_values_are_parsed_as_mmengine_does():
    items = ["a.b=1", "c=[(1,2),x]", "d=None", "e=1e-3", "f=true", "g=k=v"]
    assert parse_assignments(items) == {
        "a.b": 1,
        "c": [(1, 2), "x"],
        "d": None,
        "e": 0.001,
        "f": True,
        "g": "k=v",
    }


@pytest.mark.parametrize("item", ["a", "=1", "a..b=1", "a=[1,(2]"])
def test_what_is_not_an_assignment(item):
    with pytest.raises(OptionError, match="--cfg-options"):
        parse_assignments([item])


def test_an_assignment_that_does_not_fit(tiny):
    options = Options(cfg_options={"model.backbone.type": "NoBackbone"})
    with pytest.raises(OptionError, match=r"model\.backbone\.type is 'NoBackbone'"):
        load_config(tiny, options)
