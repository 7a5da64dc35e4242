"""The wrappings that training scripts put around weights."""

import pytest
import torch

from ghostnet_mm.checkpoints import extract_state_dict
from ghostnet_mm.errors import CheckpointError


def make_weights(value=1.0):
    return {
        "conv.weight": torch.full((2, 3), value),
        "bn.num_batches_tracked": torch.tensor(5),
    }


def with_prefix(prefix, weights):
    return {prefix + key: value for key, value in weights.items()}


def with_profiler_entries(weights):
    extra = {
        "total_ops": torch.zeros(1),
        "conv.total_params": torch.zeros(1),
        "conv.gate_fn.total_ops": torch.zeros(1),
    }
    return {**extra, **weights}


OTHER = make_weights(9.0)
LAYOUTS = {
    "flat": lambda w: w,
    "state_dict": lambda w: {"epoch": 3, "state_dict": w, "args": None},
    "model": lambda w: {"model": w, "optimizer": {"state": {}}},
    "ema": lambda w: {"state_dict": OTHER, "state_dict_ema": w},
    "ema absent": lambda w: {"state_dict": w, "state_dict_ema": None},
    "mmengine with EMA": lambda w: {
        "meta": {},
        "state_dict": w,
        "ema_state_dict": with_prefix("module.", OTHER),
    },
    "data parallel": lambda w: {"state_dict": with_prefix("module.", w)},
    "data parallel twice": lambda w: with_prefix("module.module.", w),
    "profiled": with_profiler_entries,
    "profiled, data parallel": lambda w: with_prefix(
        "module.", with_profiler_entries(w)
    ),
    "detector": lambda w: {
        "state_dict": {**with_prefix("backbone.", w), **with_prefix("neck.", OTHER)}
    },
    "classifier of mmpretrain": lambda w: {
        "meta": {"epoch": 10},
        "state_dict": {
            "data_preprocessor.mean": torch.zeros(3),
            **with_prefix("backbone.", w),
            **with_prefix("head.", OTHER),
        },
    },
    "segmentor of mmseg": lambda w: {
        "state_dict": {
            **with_prefix("auxiliary_head.", OTHER),
            **with_prefix("decode_head.", OTHER),
            **with_prefix("backbone.", w),
        },
    },
    "detector, data parallel": lambda w: with_prefix(
        "module.", {**with_prefix("backbone.", w), "head.weight": torch.zeros(3)}
    ),
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_each_layout_gives_the_same_weights(layout):
    weights = make_weights()
    found = extract_state_dict(LAYOUTS[layout](weights))
    assert list(found) == list(weights)
    torch.testing.assert_close(found, weights, rtol=0, atol=0)


def test_a_module_of_that_name_is_not_a_data_parallel_prefix():
    weights = {"module.conv.weight": torch.ones(1), "head.weight": torch.ones(1)}
    assert list(extract_state_dict(weights)) == list(weights)


def test_a_choice_between_weights_is_logged(monkeypatch):
    lines = []
    monkeypatch.setattr(
        "ghostnet_mm.checkpoints.key_layouts.print_log",
        lambda text, **options: lines.append(text),
    )
    checkpoint = {"state_dict": make_weights(1.0), "state_dict_ema": make_weights(2.0)}
    found = extract_state_dict(checkpoint, "a.pth")
    assert found["conv.weight"][0, 0] == 2.0
    assert lines == [
        "a.pth holds state_dict_ema and state_dict: taking state_dict_ema."
    ]


@pytest.mark.parametrize(
    ("checkpoint", "message"),
    [
        ([torch.ones(1)], "holds a list"),
        (torch.ones(1), "holds a Tensor"),
        (None, "holds a NoneType"),
        ({}, "holds nothing"),
        ({"state_dict": {}}, "holds nothing"),
        ({"total_ops": torch.ones(1)}, "holds nothing"),
        ({"epoch": 3, "conv.weight": torch.ones(1)}, "holds epoch where"),
        ({"state_dict": {"conv": {"weight": torch.ones(1)}}}, "holds conv where"),
        ({7: torch.ones(1)}, "holds 7 where"),
    ],
)
def test_what_holds_no_weights_is_an_error(checkpoint, message):
    with pytest.raises(CheckpointError, match=rf"^a\.pth {message}"):
        extract_state_dict(checkpoint, "a.pth")
