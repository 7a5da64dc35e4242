"""The datasets inside wrappers, however a config nests them."""

import pytest
from mmengine.config import Config

from ghostnet_mm.datasets.wrappers import (
    datasets_of,
    inner_datasets,
    steps_of_testing,
)
from ghostnet_mm.errors import OptionError

A, B, C = (dict(type="CocoDataset", ann_file=name, pipeline=[name]) for name in "abc")


@pytest.mark.parametrize(
    ("dataset", "found"),
    [
        (A, {"x": "a"}),
        (dict(type="RepeatDataset", times=3, dataset=A), {"x.dataset": "a"}),
        (dict(type="ClassBalancedDataset", dataset=A), {"x.dataset": "a"}),
        (
            dict(
                type="MultiImageMixDataset",
                pipeline=["mosaic"],
                dataset=dict(type="RepeatDataset", times=2, dataset=A),
            ),
            {"x.dataset.dataset": "a"},
        ),
        (
            dict(
                type="ConcatDataset",
                datasets=[A, dict(type="RepeatDataset", times=2, dataset=B), C],
            ),
            {"x.datasets.0": "a", "x.datasets.1.dataset": "b", "x.datasets.2": "c"},
        ),
        (
            dict(
                type="RepeatDataset",
                times=2,
                dataset=dict(type="ConcatDataset", datasets=[B, A]),
            ),
            {"x.dataset.datasets.0": "b", "x.dataset.datasets.1": "a"},
        ),
    ],
)
def test_each_is_found_at_its_place(dataset, found):
    inner = list(inner_datasets(dataset, "x"))
    # In the config's order: a list of pairs, not a dict, is compared.
    assert [(place, leaf["ann_file"]) for place, leaf in inner] == list(found.items())


def test_what_is_yielded_is_the_config_itself():
    cfg = Config(
        dict(train_dataloader=dict(dataset=dict(type="RepeatDataset", dataset=A)))
    )
    for place, dataset in datasets_of(cfg, "train"):
        dataset["data_root"] = place
    root = "train_dataloader.dataset.dataset"
    assert cfg.train_dataloader.dataset.dataset.data_root == root
    assert list(datasets_of(cfg, "val")) == []


def test_the_steps_of_a_test():
    """Catches the inner pipeline where the wrapper has the one that counts."""
    mix = dict(type="MultiImageMixDataset", dataset=A, pipeline=["outer"])
    for dataset, steps in (
        (A, ["a"]),
        (dict(type="RepeatDataset", dataset=A), ["a"]),
        (mix, ["outer"]),
        (dict(type="RepeatDataset", dataset=mix), ["outer"]),
    ):
        cfg = Config(dict(test_dataloader=dict(dataset=dataset)))
        assert steps_of_testing(cfg) == steps
    with pytest.raises(OptionError, match="no test_dataloader"):
        steps_of_testing(Config(dict()))
