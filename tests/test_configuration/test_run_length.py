"""--epochs: the recipe in another length."""

import pytest
from mmengine.config import Config

from ghostnet_mm.configuration.training.length import set_epochs
from ghostnet_mm.errors import OptionError


def recipe(**changes):
    return Config(
        dict(
            train_cfg=dict(
                type="EpochBasedTrainLoop",
                max_epochs=300,
                val_interval=10,
                dynamic_intervals=[(280, 1)],
            ),
            param_scheduler=[
                dict(type="LinearLR", by_epoch=False, begin=0, end=500),
                dict(type="CosineAnnealingLR", begin=5, end=300, T_max=295),
                dict(type="MultiStepLR", milestones=[200, 270], begin=0, end=300),
            ],
            custom_hooks=[dict(type="YOLOXModeSwitchHook", num_last_epochs=15)],
            default_hooks=dict(checkpoint=dict(type="CheckpointHook", interval=10)),
        )
        | changes
    )


def test_the_whole_schedule_is_scaled():
    cfg = recipe()
    set_epochs(cfg, 30)
    assert cfg.train_cfg.max_epochs == 30
    assert cfg.train_cfg.val_interval == 1
    assert cfg.train_cfg.dynamic_intervals == [(28, 1)]
    warm_up, cosine, steps = cfg.param_scheduler
    assert (warm_up.begin, warm_up.end) == (0, 50)
    assert (cosine.begin, cosine.end, cosine.T_max) == (1, 30, 30)
    assert steps.milestones == [20, 27]
    assert cfg.custom_hooks[0].num_last_epochs == 2
    assert cfg.default_hooks.checkpoint.interval == 1


def test_a_run_of_one_epoch_keeps_every_part():
    cfg = recipe()
    set_epochs(cfg, 1)
    assert cfg.train_cfg.max_epochs == cfg.train_cfg.val_interval == 1
    assert cfg.param_scheduler[0].end == 2
    assert cfg.param_scheduler[1].T_max == 1


def test_the_recipes_own_length_changes_nothing():
    cfg = recipe()
    set_epochs(cfg, 300)
    assert cfg.to_dict() == recipe().to_dict()


def test_impossible_lengths_are_refused():
    with pytest.raises(OptionError, match="--epochs 0 is not possible"):
        set_epochs(recipe(), 0)
    iterations = dict(type="IterBasedTrainLoop", max_iters=100)
    with pytest.raises(OptionError, match="max_iters"):
        set_epochs(recipe(train_cfg=iterations), 5)
